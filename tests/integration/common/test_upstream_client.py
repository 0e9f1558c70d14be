"""A client and its upstream pool against a real server that stands for the sidecar."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
from grpc import StatusCode, aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc
from prometheus_client import REGISTRY

from services.common import status
from services.common.deadline import Deadline
from services.common.errors import DeadlineExceeded, Overloaded, RequestError
from services.common.rpc.client import RpcClient
from services.common.rpc.upstream_pool import UpstreamPool
from services.common.testing.resolvers import ChangingResolver
from services.common.testing.waiting import eventually

pytestmark = pytest.mark.integration

INSTANCES = ["10.0.0.1:21000", "10.0.0.2:21000"]
Client: TypeAlias = "RpcClient[pb_grpc.EmbeddingServiceStub]"


class Sidecar(pb_grpc.EmbeddingServiceServicer):
    """Holds the first calls until told, then fails them, as when an instance dies; answers the others at once."""

    def __init__(self, *, holds: int) -> None:
        self.calls = 0
        self.holds = holds
        self.is_full = False
        self.die = asyncio.Event()
        self.finish = asyncio.Event()

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:  # noqa: N802 - gRPC's name
        self.calls += 1
        if self.is_full:
            await context.abort(*status.encode(Overloaded("full", retry_after_s=2.5)))
        if self.calls <= self.holds:
            await self._told()
            if not self.die.is_set():
                return pb.EmbedResponse()
            await context.abort(StatusCode.UNAVAILABLE, "upstream connect error or disconnect/reset before headers")
        return pb.EmbedResponse()

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
    sidecar: Sidecar, resolver: ChangingResolver, attempt_timeout_s: float | None = None
) -> AsyncIterator[Client]:
    server = aio.server()
    pb_grpc.add_EmbeddingServiceServicer_to_server(sidecar, server)
    listener = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    pool = UpstreamPool("sidecar", resolver, pb_grpc.EmbeddingServiceStub, listener=listener)
    task = asyncio.create_task(pool.run())
    try:
        await pool.health_known()
        yield RpcClient(pool, attempt_timeout_s=attempt_timeout_s)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop(None)


async def embed(client: Client) -> pb.EmbedResponse:
    return await client.call("Embed", lambda stub: stub.Embed, pb.EmbedRequest(), deadline=Deadline.after(10))


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
    sidecar.is_full = True
    async with client_of(sidecar, ChangingResolver({"sidecar": INSTANCES})) as client:
        with pytest.raises(Overloaded) as caught:
            await embed(client)

    assert caught.value.retry_after_s == 2.5
    assert sidecar.calls == 1


@pytest.mark.parametrize(("instances", "calls"), [(INSTANCES, 2), (INSTANCES[:1], 1)], ids=["two", "one"])
async def test_a_refusal_is_believed_where_only_one_instance_can_have_given_it(
    instances: list[str], calls: int
) -> None:
    sidecar = Sidecar(holds=0)
    sidecar.is_full = True
    async with client_of(sidecar, ChangingResolver({"sidecar": instances})) as client:
        errors = []
        for _ in range(2):
            with pytest.raises(Overloaded) as caught:
                await embed(client)
            errors.append((caught.value.message, caught.value.retry_after_s))
        is_only = client.pool.only is not None

    assert sidecar.calls == calls
    assert is_only is (calls == 1)
    assert errors[0] == ("full", 2.5)
    assert (errors[1] == errors[0]) is (calls == 2), "each of several instances gives times of its own"


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
        refused = await asyncio.gather(embed(client), return_exceptions=True)
        sidecar.finish.set()

        assert isinstance(await calling, pb.EmbedResponse)
    assert "no instance is passing" in str(refused[0])


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
