"""A client and its upstream pool against a real server that stands for the sidecar."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
from grpc import StatusCode, aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc
from prometheus_client import REGISTRY

from services.common import caller, status
from services.common.caller import Caller
from services.common.deadline import Clock, Deadline
from services.common.discovery.base import Endpoint
from services.common.errors import DeadlineExceeded, Overloaded, RequestError
from services.common.rpc.client import RpcClient
from services.common.rpc.upstream_pool import UpstreamPool
from services.common.server.joint import answered_at_the_edge
from services.common.testing.clock import FakeClock
from services.common.testing.resolvers import ChangingResolver
from services.common.testing.waiting import eventually

pytestmark = pytest.mark.integration

INSTANCES = ["10.0.0.1:21000", "10.0.0.2:21000"]
DELAYS_S = {"": 2.5, "a": 4.0, "b": 3.0}
"""When each instance says to come back."""
Client: TypeAlias = "RpcClient[pb_grpc.EmbeddingServiceStub]"


class Sidecar(pb_grpc.EmbeddingServiceServicer):
    """Holds the first calls until told, then fails them, as when an instance dies; answers the others at once."""

    def __init__(self, *, holds: int) -> None:
        self.calls = 0
        self.holds = holds
        self.refusing: list[str] = []
        """Instances behind it that refuse all; the next call goes to the first, and it to the end of the line."""
        self.die = asyncio.Event()
        self.finish = asyncio.Event()

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:  # noqa: N802 - gRPC's name
        self.calls += 1
        if self.refusing:
            who = self.refusing.pop(0)
            self.refusing.append(who)
            await context.abort(*status.encode(Overloaded("full", retry_after_s=DELAYS_S[who]), instance=who))
        if self.calls <= self.holds:
            await self._told()
            if not self.die.is_set():
                return pb.EmbedResponse()
            await context.abort(StatusCode.UNAVAILABLE, "upstream connect error or disconnect/reset before headers")
        return pb.EmbedResponse()

    EmbedMany = answered_at_the_edge

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:  # noqa: N802 - gRPC's
        raise NotImplementedError

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:  # noqa: N802
        raise NotImplementedError

    async def _told(self) -> None:
        told = [asyncio.ensure_future(event.wait()) for event in (self.die, self.finish)]
        try:
            await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in told:
                each.cancel()


@asynccontextmanager
async def client_of(
    sidecar: Sidecar,
    resolver: ChangingResolver,
    attempt_timeout_s: float | None = None,
    clock: Clock = time.monotonic,
) -> AsyncIterator[Client]:
    server = aio.server()
    pb_grpc.add_EmbeddingServiceServicer_to_server(sidecar, server)
    listener = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    pool = UpstreamPool("sidecar", resolver, pb_grpc.EmbeddingServiceStub, listener=listener)
    task = asyncio.create_task(pool.run())
    try:
        await pool.health_known()
        yield RpcClient(pool, attempt_timeout_s=attempt_timeout_s, clock=clock)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop(None)


async def embed(client: Client, model: str = "") -> pb.EmbedResponse:
    return await client.call(
        "Embed", lambda stub: stub.Embed, pb.EmbedRequest(), deadline=Deadline.after(10), queue=model
    )


async def refused(client: Client, model: str = "") -> Overloaded:
    with pytest.raises(Overloaded) as caught:
        await embed(client, model)
    return caught.value


def retries() -> float:
    labels = {"service": "sidecar", "method": "Embed"}
    return REGISTRY.get_sample_value("isolane_rpc_client_retries_total", labels) or 0.0


async def test_calls_that_an_instance_held_when_it_died_all_succeed_through_the_same_listener() -> None:
    sidecar, before = Sidecar(holds=60), retries()
    async with client_of(sidecar, ChangingResolver({"sidecar": INSTANCES})) as client:
        calls = [asyncio.create_task(embed(client)) for _ in range(60)]
        await eventually(lambda: sidecar.calls == 60)
        sidecar.die.set()

        replies = await asyncio.gather(*calls)
        states = client.pool.states()

    assert len(replies) == 60
    assert sidecar.calls == 120
    assert retries() == before + 60
    assert not any(state.is_breaker_open for state in states)


async def test_a_refusal_for_load_is_final_for_the_sidecar_might_pick_the_same_instance_again() -> None:
    sidecar = Sidecar(holds=0)
    sidecar.refusing = ["a"]
    async with client_of(sidecar, ChangingResolver({"sidecar": INSTANCES})) as client:
        refusal = await refused(client)

    assert refusal.retry_after_s == 4.0
    assert sidecar.calls == 1


@pytest.mark.parametrize(
    ("instances", "refusing", "calls"),
    [
        (INSTANCES, ["a"], 5),
        (INSTANCES, [""], 5),
        (INSTANCES, ["", "a"], 5),
        (INSTANCES, ["a", "b"], 2),
        (INSTANCES, ["a", "a", "b"], 3),
        (INSTANCES[:1], ["a"], 1),
        (INSTANCES[:1], [""], 1),
    ],
    ids=["one of two", "unnamed of two", "one of two, and unnamed", "both", "both in the end", "the only", "unnamed"],
)
async def test_the_sidecar_is_called_until_as_many_have_refused_as_are_behind_it(
    instances: list[str], refusing: list[str], calls: int
) -> None:
    sidecar = Sidecar(holds=0)
    sidecar.refusing = refusing
    async with client_of(sidecar, ChangingResolver({"sidecar": instances}), clock=FakeClock()) as client:
        refusals = [await refused(client) for _ in range(5)]

    assert sidecar.calls == calls
    assert [refusal.message == "full" for refusal in refusals] == [True] * calls + [False] * (5 - calls)
    assert all(refusal.retry_after_s == min(map(DELAYS_S.__getitem__, set(refusing))) for refusal in refusals[calls:])


async def test_after_a_moment_or_with_a_new_instance_the_sidecar_is_called_again() -> None:
    sidecar, clock, resolver = Sidecar(holds=0), FakeClock(), ChangingResolver({"sidecar": INSTANCES})
    sidecar.refusing = ["a", "b"]
    async with client_of(sidecar, resolver, clock=clock) as client:
        for _ in range(5):
            await refused(client)
        counts = [sidecar.calls]
        clock.advance(0.011)
        for _ in range(5):
            await refused(client)
        counts.append(sidecar.calls)
        await resolver.change("sidecar", *(Endpoint(address=address) for address in (*INSTANCES, "10.0.0.3:21000")))
        await eventually(lambda: client.pool.size == 3)
        sidecar.refusing = []
        await embed(client)
        counts.append(sidecar.calls)

    assert counts == [2, 4, 5]


async def test_behind_a_sidecar_too_a_refusal_says_nothing_of_another_client_or_model() -> None:
    sidecar = Sidecar(holds=0)
    sidecar.refusing = ["a", "b"]
    greedy = caller.current.set(Caller(client="greedy"))
    async with client_of(sidecar, ChangingResolver({"sidecar": INSTANCES}), clock=FakeClock()) as client:
        for _ in range(2):
            await refused(client, "mini")
        sidecar.refusing = []
        await refused(client, "mini")
        replies = [await embed(client, "base")]
        caller.current.reset(greedy)
        replies.append(await embed(client, "mini"))

    assert len(replies) == 2
    assert sidecar.calls == 4


async def test_a_frozen_instance_is_left_in_time_for_another() -> None:
    sidecar = Sidecar(holds=1)
    async with client_of(sidecar, ChangingResolver({"sidecar": INSTANCES}), attempt_timeout_s=0.2) as client:
        reply = await asyncio.wait_for(embed(client), 5)

    assert isinstance(reply, pb.EmbedResponse)
    assert sidecar.calls == 2


async def test_a_call_in_progress_finishes_though_consul_shows_no_instance_any_more() -> None:
    sidecar, resolver = Sidecar(holds=1), ChangingResolver({"sidecar": INSTANCES})
    async with client_of(sidecar, resolver) as client:
        calling = asyncio.create_task(embed(client))
        await eventually(lambda: sidecar.calls == 1)
        await resolver.change("sidecar")
        await eventually(lambda: client.pool.size == 0)
        outcomes = await asyncio.gather(embed(client), return_exceptions=True)
        sidecar.finish.set()

        assert isinstance(await calling, pb.EmbedResponse)
    assert "no instance is passing" in str(outcomes[0])


async def test_an_upstream_of_which_nothing_works_gets_few_calls() -> None:
    sidecar = Sidecar(holds=1000)
    sidecar.die.set()
    async with client_of(sidecar, ChangingResolver({"sidecar": INSTANCES})) as client:
        for _ in range(50):
            with contextlib.suppress(RequestError):
                await embed(client)

    assert sidecar.calls <= 7


async def test_the_deadline_of_the_request_bounds_both_attempts() -> None:
    sidecar = Sidecar(holds=2)
    async with client_of(sidecar, ChangingResolver({"sidecar": INSTANCES}), attempt_timeout_s=0.2) as client:
        with pytest.raises(DeadlineExceeded):
            await client.call("Embed", lambda stub: stub.Embed, pb.EmbedRequest(), deadline=Deadline.after(0.3))

    assert sidecar.calls == 2
