# ruff: noqa: N802 - gRPC names the methods of a servicer
"""What the gateway remembers of instances, with a neighbour who makes it remember the wrong things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import pytest
from grpc import StatusCode, aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from services.common import caller
from services.common.errors import DeadlineTooShort, Overloaded, RequestError
from services.common.lifecycle import ServiceApp
from services.common.server.joint import split_at_the_edge
from services.common.server.server import Registration
from services.common.testing.servers import running
from services.embedding.settings import EmbeddingSettings
from tests.integration.launching import Running
from tests.integration.neighbours.kit import ask, assert_served, until_served

pytestmark = pytest.mark.integration

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
Answer = Callable[[], RequestError | StatusCode | None]


class Scripted(pb_grpc.EmbeddingServiceServicer):
    """An instance that answers each client as a test says: in our words, with a bare status, or with a vector."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.delay_s = 0.0

    async def Embed(self, request: pb.EmbedRequest, context: aio.ServicerContext[Any, Any]) -> pb.EmbedResponse:
        await asyncio.sleep(self.delay_s)
        answer = self.answers.get(caller.current.get().client, lambda: None)()
        if isinstance(answer, RequestError):
            raise answer
        if answer is not None:
            await context.abort(answer, "bare")
        vectors = pb.Vectors(data=b"\x00" * 4, vector_type=pb.VECTOR_TYPE_FLOAT32, rows=1, dimensions=1)
        reply = pb.EmbedResponse(vectors=vectors)
        reply.items.add(outcome=1)
        return reply

    EmbedMany = split_at_the_edge

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:
        raise NotImplementedError

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to free."""


@asynccontextmanager
async def gateway_before(before: Callable[..., Running], *instances: Scripted) -> AsyncIterator[int]:
    """Port of a gateway that knows these instances."""
    async with AsyncExitStack() as stack:
        addresses = []
        for instance in instances:
            registration = Registration(
                name=NAME, servicer=instance, add=pb_grpc.add_EmbeddingServiceServicer_to_server
            )
            app = ServiceApp(registrations=[registration], engine=instance)
            settings = EmbeddingSettings(port=0, metrics_port=0, drain_s=0.1)
            addresses.append(f"127.0.0.1:{await stack.enter_async_context(running(app, settings))}")
        gateway = await asyncio.to_thread(before, {}, upstreams__embedding=",".join(addresses))
        await until_served(gateway.port)
        yield gateway.port


@pytest.mark.parametrize(
    "answer",
    [
        lambda: DeadlineTooShort("too little time"),
        lambda: Overloaded("full", retry_after_s=60.0),
        lambda: StatusCode.RESOURCE_EXHAUSTED,
        lambda: StatusCode.INVALID_ARGUMENT,
    ],
    ids=["too little time", "refused", "a bare refusal", "a bare error of its own"],
)
async def test_what_one_client_is_answered_does_not_keep_the_instance_from_the_others(
    answer: Answer, before: Callable[..., Running]
) -> None:
    instance = Scripted()
    instance.answers["greedy"] = answer
    async with gateway_before(before, instance) as port:
        for _ in range(20):
            await ask(port, ["a"], client="greedy")
        await assert_served(port)


async def test_refusals_of_one_client_do_not_spend_the_retries_of_the_others(before: Callable[..., Running]) -> None:
    first, second = Scripted(), Scripted()
    second.delay_s = 0.05  # so that the other is the first choice
    failing = iter([StatusCode.UNAVAILABLE] * 4)
    async with gateway_before(before, first, second) as port:
        await assert_served(port, 12)
        for instance in (first, second):
            instance.answers["greedy"] = lambda: DeadlineTooShort("too little time")
        for _ in range(40):
            await ask(port, ["a"], client="greedy")
        first.answers["alice"] = lambda: next(failing, None)
        await assert_served(port, 6)


async def test_an_instance_that_refuses_one_client_is_still_asked_for_the_others(
    before: Callable[..., Running],
) -> None:
    full, free = Scripted(), Scripted()
    free.delay_s = 0.05  # so that the other is the first choice
    async with gateway_before(before, full, free) as port:
        await assert_served(port, 12)
        for instance in (full, free):
            instance.answers["greedy"] = lambda: Overloaded("full", retry_after_s=30.0)
        for _ in range(4):
            await ask(port, ["a"], client="greedy")
        full.answers["alice"] = lambda: Overloaded("full", retry_after_s=1.0)
        await assert_served(port, 12)
