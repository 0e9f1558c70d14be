"""A pool and a client against real servers that hang, fail, freeze and die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeAlias, cast

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

from services.common import caller, status
from services.common.caller import ANYONE, Caller, Priority
from services.common.config import ServerSettings
from services.common.deadline import Clock, Deadline
from services.common.discovery.base import Endpoint, Resolution, Resolver
from services.common.discovery.static import StaticResolver
from services.common.errors import (
    BackendFailed,
    BreakerOpen,
    DeadlineExceeded,
    DeadlineTooShort,
    InvalidRequest,
    NoEndpoint,
    Overloaded,
    RequestError,
    Unavailable,
    request_errors,
)
from services.common.rpc.breaker import Breaker, ConsecutiveBreaker, Outcome
from services.common.rpc.client import RpcClient
from services.common.rpc.instance import Instance
from services.common.rpc.instance_pool import InstancePool
from services.common.server import interceptor
from services.common.server.health import SERVING
from services.common.server.joint import answered_at_the_edge
from services.common.server.server import GrpcServer, Registration
from services.common.telemetry import request_id, tracing
from services.common.testing.breakers import AlwaysClosed
from services.common.testing.clock import FakeClock
from services.common.testing.logs import CapturedLogs, captured_logs
from services.common.testing.ports import free_port
from services.common.testing.resolvers import ChangingResolver
from services.common.testing.waiting import eventually

pytestmark = pytest.mark.integration

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
Client: TypeAlias = "RpcClient[pb_grpc.EmbeddingServiceStub]"
Answer = Callable[[pb.EmbedRequest], Awaitable[pb.EmbedResponse]]


class TryoutSettings(ServerSettings):
    """Settings of no service."""

    service: ClassVar[str] = "tryout"
    port: int = 0
    metrics_port: int = 0


class ForeignServer:
    """As `GrpcServer`, without our edge: what fails in it or before it comes without words of ours."""

    def __init__(self, servicer: pb_grpc.EmbeddingServiceServicer) -> None:
        self._server = aio.server()
        self._health = health.aio.HealthServicer()
        pb_grpc.add_EmbeddingServiceServicer_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self, port: int) -> int:
        bound = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()
        return bound

    async def set_serving(self) -> None:
        await self._health.set(NAME, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        await self._server.stop(None)


class Upstream(pb_grpc.EmbeddingServiceServicer):
    """One server whose answers the test decides; counts the calls that reach it."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer: Answer = self.at_once
        self.address = ""
        self.wait_s: float | None = None
        """Predicted wait that its answers report."""
        self.is_broken = False
        """Of a foreign server: fails every call."""
        self.error: RequestError | None = None
        """Of a foreign server: what it answers in words of ours."""
        self.server: GrpcServer | ForeignServer

    async def start(self, port: int = 0, *, is_serving: bool = True, is_foreign: bool = False) -> None:
        if is_foreign:
            foreign = self.server = ForeignServer(self)
            bound = await foreign.start(port)
        else:
            add = pb_grpc.add_EmbeddingServiceServicer_to_server
            settings = TryoutSettings(port=port, drain_s=0.01)
            ours = self.server = GrpcServer(settings, [Registration(name=NAME, servicer=self, add=add)])
            bound = await ours.start()
        self.address = f"127.0.0.1:{bound}"
        if is_serving:
            await self.server.set_serving()

    async def at_once(self, request: pb.EmbedRequest) -> pb.EmbedResponse:
        return pb.EmbedResponse()

    def fail(self, error: RequestError) -> None:
        """Answer every call with `error` from now on."""

        async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
            raise error

        self.answer = answer

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:  # noqa: N802 - gRPC's name
        self.calls += 1
        if self.is_broken:
            await context.abort(StatusCode.INTERNAL, "the device is gone")
        if self.error is not None:
            await context.abort(*status.encode(self.error))
        reply = await self.answer(request)
        if self.wait_s is not None:
            reply.load.predicted_wait_us = round(self.wait_s * 1e6)
        return reply

    EmbedMany = answered_at_the_edge

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:  # noqa: N802 - gRPC's
        await context.abort(StatusCode[request.model], "as the test wants it")
        raise AssertionError("abort raises")

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:  # noqa: N802
        return pb.ListModelsResponse()


async def hang(_request: pb.EmbedRequest) -> pb.EmbedResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


@pytest.fixture
async def upstreams() -> AsyncIterator[Callable[..., Awaitable[Upstream]]]:
    """Starts servers; they stop with the test."""
    async with AsyncExitStack() as stack:

        async def start(port: int = 0, *, is_serving: bool = True, is_foreign: bool = False) -> Upstream:
            upstream = Upstream()
            await upstream.start(port, is_serving=is_serving, is_foreign=is_foreign)
            stack.push_async_callback(upstream.server.stop)
            return upstream

        yield start


Start = Callable[..., Awaitable[Upstream]]


@contextlib.asynccontextmanager
async def following(
    resolver: Resolver, breaker: Callable[[], Breaker] = ConsecutiveBreaker
) -> AsyncIterator[InstancePool[pb_grpc.EmbeddingServiceStub]]:
    pool: InstancePool[pb_grpc.EmbeddingServiceStub] = InstancePool(
        "tryout", resolver, pb_grpc.EmbeddingServiceStub, health_service=NAME, breaker=breaker
    )
    task = asyncio.create_task(pool.run())
    try:
        async with asyncio.timeout(10):
            await pool.health_known()
        yield pool
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def client_of(
    *addresses: str,
    attempt_timeout_s: float | None = None,
    breaker: Callable[[], Breaker] = ConsecutiveBreaker,
    clock: Clock = time.monotonic,
) -> AsyncIterator[Client]:
    async with following(StaticResolver({"tryout": addresses}), breaker) as pool:
        yield RpcClient(pool, attempt_timeout_s=attempt_timeout_s, clock=clock)


async def embed(client: Client, *, within_s: float = 10.0, model: str = "") -> pb.EmbedResponse:
    return await client.call(
        "Embed", lambda stub: stub.Embed, pb.EmbedRequest(), deadline=Deadline.after(within_s), queue=model
    )


async def failure(client: Client, *, within_s: float = 10.0, model: str = "") -> RequestError:
    with pytest.raises(RequestError) as caught:
        await embed(client, within_s=within_s, model=model)
    return caught.value


def serving(client: Client) -> int:
    """Instances that report SERVING."""
    return sum(state.is_serving for state in client.pool.states())


@pytest.fixture
def logs() -> Iterator[CapturedLogs]:
    with captured_logs("caller") as captured:
        yield captured


# One instance.


async def test_a_call_carries_the_request_id_and_the_trace(upstreams: Start) -> None:
    one = await upstreams()
    seen = []

    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        seen.append((request_id.current.get(), tracing.current_trace_id()))
        return pb.EmbedResponse()

    one.answer = answer
    carrier = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with client_of(one.address) as client:
        token = request_id.current.set("abc-1")
        with tracing.span("gateway", SpanKind.SERVER, carrier):
            await embed(client)
        request_id.current.reset(token)

    assert seen == [("abc-1", "0af7651916cd43dd8448eb211c80319c")]


async def test_an_instance_that_goes_away_is_a_clear_error_at_once_and_heals_when_it_is_back(upstreams: Start) -> None:
    port = free_port()
    one = await upstreams(port)
    async with client_of(one.address) as client:
        await embed(client)

        await one.server.stop()
        await eventually(lambda: "not reachable" in client.pool.states()[0].reason)
        error = await asyncio.wait_for(failure(client), 1)
        await upstreams(port)
        await eventually(lambda: serving(client) == 1, within_s=5)

        assert isinstance(await embed(client), pb.EmbedResponse)
    assert type(error) is NoEndpoint
    assert error.retry_after_s is not None
    assert "not reachable" in error.message


async def test_a_service_that_nobody_started_is_a_clear_error() -> None:
    async with client_of(f"127.0.0.1:{free_port()}") as client:
        error = await asyncio.wait_for(failure(client), 1)

    assert type(error) is NoEndpoint


async def test_a_service_without_addresses_is_a_clear_error() -> None:
    async with client_of() as client:
        error = await failure(client)

    assert type(error) is NoEndpoint
    assert "no instance is known" in error.message


async def test_an_instance_that_is_starting_gets_no_calls_until_it_serves(upstreams: Start) -> None:
    one = await upstreams(is_serving=False)
    async with client_of(one.address) as client:
        error = await failure(client)
        await one.server.set_serving()
        await eventually(lambda: serving(client) == 1)
        await embed(client)

    assert type(error) is NoEndpoint
    assert "starting or draining" in error.message
    assert one.calls == 1


async def test_a_deadline_that_passes_is_deadline_exceeded(upstreams: Start) -> None:
    one = await upstreams()

    one.answer = hang
    async with client_of(one.address) as client:
        error = await asyncio.wait_for(failure(client, within_s=0.1), 5)

    assert type(error) is DeadlineExceeded


async def test_a_deadline_that_is_over_dials_nothing(upstreams: Start) -> None:
    one = await upstreams()
    async with client_of(one.address) as client:
        error = await failure(client, within_s=-1.0)

    assert type(error) is DeadlineExceeded
    assert one.calls == 0


async def test_a_caller_that_goes_away_cancels_the_servers_handler(upstreams: Start) -> None:
    one = await upstreams()
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError("nobody sets the event")

    one.answer = hang
    async with client_of(one.address) as client:
        calling = asyncio.create_task(embed(client))
        await begun.wait()
        calling.cancel()

        await asyncio.wait_for(cancelled.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert client.pool.pick()[0].in_flight == 0


async def test_the_servers_own_error_arrives_with_its_delay(upstreams: Start) -> None:
    one = await upstreams()
    one.fail(Overloaded("full", retry_after_s=7.0))
    async with client_of(one.address) as client:
        error = await failure(client)

    assert type(error) is Overloaded
    assert error.retry_after_s == 7.0
    assert one.calls == 1


async def test_a_failure_keeps_grpcs_own_words_as_its_cause(upstreams: Start) -> None:
    one = await upstreams()
    one.fail(Unavailable("restarting"))
    async with client_of(one.address) as client:
        error = await failure(client)

    assert type(error) is Unavailable
    assert isinstance(error.__cause__, aio.AioRpcError)


# The breaker.


async def test_the_breaker_opens_after_five_failures_and_then_nothing_is_dialled(
    upstreams: Start, logs: CapturedLogs
) -> None:
    one = await upstreams(is_foreign=True)
    one.is_broken = True
    before = REGISTRY.get_sample_value("isolane_breaker_opened_total", {"service": "tryout"}) or 0.0
    async with client_of(one.address) as client:
        errors = [await failure(client) for _ in range(10)]
        [state] = client.pool.states()

    assert [type(error) for error in errors] == [BackendFailed] * 5 + [BreakerOpen] * 5
    assert one.calls == 5
    assert errors[-1].retry_after_s == pytest.approx(60.0, abs=5.0)
    assert (state.is_breaker_open, "kept failing" in state.reason) == (True, True)
    assert REGISTRY.get_sample_value("isolane_breaker_opened_total", {"service": "tryout"}) == before + 1
    assert [line["address"] for line in logs.lines("breaker_opened")] == [one.address]
    assert len(logs.lines("attempt_failed")) == 5


async def test_an_instance_that_comes_back_is_probed_at_once_though_its_breaker_is_open(upstreams: Start) -> None:
    port = free_port()
    one = await upstreams(port, is_foreign=True)
    one.is_broken = True
    async with client_of(one.address) as client:
        for _ in range(5):
            await failure(client)
        was_open = client.pool.states()[0].is_breaker_open

        await one.server.stop()
        await eventually(lambda: serving(client) == 0)
        await upstreams(port)
        await eventually(lambda: serving(client) == 1, within_s=5)

        assert was_open
        assert isinstance(await embed(client), pb.EmbedResponse)
        assert not client.pool.states()[0].is_breaker_open


OURS = [cls for cls in request_errors() if cls.__module__ == RequestError.__module__]


@pytest.mark.parametrize("error", OURS, ids=lambda cls: cls.__name__)
async def test_what_an_instance_says_in_its_own_words_never_opens_the_breaker(
    upstreams: Start, error: type[RequestError]
) -> None:
    one = await upstreams()
    one.fail(error("because of one client", retry_after_s=0.0))
    async with client_of(one.address) as client:
        for _ in range(10):
            assert type(await failure(client)) is error

    assert one.calls >= 10


@pytest.mark.parametrize("error", OURS, ids=lambda cls: cls.__name__)
def test_no_error_that_a_client_brings_about_counts_with_envoy_against_the_instance(error: type[RequestError]) -> None:
    # As Envoy 1.40 reads gRPC statuses for outlier detection: these are 5xx to it (source/common/grpc/common.cc).
    counted = {
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    }

    code = status.encode(error("x"))[0]

    assert (code in counted) is issubclass(error, Unavailable)


@pytest.mark.parametrize(
    "error", [Overloaded("full", retry_after_s=0.0), InvalidRequest("wrong"), BackendFailed("bug")]
)
async def test_a_probe_that_is_answered_in_the_instances_own_words_closes_the_breaker(
    upstreams: Start, error: RequestError
) -> None:
    one, clock = await upstreams(is_foreign=True), FakeClock()
    one.is_broken = True
    async with client_of(one.address, breaker=lambda: ConsecutiveBreaker(clock=clock)) as client:
        for _ in range(5):
            await failure(client)
        was_open = client.pool.states()[0].is_breaker_open
        clock.advance(61.0)
        one.is_broken, one.error = False, error

        assert type(await failure(client)) is type(error)
        assert was_open
        assert not client.pool.states()[0].is_breaker_open


async def test_an_instance_that_fails_in_its_own_words_attracts_no_calls(upstreams: Start) -> None:
    broken, good = await upstreams(), await upstreams()
    broken.fail(BackendFailed("a bug of this instance alone"))
    async with client_of(broken.address, good.address) as client:
        outcomes = await asyncio.gather(*(embed(client) for _ in range(3)), return_exceptions=True)
        for _ in range(30):
            with contextlib.suppress(BackendFailed):
                await embed(client)

    assert len(outcomes) == 3
    assert good.calls >= 29


async def test_what_takes_one_instance_too_long_another_is_asked_for(upstreams: Start) -> None:
    slow, fast = await upstreams(), await upstreams()
    slow.fail(DeadlineTooShort("the work needs 10 s and the deadline leaves 1.5 s"))
    async with client_of(slow.address, fast.address) as client:
        replies = [await embed(client) for _ in range(4)]

    assert len(replies) == 4


@pytest.mark.parametrize(
    ("told_s", "remaining_s", "given_s"),
    [(1.5, 2.0, 1.5), (1.5, 1.4, 1.15), (0.02, 0.52, 0.02), (0.02, 0.015, 0.005), (None, 2.0, 2.0), (3.0, None, 3.0)],
)
def test_what_a_busy_loop_costs_on_the_way_leaves_time_to_say_so(
    told_s: float | None, remaining_s: float | None, given_s: float
) -> None:
    assert interceptor._given_s(told_s, remaining_s) == pytest.approx(given_s)


async def test_calls_that_run_out_of_time_in_a_busy_instance_never_open_the_breaker(upstreams: Start) -> None:
    one = await upstreams()
    one.answer = hang
    async with client_of(one.address, attempt_timeout_s=1.0) as client:
        errors = await asyncio.gather(*(failure(client, within_s=1.1) for _ in range(8)))
        one.answer = one.at_once
        reply = await embed(client)

    assert {type(error) for error in errors} == {DeadlineExceeded}
    assert isinstance(reply, pb.EmbedResponse)


async def test_an_instance_that_says_that_it_is_unavailable_is_left_alone_for_the_time_that_it_names(
    upstreams: Start,
) -> None:
    one, other = await upstreams(), await upstreams()
    one.fail(Unavailable("no worker", retry_after_s=30.0))
    async with client_of(one.address, other.address) as client:
        for _ in range(20):
            await embed(client)

    assert (one.calls, other.calls) in {(1, 20), (0, 20)}


JUDGED = {
    StatusCode.UNAVAILABLE: Outcome.FAILURE,
    StatusCode.INTERNAL: Outcome.FAILURE,
    StatusCode.UNKNOWN: Outcome.FAILURE,
    StatusCode.DATA_LOSS: Outcome.FAILURE,
    StatusCode.INVALID_ARGUMENT: Outcome.IGNORED,
    StatusCode.NOT_FOUND: Outcome.IGNORED,
    StatusCode.RESOURCE_EXHAUSTED: Outcome.IGNORED,
    StatusCode.CANCELLED: Outcome.IGNORED,
    StatusCode.UNIMPLEMENTED: Outcome.IGNORED,
    StatusCode.PERMISSION_DENIED: Outcome.IGNORED,
    StatusCode.UNAUTHENTICATED: Outcome.IGNORED,
    StatusCode.DEADLINE_EXCEEDED: Outcome.FAILURE,
}


@pytest.mark.parametrize("code", JUDGED, ids=lambda code: code.name)
async def test_only_statuses_that_speak_against_the_instance_count(upstreams: Start, code: StatusCode) -> None:
    one = await upstreams(is_foreign=True)
    breaker = AlwaysClosed()
    request = pb.TokenizeRequest(model=code.name)
    async with client_of(one.address, breaker=lambda: breaker) as client:
        with pytest.raises(RequestError):
            await client.call("Tokenize", lambda stub: stub.Tokenize, request, deadline=Deadline.after(10))

    assert breaker.outcomes == [JUDGED[code]]


@pytest.mark.parametrize(
    ("within_s", "attempt_timeout_s", "outcome"),
    [(0.05, None, Outcome.IGNORED), (10.0, 0.05, Outcome.FAILURE), (0.02, 0.05, Outcome.IGNORED)],
)
async def test_running_out_of_time_without_a_word_counts_when_the_attempt_had_its_fair_time(
    upstreams: Start, within_s: float, attempt_timeout_s: float | None, outcome: Outcome
) -> None:
    one = await upstreams(is_foreign=True)
    one.answer = hang
    breaker = AlwaysClosed()
    async with client_of(one.address, attempt_timeout_s=attempt_timeout_s, breaker=lambda: breaker) as client:
        assert type(await failure(client, within_s=within_s)) is DeadlineExceeded

    assert breaker.outcomes == [outcome]


# Several instances.


async def test_calls_in_flight_on_an_instance_that_dies_are_all_answered_by_the_other(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    one.answer = other.answer = hang
    async with client_of(one.address, other.address) as client:
        calls = [asyncio.create_task(embed(client)) for _ in range(60)]
        await eventually(lambda: one.calls + other.calls == 60)
        held = one.calls

        other.answer = other.at_once
        await one.server.stop()
        await eventually(lambda: sum(call.done() for call in calls) == held)
        for call in calls:
            call.cancel()  # the rest is what the other instance held from the beginning
        outcomes = await asyncio.gather(*calls, return_exceptions=True)

    assert held > 20
    assert Counter(type(outcome) for outcome in outcomes) == {pb.EmbedResponse: held, asyncio.CancelledError: 60 - held}


async def test_under_load_nothing_fails_while_an_instance_goes_and_comes_back(upstreams: Start) -> None:
    port = free_port()
    one, other = await upstreams(port), await upstreams()
    stopped = asyncio.Event()

    async def load(client: Client) -> int:
        number = 0
        while not stopped.is_set():
            await embed(client)
            number += 1
        return number

    async with client_of(one.address, other.address) as client:
        loads = [asyncio.create_task(load(client)) for _ in range(8)]
        await eventually(lambda: one.calls > 20)
        await one.server.stop()
        await eventually(lambda: serving(client) == 1)
        again = await upstreams(port)
        await eventually(lambda: again.calls > 20)
        stopped.set()

        assert sum(await asyncio.gather(*loads)) > 40


async def test_an_instance_that_only_answers_unavailable_costs_no_request(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    one.fail(Unavailable("restarting"))
    async with client_of(one.address, other.address) as client:
        for _ in range(50):
            await embed(client)

    assert 0 < one.calls <= 5
    assert other.calls == 50


@pytest.mark.parametrize("error", [InvalidRequest("wrong"), BackendFailed("bug")], ids=repr)
async def test_other_answers_are_final(upstreams: Start, error: RequestError) -> None:
    one, other = await upstreams(), await upstreams()
    one.fail(error)
    other.fail(error)
    async with client_of(one.address, other.address) as client:
        assert type(await failure(client)) is type(error)

    assert one.calls + other.calls == 1


async def test_what_one_instance_has_no_room_for_another_may_take(upstreams: Start) -> None:
    full, free = await upstreams(), await upstreams()
    full.fail(Overloaded("full", retry_after_s=30.0))
    async with client_of(full.address, free.address) as client:
        for _ in range(50):
            await embed(client)

    # A refusal is the fastest answer there is; it attracts no calls all the same.
    assert (full.calls, free.calls) == (1, 50)


async def test_a_service_that_is_full_is_asked_for_each_client_and_twice_for_a_tenth_of_them(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    one.fail(Overloaded("full", retry_after_s=30.0))
    other.fail(Overloaded("full too", retry_after_s=7.5))
    async with client_of(one.address, other.address) as client:
        errors = []
        for number in range(100):
            caller.current.set(Caller(client=f"client-{number}"))
            errors.append(await failure(client))

    assert {type(error) for error in errors} == {Overloaded}
    assert {error.retry_after_s for error in errors} == {30.0, 7.5}
    assert 100 < one.calls + other.calls <= 100 * 1.1 + 5


async def test_calls_that_are_refused_now_and_then_are_retried_within_the_budget(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    for each in (one, other):
        each.fail(Overloaded("full", retry_after_s=0.0))
    async with client_of(one.address, other.address) as client:
        for _ in range(200):
            await failure(client)

    assert 200 < one.calls + other.calls <= 200 * 1.1 + 5


async def test_the_refusals_of_one_client_do_not_take_the_second_attempt_from_anothers_failure(
    upstreams: Start,
) -> None:
    one, other = await upstreams(), await upstreams()
    for each in (one, other):
        each.fail(DeadlineTooShort("too little time"))
    async with client_of(one.address, other.address) as client:
        for _ in range(40):
            await failure(client)
        one.fail(Unavailable("going away"))
        other.answer = other.at_once
        replies = [await embed(client) for _ in range(5)]

    assert len(replies) == 5


async def test_who_refuses_one_client_is_tried_for_another_whom_the_first_instance_refused(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    one.fail(Overloaded("full", retry_after_s=30.0))
    greedy = caller.current.set(Caller(client="greedy"))
    async with client_of(one.address, other.address) as client:
        while not one.calls:
            await embed(client)
        caller.current.reset(greedy)
        one.answer = one.at_once
        other.fail(Overloaded("full too", retry_after_s=30.0))
        replies = [await embed(client) for _ in range(20)]

    assert len(replies) == 20


async def test_a_refusal_at_the_end_of_the_deadline_is_final(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    clock = FakeClock()

    async def late(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        clock.advance(10.0)
        raise Overloaded("full", retry_after_s=1.0)

    one.answer = other.answer = late
    deadline = Deadline.after(10.0, clock=clock)
    async with client_of(one.address, other.address) as client:
        with pytest.raises(Overloaded):
            await client.call("Embed", lambda stub: stub.Embed, pb.EmbedRequest(), deadline=deadline)

    assert one.calls + other.calls == 1


async def test_a_slower_instance_gets_the_smaller_share(upstreams: Start) -> None:
    fast, slow = await upstreams(), await upstreams()

    def after(seconds: float) -> Answer:
        async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
            await asyncio.sleep(seconds)
            return pb.EmbedResponse()

        return answer

    fast.answer, slow.answer = after(0.01), after(0.03)
    async with client_of(fast.address, slow.address) as client:

        async def load() -> None:
            for _ in range(40):
                await embed(client)

        await asyncio.gather(*(load() for _ in range(8)))

    assert fast.calls + slow.calls == 320
    assert 0 < slow.calls <= 320 / 3


async def test_the_wait_that_an_instance_reports_steers_calls_away_until_it_has_passed(upstreams: Start) -> None:
    queued, free = await upstreams(), await upstreams()
    queued.wait_s, free.wait_s = 0.5, 0.0
    async with client_of(queued.address, free.address) as client:
        while not (queued.calls and free.calls):
            await embed(client)
        queued.wait_s, calls = 0.0, queued.calls
        await asyncio.gather(*(embed(client) for _ in range(20)))
        meanwhile = queued.calls - calls
        await asyncio.sleep(0.5)
        await asyncio.gather(*(embed(client) for _ in range(20)))

    assert meanwhile == 0
    assert queued.calls > calls


async def test_a_call_carries_for_whom_it_is(upstreams: Start) -> None:
    one = await upstreams()
    seen = []

    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        seen.append(caller.current.get())
        return pb.EmbedResponse()

    one.answer = answer
    team = Caller(client="team-a", priority=Priority.BULK)
    async with client_of(one.address) as client:
        await embed(client)
        token = caller.current.set(team)
        await embed(client)
        caller.current.reset(token)

    assert seen == [ANYONE, team]


async def test_retries_do_not_keep_an_outage_alive(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    one.fail(Unavailable("down"))
    other.fail(Unavailable("down"))
    async with client_of(one.address, other.address, breaker=AlwaysClosed) as client:
        for _ in range(200):
            await failure(client)

    assert 200 < one.calls + other.calls <= 200 * 1.1 + 5


# A flood.


def refused_early() -> float:
    labels = {"service": "tryout", "method": "Embed"}
    return REGISTRY.get_sample_value("isolane_rpc_client_refused_early_total", labels) or 0.0


async def test_a_flood_reaches_an_instance_that_refuses_it_only_now_and_then(upstreams: Start) -> None:
    one, before = await upstreams(), refused_early()
    one.fail(Overloaded("full", retry_after_s=9.0, work_s=0.5))
    async with client_of(one.address) as client:
        errors = [await failure(client) for _ in range(200)]

    delays_s = [error.retry_after_s or 0.0 for error in errors]
    assert {type(error) for error in errors} == {Overloaded}
    assert one.calls < 100
    assert refused_early() == before + 200 - one.calls
    assert 9.0 < delays_s[1] < 10.0
    assert max(delays_s) > 29.0, "each has a time of its own, half a second after the one before"


async def test_an_instance_that_has_room_again_gets_the_next_call_after_a_moment(upstreams: Start) -> None:
    one = await upstreams()
    one.fail(Overloaded("full", retry_after_s=9.0))
    async with client_of(one.address) as client:
        await failure(client)
        one.answer = one.at_once
        await asyncio.sleep(0.6)  # a twentieth of the deadline at most

        assert isinstance(await embed(client), pb.EmbedResponse)


async def test_what_some_instances_refuse_the_others_take_and_nobody_refuses_early(upstreams: Start) -> None:
    full, too, free = await upstreams(), await upstreams(), await upstreams()
    for each in (full, too):
        each.fail(Overloaded("full", retry_after_s=0.02))
    before = refused_early()
    async with client_of(full.address, too.address, free.address, clock=FakeClock()) as client:
        while not (full.calls and too.calls):
            with contextlib.suppress(Overloaded):  # both were asked
                await embed(client)
        calls = free.calls
        replies = [await embed(client) for _ in range(50)]

    assert len(replies) == free.calls - calls == 50
    assert (full.calls, too.calls) == (1, 1)
    assert refused_early() == before


async def test_what_every_instance_has_just_refused_none_is_asked_until_the_moment_is_over(upstreams: Start) -> None:
    one, other, clock = await upstreams(), await upstreams(), FakeClock()
    one.fail(Overloaded("full", retry_after_s=9.0))
    async with client_of(one.address, other.address, clock=clock) as client:
        while not one.calls:
            await embed(client)
        asked = client.refusal("Embed", queue="", size=0, deadline=Deadline.after(10))
        other.fail(Overloaded("full too", retry_after_s=7.0))
        await failure(client)
        calls, before = one.calls + other.calls, refused_early()
        errors = [await failure(client) for _ in range(20)]
        meanwhile = one.calls + other.calls - calls
        clock.advance(0.011)
        await failure(client)

    assert asked is None, "while only one of them refuses"
    assert {type(error) for error in errors} == {Overloaded}
    assert [error.retry_after_s for error in errors] == pytest.approx([7.0] * 20), "the earlier of the two"
    assert (meanwhile, refused_early() - before) == (0, 20)
    assert one.calls + other.calls > calls


async def test_who_has_just_refused_the_like_gets_no_second_attempt_of_it(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    one.fail(Overloaded("full", retry_after_s=0.02))
    async with client_of(one.address, other.address, clock=FakeClock()) as client:
        while not one.calls:
            await embed(client)
        other.fail(Overloaded("full too", retry_after_s=0.02))
        await failure(client)

    assert one.calls == 1


async def test_a_failure_is_tried_again_where_the_like_was_refused_a_while_ago(upstreams: Start) -> None:
    one, other, clock = await upstreams(), await upstreams(), FakeClock()
    one.fail(Overloaded("full", retry_after_s=9.0))
    async with client_of(one.address, other.address, clock=clock) as client:
        while not one.calls:
            await embed(client)
        clock.advance(1.0)  # it is still avoided, and not believed any more
        one.answer = one.at_once
        other.fail(Unavailable("going away"))
        reply = await embed(client)

    assert isinstance(reply, pb.EmbedResponse)


async def test_an_instance_whose_breaker_is_open_need_not_refuse_first(upstreams: Start) -> None:
    full, broken = await upstreams(), await upstreams(is_foreign=True)
    broken.is_broken = True
    async with client_of(full.address, broken.address, clock=FakeClock()) as client:
        while not any(state.is_breaker_open for state in client.pool.states()):
            with contextlib.suppress(RequestError):
                await embed(client)
        full.fail(Overloaded("full", retry_after_s=9.0))
        calls = full.calls
        errors = [await failure(client) for _ in range(10)]

    assert full.calls == calls + 1
    assert {type(error) for error in errors} == {Overloaded}


async def test_an_instance_that_takes_no_calls_need_not_refuse_first(upstreams: Start) -> None:
    full, starting = await upstreams(), await upstreams(is_serving=False)
    full.fail(Overloaded("full", retry_after_s=9.0))
    async with client_of(full.address, starting.address, clock=FakeClock()) as client:
        errors = [await failure(client) for _ in range(10)]
        calls = full.calls
        await starting.server.set_serving()
        await eventually(lambda: serving(client) == 2)
        await embed(client)

    assert (calls, full.calls, starting.calls) == (1, 1, 1)
    assert {type(error) for error in errors} == {Overloaded}


async def test_a_new_instance_is_asked_what_the_others_have_just_refused(upstreams: Start) -> None:
    one, other, third = await upstreams(), await upstreams(), await upstreams()
    for each in (one, other):
        each.fail(Overloaded("full", retry_after_s=9.0))
    resolver = ChangingResolver({"tryout": [one.address, other.address]})
    async with following(resolver) as pool:
        client: Client = RpcClient(pool, clock=FakeClock())
        for _ in range(10):
            await failure(client)
        calls = one.calls + other.calls
        await resolver.change("tryout", *(Endpoint(address=each.address) for each in (one, other, third)))
        await eventually(lambda: serving(client) == 3)
        await embed(client)

    assert (calls, one.calls + other.calls, third.calls) == (2, 2, 1)


async def test_what_one_client_is_refused_for_one_model_is_neither_anothers_nor_another_models(
    upstreams: Start,
) -> None:
    one, other = await upstreams(), await upstreams()
    for each in (one, other):
        each.fail(Overloaded("full", retry_after_s=9.0))
    greedy = caller.current.set(Caller(client="greedy"))
    async with client_of(one.address, other.address, clock=FakeClock()) as client:
        await failure(client, model="mini")
        for each in (one, other):
            each.answer = each.at_once
        refused = await failure(client, model="mini")
        replies = [await embed(client, model="base")]
        caller.current.reset(greedy)
        replies.append(await embed(client, model="mini"))

    assert type(refused) is Overloaded
    assert len(replies) == 2
    assert one.calls + other.calls == 4


# Instances that come and go.


async def test_a_new_instance_gets_calls_and_a_removed_one_none(upstreams: Start) -> None:
    one, other = await upstreams(), await upstreams()
    resolver = ChangingResolver({"tryout": [one.address]})
    async with following(resolver) as pool:
        client = RpcClient(pool)
        await embed(client)
        await resolver.change("tryout", Endpoint(address=other.address))
        await eventually(lambda: [state.address for state in pool.states() if state.is_serving] == [other.address])
        await embed(client)

    assert (one.calls, other.calls) == (1, 1)


async def test_a_removed_instance_finishes_its_calls(upstreams: Start) -> None:
    one = await upstreams()
    begun, may_finish = asyncio.Event(), asyncio.Event()

    async def wait(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        begun.set()
        await may_finish.wait()
        return pb.EmbedResponse()

    one.answer = wait
    resolver = ChangingResolver({"tryout": [one.address]})
    async with following(resolver) as pool:
        calling = asyncio.create_task(embed(RpcClient(pool)))
        await begun.wait()
        await resolver.change("tryout")
        await eventually(lambda: pool.size == 0)
        may_finish.set()

        assert isinstance(await calling, pb.EmbedResponse)


async def test_an_instance_that_says_something_new_of_itself_is_kept(upstreams: Start) -> None:
    one = await upstreams()
    resolver = ChangingResolver({"tryout": [one.address]})
    async with following(resolver) as pool:
        before, _ = pool.pick()
        await resolver.change("tryout", Endpoint(address=one.address, meta={"models": "mini"}))
        await eventually(lambda: before.endpoint.meta)

        assert pool.pick()[0] is before


async def test_a_channel_closed_under_a_call_is_unavailable_and_not_a_cancellation(upstreams: Start) -> None:
    one = await upstreams()
    one.answer = hang
    async with client_of(one.address) as client:
        calling = asyncio.create_task(failure(client))
        await eventually(lambda: one.calls)

        await client.pool.pick()[0].aclose(0)
        error = await asyncio.wait_for(calling, 5)

    assert type(error) is Unavailable


async def test_a_channel_closed_before_a_call_is_unavailable(upstreams: Start) -> None:
    one = await upstreams()
    async with client_of(one.address) as client:
        instance, permit = client.pool.pick()
        permit.settle(Outcome.IGNORED)
        await instance.aclose(0)
        assert isinstance(instance, Instance)
        instance._report(SERVING)  # as if the health stream had not noticed yet

        assert type(await failure(client)) is Unavailable


async def test_a_pool_that_cannot_go_on_tells_its_owner_and_has_no_instances_left(upstreams: Start) -> None:
    class Broken(ChangingResolver):
        async def watch(self, service: str) -> AsyncGenerator[Resolution, None]:
            yield self.resolve(service)
            raise ValueError("a bug")

    one = await upstreams()
    pool: InstancePool[pb_grpc.EmbeddingServiceStub] = InstancePool(
        "tryout", Broken({"tryout": [one.address]}), pb_grpc.EmbeddingServiceStub, health_service=NAME
    )

    with pytest.raises(ExceptionGroup) as caught:
        await pool.run()

    assert caught.group_contains(ValueError, match="a bug")
    with pytest.raises(NoEndpoint):
        pool.pick()


async def test_a_dying_health_watcher_ends_the_pool(upstreams: Start) -> None:
    one = await upstreams()
    resolver = StaticResolver({"tryout": [one.address]})
    no_name = cast(str, object())  # what the watcher stumbles over
    pool: InstancePool[pb_grpc.EmbeddingServiceStub] = InstancePool(
        "tryout", resolver, pb_grpc.EmbeddingServiceStub, health_service=no_name
    )

    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(pool.run(), 10)


def instances(state: str) -> float | None:
    return REGISTRY.get_sample_value("isolane_upstream_instances", {"service": "tryout", "state": state})


async def test_the_gauge_counts_each_instance_in_one_state(upstreams: Start) -> None:
    one, other = await upstreams(is_foreign=True), await upstreams(is_serving=False)
    async with client_of(one.address, other.address) as client:
        counts = [{state: instances(state) for state in ("serving", "breaker_open", "not_serving")}]
        one.is_broken = True
        for _ in range(5):
            await failure(client)
        counts.append({state: instances(state) for state in ("serving", "breaker_open", "not_serving")})

    assert counts == [
        {"serving": 1.0, "breaker_open": 0.0, "not_serving": 1.0},
        {"serving": 0.0, "breaker_open": 1.0, "not_serving": 1.0},
    ]
    assert instances("serving") is None


# Processes.


class Process:
    """The embedding service with its fake backend, as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.address = f"127.0.0.1:{port}"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


async def spawn(port: int) -> Process:
    settings = {"PORT": port, "METRICS_PORT": 0, "BACKEND": "fake", "LOG_LEVEL": "error"}
    environment = os.environ | {f"ISOLANE_EMBEDDING_{name}": str(value) for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.embedding", env=environment)
    return Process(process, port)


@pytest.fixture
async def processes() -> AsyncIterator[Callable[[int], Awaitable[Process]]]:
    started: list[Process] = []

    async def start(port: int) -> Process:
        started.append(await spawn(port))
        return started[-1]

    yield start
    for each in started:
        if each.process.returncode is None:
            each.signal(signal.SIGKILL)
        await each.process.wait()


Spawn = Callable[[int], Awaitable[Process]]


async def list_models(client: Client) -> pb.ListModelsResponse:
    request = pb.ListModelsRequest()
    return await client.call("ListModels", lambda stub: stub.ListModels, request, deadline=Deadline.after(10))


async def test_a_killed_process_is_noticed_at_once_and_found_again(processes: Spawn) -> None:
    port = free_port()
    first = await processes(port)
    async with client_of(first.address) as client:
        await eventually(lambda: serving(client) == 1, within_s=30)
        await list_models(client)

        first.signal(signal.SIGKILL)
        await first.process.wait()
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(list_models(client), 1)
        await processes(port)
        await eventually(lambda: serving(client) == 1, within_s=30)

        assert (await list_models(client)).models[0].fake
    assert caught.value.retry_after_s is not None


async def test_a_frozen_instance_is_left_for_the_other(processes: Spawn) -> None:
    frozen, other = await processes(free_port()), await processes(free_port())
    async with client_of(frozen.address, other.address, attempt_timeout_s=0.3) as client:
        await eventually(lambda: serving(client) == 2, within_s=30)

        frozen.signal(signal.SIGSTOP)
        replies = [await list_models(client) for _ in range(30)]
        state = next(state for state in client.pool.states() if state.address == frozen.address)

    assert len(replies) == 30
    assert state.is_breaker_open
