# ruff: noqa: N802 - gRPC names the methods of a servicer
"""A client whose calls travel together, against real servers: nothing is lost that calls alone would not lose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import pytest
from grpc import StatusCode, aio
from isolane.common.v1 import joint_pb2
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc
from prometheus_client import REGISTRY

from services.common.deadline import Deadline
from services.common.errors import Unavailable
from services.common.rpc.breaker import Breaker, Outcome
from services.common.rpc.client import RpcClient
from services.common.rpc.coalescing import Joint
from services.common.rpc.upstream_pool import UpstreamPool, upstream_breaker
from services.common.server.interceptor import EdgeInterceptor
from services.common.server.joint import answered_at_the_edge
from services.common.testing.breakers import AlwaysClosed
from services.common.testing.resolvers import ChangingResolver
from services.common.testing.waiting import eventually

pytestmark = pytest.mark.integration

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
Client: TypeAlias = "RpcClient[pb_grpc.EmbeddingServiceStub]"
JOINT: Joint[pb_grpc.EmbeddingServiceStub, pb.EmbedResponse] = Joint(
    method=lambda stub: stub.EmbedMany, reply=pb.EmbedResponse.FromString
)


class Echo(pb_grpc.EmbeddingServiceServicer):
    """Gives a request's model back; `wait…` lasts until the test releases it."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.release = asyncio.Event()

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        self.begun.append(request.model)
        try:
            if request.model.startswith("wait"):
                await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.append(request.model)
            raise
        reply = pb.EmbedResponse()
        reply.model.id = request.model
        return reply

    EmbedMany = answered_at_the_edge

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:
        raise NotImplementedError

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        raise NotImplementedError


class Dying(Echo):
    """As a sidecar whose instance dies under the first joint calls: they end without an answer, all others well."""

    def __init__(self, *, dies: int) -> None:
        super().__init__()
        self.dies = dies

    async def EmbedMany(self, _messages: object, context: Any) -> None:  # type: ignore[override]  # gRPC takes it too
        first = await context.read()
        self.dies -= 1
        if self.dies >= 0:
            await context.abort(StatusCode.UNAVAILABLE, "upstream connect error or disconnect/reset before headers")
        for place, member in enumerate(first.members):
            reply = await self.Embed(pb.EmbedRequest.FromString(member.request), context)
            answer = joint_pb2.MemberAnswer(place=place, reply=reply.SerializeToString())
            await context.write(joint_pb2.JointResponse(answers=[answer]))


@asynccontextmanager
async def client_of(
    servicer: Echo,
    *,
    instances: int = 1,
    breaker: Breaker | None = None,
    methods: dict[str, Any] | None = None,
) -> AsyncIterator[Client]:
    """A client of a listener that stands for so many instances; it has our edge unless it is not ours."""
    edge = EdgeInterceptor("tryout", max_deadline_s=10.0, most_bytes=1024 * 1024)
    edge.start()
    server = aio.server(interceptors=[] if isinstance(servicer, Dying) or methods else [edge])
    if methods is None:
        pb_grpc.add_EmbeddingServiceServicer_to_server(servicer, server)
    else:
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(NAME, methods)])
    listener = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    resolver = ChangingResolver({"tryout": [f"10.0.0.{number}:1" for number in range(instances)]})
    pool = UpstreamPool(
        "tryout",
        resolver,
        pb_grpc.EmbeddingServiceStub,
        listener=listener,
        breaker=upstream_breaker if breaker is None else lambda: breaker,
    )
    following = asyncio.create_task(pool.run())
    try:
        await pool.health_known()
        yield RpcClient(pool)
    finally:
        servicer.release.set()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await server.stop(None)


async def embed(client: Client, model: str) -> str:
    reply = await client.call(
        "Embed", lambda stub: stub.Embed, pb.EmbedRequest(model=model), deadline=Deadline.after(5), joint=JOINT
    )
    return reply.model.id


def joint_calls() -> tuple[float, float]:
    """Joint calls so far, and their members."""
    labels = {"service": "tryout", "method": "Embed"}
    count, members = (
        REGISTRY.get_sample_value(f"isolane_rpc_client_members_{what}", labels) or 0.0 for what in ("count", "sum")
    )
    return count, members


async def test_many_callers_are_answered_each_its_own_by_few_calls() -> None:
    calls, members = joint_calls()
    async with client_of(Echo()) as client:
        await embed(client, "warm")
        models = [f"model-{number}" for number in range(50)]
        answers = await asyncio.gather(*(embed(client, model) for model in models))

    assert answers == models
    assert [now - before for now, before in zip(joint_calls(), (calls, members), strict=True)] == [1, 46]


async def test_who_leaves_is_cancelled_in_the_service_and_the_others_are_answered() -> None:
    echo = Echo()
    async with client_of(echo) as client:
        await embed(client, "warm")
        calls = [asyncio.create_task(embed(client, f"wait-{number}")) for number in range(5)]
        await eventually(lambda: len(echo.begun) == 6)
        calls[2].cancel()
        calls[4].cancel()
        await eventually(lambda: len(echo.cancelled) == 2)
        echo.release.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)

    assert sorted(echo.cancelled) == ["wait-2", "wait-4"]
    assert [answer for answer in answers if isinstance(answer, str)] == ["wait-0", "wait-1", "wait-3"]


async def test_a_joint_call_that_dies_is_one_failure_and_every_member_is_tried_again() -> None:
    breaker = AlwaysClosed()
    async with client_of(Dying(dies=1), instances=8, breaker=breaker) as client:
        await embed(client, "warm")
        models = [f"model-{number}" for number in range(40)]
        answers = await asyncio.gather(*(embed(client, model) for model in models))

    assert answers == models
    # Of the 40 four go alone and 36 together: these once fail, of which one is counted, then all succeed.
    assert [breaker.outcomes.count(outcome) for outcome in Outcome] == [41, 1, 35]


@pytest.mark.parametrize("knows", ["no such method", "no edge that splits it"])
async def test_a_service_that_knows_no_joint_calls_is_called_alone_and_no_call_is_lost(knows: str) -> None:
    echo = Echo()
    handler: Any = grpc.unary_unary_rpc_method_handler(
        echo.Embed,
        request_deserializer=pb.EmbedRequest.FromString,
        response_serializer=pb.EmbedResponse.SerializeToString,
    )
    joint: Any = grpc.stream_stream_rpc_method_handler(echo.EmbedMany)
    methods = {"Embed": handler, **({} if knows == "no such method" else {"EmbedMany": joint})}
    calls, _ = joint_calls()
    breaker = AlwaysClosed()
    async with client_of(echo, methods=methods, breaker=breaker) as client:
        models = [f"model-{number}" for number in range(30)]
        for _ in range(3):
            assert await asyncio.gather(*(embed(client, model) for model in models)) == models

    assert joint_calls()[0] == calls + 1
    assert set(breaker.outcomes) == {Outcome.SUCCESS}
    assert len(echo.begun) == 90


async def test_members_of_an_upstream_that_is_closed_under_them_end_clearly() -> None:
    echo = Echo()
    async with client_of(echo) as client:
        await embed(client, "warm")
        calls = [asyncio.create_task(embed(client, f"wait-{number}")) for number in range(5)]
        await eventually(lambda: len(echo.begun) == 6)
        upstream, permit = client.pool.pick()
        permit.settle(Outcome.IGNORED)
        await upstream.aclose(0)
        answers = await asyncio.gather(*calls, return_exceptions=True)

    assert {type(answer) for answer in answers} == {Unavailable}
    assert len({id(answer) for answer in answers}) == 5


@pytest.mark.parametrize("number", [5, 6], ids=["one waits", "two wait"])
async def test_who_waits_for_company_when_the_upstream_goes_away_has_the_grace_of_who_was_sent(number: int) -> None:
    echo = Echo()
    async with client_of(echo) as client:
        await embed(client, "warm")
        calls = [asyncio.create_task(embed(client, f"wait-{at}")) for at in range(4)]
        await eventually(lambda: len(echo.begun) == 5)
        upstream, permit = client.pool.pick()
        permit.settle(Outcome.IGNORED)
        await embed(client, "the gap begins anew")
        calls += [asyncio.create_task(embed(client, f"wait-{at}")) for at in range(4, number)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(upstream.aclose(5))
        await eventually(lambda: len(echo.begun) == number + 2)
        echo.release.set()
        answers = await asyncio.gather(*calls)
        await closing

    assert answers == [f"wait-{at}" for at in range(number)]
