"""A real server on loopback: what the edge promises for every call."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, ClassVar, TypeAlias

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from isolane.common.v1 import reply_pb2
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from services.common import call, caller, status
from services.common.caller import Caller, Priority
from services.common.config import ServerSettings
from services.common.deadline import Deadline
from services.common.errors import (
    GRPC_STATUS,
    BackendFailed,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    RequestError,
    StartupError,
    TooLarge,
    Unavailable,
)
from services.common.reply import Backlog
from services.common.server.interceptor import EdgeInterceptor
from services.common.server.joint import answered_at_the_edge
from services.common.server.server import GrpcServer, Registration
from services.common.telemetry import request_id, tracing
from services.common.telemetry.metrics import rpc_server_seconds
from services.common.testing.logs import CapturedLogs, captured_logs
from services.common.testing.waiting import eventually

pytestmark = pytest.mark.integration

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
TRACE = "0af7651916cd43dd8448eb211c80319c"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING

Raw: TypeAlias = "aio.UnaryUnaryMultiCallable[bytes, bytes]"
Answer = Callable[[pb.EmbedRequest], Awaitable[pb.EmbedResponse]]


class TryoutSettings(ServerSettings):
    """Settings of no service."""

    service: ClassVar[str] = "tryout"
    port: int = 0
    metrics_port: int = 0


class Scripted(pb_grpc.EmbeddingServiceServicer):
    """Answers as the test says."""

    def __init__(self) -> None:
        self.answer: Answer = self.at_once

    async def at_once(self, request: pb.EmbedRequest) -> pb.EmbedResponse:
        return pb.EmbedResponse()

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:  # noqa: N802 - gRPC's name
        return await self.answer(request)

    EmbedMany = answered_at_the_edge

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:  # noqa: N802 - gRPC's
        return pb.TokenizeResponse()

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:  # noqa: N802
        return pb.ListModelsResponse()


def server_of(scripted: Scripted, settings: TryoutSettings) -> GrpcServer:
    add = pb_grpc.add_EmbeddingServiceServicer_to_server
    return GrpcServer(settings, [Registration(name=NAME, servicer=scripted, add=add)])


class Server:
    """A started server, a channel to it, and its script."""

    def __init__(self, scripted: Scripted, server: GrpcServer, port: int, channel: aio.Channel) -> None:
        self.scripted = scripted
        self.server = server
        self.port = port
        self.channel = channel
        self.stub = pb_grpc.EmbeddingServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)

    async def embed(
        self, request: pb.EmbedRequest | None = None, *, timeout_s: float | None = 10.0, **headers: str
    ) -> pb.EmbedResponse:
        metadata = aio.Metadata(*((key.replace("_", "-"), value) for key, value in headers.items()))
        reply: pb.EmbedResponse = await self.stub.Embed(
            request or pb.EmbedRequest(), timeout=timeout_s, metadata=metadata
        )
        return reply

    async def failure(self, **arguments: Any) -> RequestError:
        with pytest.raises(aio.AioRpcError) as caught:
            await self.embed(**arguments)
        return status.decode(caught.value, "tryout")

    async def serving(self, name: str) -> int:
        reply: health_pb2.HealthCheckResponse = await self.health.Check(health_pb2.HealthCheckRequest(service=name))
        return int(reply.status)


@contextlib.asynccontextmanager
async def started(settings: TryoutSettings | None = None) -> AsyncIterator[Server]:
    scripted = Scripted()
    server = server_of(scripted, settings or TryoutSettings())
    port = await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            yield Server(scripted, server, port, channel)
        finally:
            await server.stop()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with started() as running:
        await running.server.set_serving()
        yield running


@pytest.fixture
def logs() -> Iterator[CapturedLogs]:
    with captured_logs("tryout") as captured:
        yield captured


async def rpc_line(logs: CapturedLogs) -> dict[str, Any]:
    """The call's log line; it is written after the caller has its answer."""
    await eventually(lambda: logs.lines("rpc"))
    [line] = logs.lines("rpc")
    return line


async def test_request_id_and_trace_id_reach_handler_and_log(server: Server, logs: CapturedLogs) -> None:
    seen = []

    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        seen.append((request_id.current.get(), tracing.current_trace_id()))
        return pb.EmbedResponse()

    server.scripted.answer = answer
    await server.embed(x_request_id="abc-1", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")

    line = await rpc_line(logs)
    assert seen == [("abc-1", TRACE)]
    assert (line["request_id"], line["trace_id"], line["code"], line["method"]) == ("abc-1", TRACE, "ok", "Embed")


async def test_a_call_without_ids_gets_some(server: Server, logs: CapturedLogs) -> None:
    await server.embed()

    line = await rpc_line(logs)
    assert len(line["request_id"]) == 32


async def test_concurrent_calls_keep_their_own_ids(server: Server) -> None:
    async def answer(request: pb.EmbedRequest) -> pb.EmbedResponse:
        await asyncio.sleep(0.01)
        assert request_id.current.get() == request.model
        return pb.EmbedResponse()

    server.scripted.answer = answer

    ids = [f"id-{number}" for number in range(20)]
    await asyncio.gather(*(server.embed(pb.EmbedRequest(model=name), x_request_id=name) for name in ids))


async def test_what_the_handler_notes_is_in_the_log_line(server: Server, logs: CapturedLogs) -> None:
    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        call.note(items=3)
        return pb.EmbedResponse()

    server.scripted.answer = answer
    await server.embed()

    assert (await rpc_line(logs))["items"] == 3


async def test_the_handler_and_the_log_know_for_whom_a_call_is(server: Server, logs: CapturedLogs) -> None:
    seen = []

    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        seen.append(caller.current.get())
        return pb.EmbedResponse()

    server.scripted.answer = answer
    await server.embed(x_isolane_client="team-a", x_isolane_priority="bulk")

    line = await rpc_line(logs)
    assert seen == [Caller(client="team-a", priority=Priority.BULK)]
    assert (line["client"], line["priority"]) == ("team-a", "bulk")


@pytest.mark.parametrize("client", ["ip-10.0.0.7", "key-0123456789abcdef"])
async def test_ids_made_of_addresses_and_keys_are_not_logged(server: Server, logs: CapturedLogs, client: str) -> None:
    await server.embed(x_isolane_client=client)

    assert not {"client", "priority"} & (await rpc_line(logs)).keys()


@pytest.mark.parametrize("headers", [{"x_isolane_client": "a b"}, {"x_isolane_priority": "now"}], ids=str)
async def test_a_caller_that_cannot_be_read_is_refused_and_reaches_no_handler(
    server: Server, logs: CapturedLogs, headers: dict[str, str]
) -> None:
    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        raise AssertionError("called")

    server.scripted.answer = answer
    error = await server.failure(**headers)

    assert type(error) is InvalidRequest
    assert error.param == next(iter(headers)).replace("_", "-")
    assert (await rpc_line(logs))["code"] == "invalid_request"


@contextlib.asynccontextmanager
async def loaded(scripted: Scripted, backlog: Backlog, *, is_started: bool = True) -> AsyncIterator[Raw]:
    """A server whose edge knows a load; yields its method Embed."""
    edge = EdgeInterceptor("tryout", max_deadline_s=10.0, most_bytes=1024 * 1024, load=lambda: backlog)
    if is_started:
        edge.start()
    server = aio.server(interceptors=[edge])
    pb_grpc.add_EmbeddingServiceServicer_to_server(scripted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.unary_unary(f"/{NAME}/Embed")
    await server.stop(None)


async def test_answers_and_refusals_carry_the_load() -> None:
    scripted = Scripted()
    async with loaded(scripted, Backlog(queued_cost=700, predicted_wait_s=0.125)) as embed:
        answered = embed(b"", timeout=10)
        await answered
        trailers = [await answered.trailing_metadata()]

        async def refuse(_request: pb.EmbedRequest) -> pb.EmbedResponse:
            raise Overloaded("full", retry_after_s=3.0)

        scripted.answer = refuse
        with pytest.raises(aio.AioRpcError) as caught:
            await embed(b"", timeout=10)
        trailers.append(caught.value.trailing_metadata() or aio.Metadata())

    for each in trailers:
        assert (each["x-isolane-queued-cost"], each["x-isolane-predicted-wait-us"]) == ("700", "125000")
    assert status.decode(caught.value, "tryout").retry_after_s == 3.0


async def test_a_refusal_for_load_says_which_process_gave_it() -> None:
    async def refuse(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        raise Overloaded("full", retry_after_s=3.0)

    async with started() as one, started() as other:
        for server in (one, other):
            server.scripted.answer = refuse
            await server.server.set_serving()
        refusals = [await server.failure() for server in (one, one, other)]

    first, again, another = (refusal.instance for refusal in refusals if isinstance(refusal, Overloaded))
    assert first == again != another
    assert first
    assert another


async def test_a_load_that_the_reply_tells_is_not_told_again() -> None:
    scripted = Scripted()

    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        return pb.EmbedResponse(load=reply_pb2.Load(queued_cost=5, predicted_wait_us=2500))

    scripted.answer = answer
    async with loaded(scripted, Backlog(queued_cost=700, predicted_wait_s=0.125)) as embed:
        answered = embed(b"", timeout=10)
        await answered
        trailers = await answered.trailing_metadata()

    assert not dict(trailers)


async def test_a_server_that_has_not_started_is_not_asked_for_its_load() -> None:
    async with loaded(Scripted(), Backlog(queued_cost=0, predicted_wait_s=0.0), is_started=False) as embed:
        with pytest.raises(aio.AioRpcError) as caught:
            await embed(b"", timeout=10)

    assert type(status.decode(caught.value, "tryout")) is Unavailable
    assert status.decode_wait_s(caught.value.trailing_metadata()) is None


@pytest.mark.parametrize("cls", GRPC_STATUS, ids=lambda cls: cls.__name__)
async def test_an_error_reaches_the_caller_whole(server: Server, logs: CapturedLogs, cls: type[RequestError]) -> None:
    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        raise cls("input: wröng\nchange it", retry_after_s=2.5, param="input")

    server.scripted.answer = answer
    error = await server.failure()

    assert type(error) is cls
    assert (error.message, error.retry_after_s, error.param) == ("input: wröng\nchange it", 2.5, "input")
    assert (await rpc_line(logs))["code"] == cls.code


@pytest.mark.parametrize("text", ["x", "ü", "漢", "😀", "\n", "\x00", "%", "\ud800"])
async def test_a_very_long_message_still_arrives_as_its_error(server: Server, text: str) -> None:
    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        raise Overloaded(text * 100_000, retry_after_s=3.0, param=text * 100_000)

    server.scripted.answer = answer
    error = await server.failure()

    assert type(error) is Overloaded
    assert error.retry_after_s == 3.0
    assert error.message.endswith("…")


async def test_garbage_in_the_details_leaves_the_bare_status() -> None:
    class Garbled(Scripted):
        async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:  # noqa: N802 - gRPC's name
            await context.abort(StatusCode.UNAVAILABLE, "x", ((status.DETAILS_KEY, b"\xff\xfe"),))
            raise AssertionError("abort raises")

    bare = aio.server()
    pb_grpc.add_EmbeddingServiceServicer_to_server(Garbled(), bare)
    port = bare.add_insecure_port("127.0.0.1:0")
    await bare.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await pb_grpc.EmbeddingServiceStub(channel).Embed(pb.EmbedRequest(), timeout=10)
    await bare.stop(None)

    assert type(status.decode(caught.value, "tryout")) is Unavailable


async def test_an_unforeseen_exception_shows_in_the_log_and_not_to_the_caller(
    server: Server, logs: CapturedLogs
) -> None:
    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        raise ValueError("secret of the house")

    server.scripted.answer = answer
    error = await server.failure(x_request_id="abc-1")

    [crash] = logs.lines("call_crashed")
    assert type(error) is BackendFailed
    assert "secret" not in error.message
    assert "abc-1" in error.message
    assert "ValueError: secret of the house" in crash["exception"]
    assert crash["request_id"] == "abc-1"
    assert (await rpc_line(logs))["level"] == "warning"


async def test_a_future_that_was_cancelled_inside_is_answered_and_does_not_leave_the_caller_waiting(
    server: Server,
) -> None:
    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        inner: asyncio.Future[pb.EmbedResponse] = asyncio.get_running_loop().create_future()
        inner.cancel()
        return await inner

    server.scripted.answer = answer

    assert type(await server.failure(timeout_s=5.0)) is BackendFailed


async def handler_deadline(server: Server, timeout_s: float | None) -> float:
    """Seconds that the handler of a call with this timeout has."""
    seen: list[Deadline] = []

    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        seen.append(call.deadline())
        return pb.EmbedResponse()

    server.scripted.answer = answer
    await server.embed(timeout_s=timeout_s)
    return seen[0].remaining_s()


async def test_the_callers_deadline_reaches_the_handler(server: Server) -> None:
    assert 15.0 < await handler_deadline(server, 20.0) <= 20.1


async def test_a_call_without_a_deadline_gets_the_longest(server: Server) -> None:
    assert 290.0 < await handler_deadline(server, None) <= 300.0


async def test_no_call_gets_more_than_the_longest(server: Server) -> None:
    assert 290.0 < await handler_deadline(server, 3600.0) <= 300.0


async def test_a_handler_is_ended_at_the_longest_deadline(logs: CapturedLogs) -> None:
    async with started(TryoutSettings(max_deadline_s=0.05)) as server:
        await server.server.set_serving()

        async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets the event")

        server.scripted.answer = answer
        error = await asyncio.wait_for(server.failure(), 5)  # its own deadline is 10 s

        assert type(error) is DeadlineExceeded
        assert (await rpc_line(logs))["code"] == "deadline_exceeded"


class Hanging:
    """A handler that hangs and says what became of it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.may_finish = asyncio.Event()

    async def answer(self, _request: pb.EmbedRequest) -> pb.EmbedResponse:
        self.begun.set()
        try:
            await self.may_finish.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return pb.EmbedResponse()


async def test_a_caller_that_goes_away_cancels_the_handler(server: Server, logs: CapturedLogs) -> None:
    hanging = Hanging()
    server.scripted.answer = hanging.answer
    calling = asyncio.create_task(server.embed())
    await hanging.begun.wait()

    calling.cancel()

    await asyncio.wait_for(hanging.cancelled.wait(), 5)
    assert (await rpc_line(logs))["code"] == "cancelled"


async def test_a_caller_whose_time_is_over_counts_as_late_and_not_as_gone(server: Server, logs: CapturedLogs) -> None:
    hanging = Hanging()
    server.scripted.answer = hanging.answer

    assert type(await server.failure(timeout_s=0.1)) is DeadlineExceeded

    await asyncio.wait_for(hanging.cancelled.wait(), 5)
    assert (await rpc_line(logs))["code"] == "deadline_exceeded"


async def test_every_call_is_measured_by_its_outcome(server: Server) -> None:
    def count() -> float:
        [metric] = rpc_server_seconds().collect()
        wanted = {"service": "tryout", "method": "Embed", "code": "too_large"}
        return sum(s.value for s in metric.samples if s.name.endswith("_count") and s.labels == wanted)

    async def answer(_request: pb.EmbedRequest) -> pb.EmbedResponse:
        raise TooLarge("too large")

    server.scripted.answer = answer
    before = count()
    await server.failure()

    await eventually(lambda: count() == before + 1)


async def test_a_taken_port_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = server_of(Scripted(), TryoutSettings(port=port))

        with pytest.raises(StartupError, match=f"127.0.0.1:{port}.*ISOLANE_TRYOUT_PORT"):
            await server.start()
        await server.stop()


async def test_two_servers_do_not_share_a_port(server: Server) -> None:
    other = server_of(Scripted(), TryoutSettings(port=server.port))

    with pytest.raises(StartupError):
        await other.start()
    await other.stop()


async def test_before_it_serves_it_says_so_and_refuses_calls() -> None:
    async with started() as server:
        assert [await server.serving(name) for name in ("", NAME)] == [NOT_SERVING, NOT_SERVING]
        error = await server.failure()

        assert type(error) is Unavailable
        assert error.retry_after_s == 1.0


async def test_once_it_serves_it_says_so(server: Server) -> None:
    assert [await server.serving(name) for name in ("", NAME)] == [SERVING, SERVING]


async def test_a_stopping_server_finishes_its_calls_and_reports_not_serving_meanwhile(server: Server) -> None:
    hanging = Hanging()
    server.scripted.answer = hanging.answer
    watch = server.health.Watch(health_pb2.HealthCheckRequest(service=NAME))
    seen = [(await watch.read()).status]
    calling = asyncio.create_task(server.embed())
    await hanging.begun.wait()

    stopping = asyncio.create_task(server.server.stop())
    seen.append((await watch.read()).status)
    is_unfinished = not (stopping.done() or calling.done())
    hanging.may_finish.set()

    assert isinstance(await calling, pb.EmbedResponse)
    await asyncio.wait_for(stopping, 5)
    assert (seen, is_unfinished) == ([SERVING, NOT_SERVING], True)


async def test_a_caller_that_only_watches_its_health_does_not_hold_a_stopping_server(server: Server) -> None:
    watch = server.health.Watch(health_pb2.HealthCheckRequest(service=NAME))
    await watch.read()

    await asyncio.wait_for(server.server.stop(), 5)  # the drain time is 30 s

    assert (await watch.read()).status == NOT_SERVING
    assert await watch.read() is aio.EOF


async def test_calls_that_do_not_finish_are_cut_off_at_the_end_of_the_drain(logs: CapturedLogs) -> None:
    async with started(TryoutSettings(drain_s=0.1)) as server:
        await server.server.set_serving()
        hanging = Hanging()
        server.scripted.answer = hanging.answer
        calling = asyncio.create_task(server.failure())
        await hanging.begun.wait()

        await asyncio.wait_for(server.server.stop(), 5)

        assert hanging.cancelled.is_set()
        assert isinstance(await calling, RequestError)


async def test_callers_get_time_to_notice_before_new_calls_are_refused() -> None:
    async with started(TryoutSettings(shutdown_delay_s=0.3)) as server:
        await server.server.set_serving()
        watch = server.health.Watch(health_pb2.HealthCheckRequest(service=NAME))
        seen = [(await watch.read()).status]
        stopping = asyncio.create_task(server.server.stop())
        seen.append((await watch.read()).status)

        assert isinstance(await server.embed(), pb.EmbedResponse)
        assert seen == [SERVING, NOT_SERVING]
        await stopping


async def test_reflection_lists_the_services(server: Server) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])

    replies = [reply async for reply in stub.ServerReflectionInfo(asked)]

    names = {service.name for reply in replies for service in reply.list_services_response.service}
    assert names == {NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_an_unknown_method_is_unimplemented(server: Server) -> None:
    unknown: Raw = server.channel.unary_unary(f"/{NAME}/Explode")

    with pytest.raises(aio.AioRpcError) as caught:
        await unknown(b"", timeout=10)

    assert caught.value.code() is StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_too_large_and_disturbs_nothing() -> None:
    async with started(TryoutSettings(max_message_bytes=10_000)) as server:
        await server.server.set_serving()

        error = await server.failure(request=pb.EmbedRequest(model="x" * 20_000))

        assert type(error) is TooLarge
        assert isinstance(await server.embed(), pb.EmbedResponse)


async def test_a_message_that_is_no_message_disturbs_nothing(server: Server) -> None:
    raw: Raw = server.channel.unary_unary(f"/{NAME}/Embed")

    with pytest.raises(aio.AioRpcError):
        await raw(b"\xff\xff\xff\xff", timeout=10)

    assert isinstance(await server.embed(), pb.EmbedResponse)
