"""What the gateway remembers of instances, with a neighbour who makes it remember the wrong things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from grpc import StatusCode

from services.common import caller
from services.common.errors import DeadlineTooShort, Overloaded, RequestError
from tests.integration.launching import Running
from tests.integration.neighbours.kit import ask, assert_served, until_served
from tests.integration.scripted_embedding import Context, ScriptedEmbedding, serving

pytestmark = pytest.mark.integration

Answer = Callable[[], RequestError | StatusCode | None]


class Scripted(ScriptedEmbedding):
    """Answers each client as a test says: in our words, with a bare status, or with a vector."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.delay_s = 0.0

    async def before_answer(self, context: Context) -> None:
        await asyncio.sleep(self.delay_s)
        answer = self.answers.get(caller.current.get().client, lambda: None)()
        if isinstance(answer, RequestError):
            raise answer
        if answer is not None:
            await context.abort(answer, "bare")


@asynccontextmanager
async def gateway_before(before: Callable[..., Running], *instances: Scripted) -> AsyncIterator[int]:
    """Port of a gateway that knows these instances."""
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(instance, drain_s=0.1)) for instance in instances]
        upstreams = ",".join(f"127.0.0.1:{port}" for port in ports)
        gateway = await asyncio.to_thread(before, {}, upstreams__embedding=upstreams)
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
