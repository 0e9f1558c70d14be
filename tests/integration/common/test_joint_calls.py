# ruff: noqa: N802 - gRPC names the methods of a servicer
"""Joint calls against real servers: every member of one is answered, fails, ends and is told of as if it were alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, ClassVar, TypeAlias

import pytest
from grpc import StatusCode, aio
from isolane.common.v1 import joint_pb2
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from services.common import call, caller, status
from services.common.caller import Caller, Priority
from services.common.config import ServerSettings
from services.common.errors import (
    GRPC_STATUS,
    BackendFailed,
    DeadlineExceeded,
    InvalidRequest,
    RequestError,
)
from services.common.rpc.joint_call import failure_of
from services.common.server.joint import answered_at_the_edge
from services.common.server.server import GrpcServer, Registration
from services.common.telemetry import request_id, tracing
from services.common.testing.logs import CapturedLogs, captured_logs
from services.common.testing.waiting import eventually

pytestmark = pytest.mark.integration

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
TRACES = ["0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319c"]

Answer = Callable[[], Awaitable[pb.EmbedResponse]]
Stream: TypeAlias = "aio.StreamStreamCall[joint_pb2.JointRequest, joint_pb2.JointResponse]"


class TryoutSettings(ServerSettings):
    """Settings of no service."""

    service: ClassVar[str] = "tryout"
    port: int = 0
    metrics_port: int = 0
    drain_s: float = 5.0
    shutdown_delay_s: float = 0.0
    max_message_bytes: int = 1024 * 1024


class Scripted(pb_grpc.EmbeddingServiceServicer):
    """Answers each model as the test says, else at once; `wait` lasts until the test releases it."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {"wait": self.wait}
        self.release = asyncio.Event()
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        self.begun.append(request.model)
        try:
            return await self.answers.get(request.model, self.at_once)()
        except asyncio.CancelledError:
            self.cancelled.append(request.model)
            raise

    EmbedMany = answered_at_the_edge

    async def at_once(self) -> pb.EmbedResponse:
        return pb.EmbedResponse()

    async def wait(self) -> pb.EmbedResponse:
        await self.release.wait()
        return pb.EmbedResponse()

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:
        raise NotImplementedError

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        raise NotImplementedError

    def fail(self, model: str, error: BaseException) -> None:
        """Answer that model with `error`."""

        async def answer() -> pb.EmbedResponse:
            raise error

        self.answers[model] = answer


class Server:
    """A started server with its script, and joint calls to it as they are on the wire."""

    def __init__(self, scripted: Scripted, grpc_server: GrpcServer, channel: aio.Channel) -> None:
        self.scripted = scripted
        self.grpc_server = grpc_server
        self.stub = pb_grpc.EmbeddingServiceStub(channel)

    async def send(self, *members: joint_pb2.Member, timeout_s: float = 10.0, closes: bool = True) -> Stream:
        stream: Stream = self.stub.EmbedMany(timeout=timeout_s)
        await stream.write(joint_pb2.JointRequest(members=members))
        if closes:
            await stream.done_writing()
        return stream

    async def answers(self, *members: joint_pb2.Member) -> list[joint_pb2.MemberAnswer]:
        """What becomes of members, in their order."""
        answers = [answer async for message in await self.send(*members) for answer in message.answers]
        assert sorted(answer.place for answer in answers) == list(range(len(members)))
        return sorted(answers, key=lambda answer: answer.place)

    async def error(self, model: str) -> RequestError:
        """The error of a member that shares its call with one that is answered."""
        bad, good = await self.answers(member(model), member())
        assert good.code == 0
        return status.decode(failure_of(bad), "tryout")


def member(model: str = "", timeout_s: float = 10.0, **metadata: str) -> joint_pb2.Member:
    return joint_pb2.Member(
        request=pb.EmbedRequest(model=model).SerializeToString(),
        metadata={key.replace("_", "-"): value for key, value in metadata.items()},
        timeout_us=round(timeout_s * 1e6),
    )


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    scripted = Scripted()
    add = pb_grpc.add_EmbeddingServiceServicer_to_server
    grpc_server = GrpcServer(TryoutSettings(), [Registration(name=NAME, servicer=scripted, add=add)])
    port = await grpc_server.start()
    await grpc_server.set_serving()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            yield Server(scripted, grpc_server, channel)
        finally:
            scripted.release.set()
            await grpc_server.stop()


@pytest.fixture
def logs() -> Iterator[CapturedLogs]:
    with captured_logs("tryout") as captured:
        yield captured


async def test_each_member_has_its_own_ids_caller_and_log_line(server: Server, logs: CapturedLogs) -> None:
    seen: dict[str, tuple[Caller, str]] = {}

    async def note() -> pb.EmbedResponse:
        await asyncio.sleep(0)
        call.note(items=len(seen))
        seen[request_id.current.get()] = (caller.current.get(), tracing.current_trace_id())
        return pb.EmbedResponse()

    server.scripted.answers["note"] = note
    await server.answers(
        member("note", x_request_id="a-1", x_isolane_client="a", traceparent=f"00-{TRACES[0]}-b7ad6b7169203331-01"),
        member(
            "note",
            x_request_id="b-1",
            x_isolane_client="b",
            x_isolane_priority="bulk",
            x_isolane_origin="ip-1",
            traceparent=f"00-{TRACES[1]}-b7ad6b7169203331-01",
        ),
    )

    lines = {line["request_id"]: line for line in logs.lines("rpc")}
    assert seen == {
        "a-1": (Caller(client="a"), TRACES[0]),
        "b-1": (Caller(client="b", priority=Priority.BULK, origin="ip-1"), TRACES[1]),
    }
    assert {key: (line["method"], line["client"], line["trace_id"], line["items"]) for key, line in lines.items()} == {
        "a-1": ("Embed", "a", TRACES[0], 0),
        "b-1": ("Embed", "b", TRACES[1], 1),
    }


@pytest.mark.parametrize("error", GRPC_STATUS, ids=lambda cls: cls.__name__)
async def test_an_error_of_a_member_is_to_the_letter_that_of_a_call_alone(
    server: Server, error: type[RequestError]
) -> None:
    server.scripted.fail("bad", error("it is wrong: ü", retry_after_s=1.25, param="inputs"))

    with pytest.raises(aio.AioRpcError) as alone:
        await server.stub.Embed(pb.EmbedRequest(model="bad"), timeout=10)
    answer, _ = await server.answers(member("bad"), member())
    failure = failure_of(answer)

    assert (failure.code(), failure.details()) == (alone.value.code(), alone.value.details())
    trailers = dict(failure.trailing_metadata() or ())
    assert trailers == dict(alone.value.trailing_metadata() or ())
    assert status.DETAILS_KEY in trailers


async def test_a_member_that_crashes_fails_alone(server: Server, logs: CapturedLogs) -> None:
    server.scripted.fail("bad", ZeroDivisionError("a bug"))

    assert type(await server.error("bad")) is BackendFailed
    assert logs.lines("call_crashed")


async def test_a_member_that_cannot_be_read_fails_alone(server: Server) -> None:
    bad, good = await server.answers(joint_pb2.Member(request=b"\xff\xff\xff", timeout_us=1_000_000), member())

    assert (bad.code, good.code) == (StatusCode.INTERNAL.value[0], 0)


async def test_a_member_whose_caller_cannot_be_read_fails_alone(server: Server) -> None:
    bad, good = await server.answers(member(x_isolane_client="a b"), member())

    assert type(status.decode(failure_of(bad), "tryout")) is InvalidRequest
    assert good.code == 0


async def test_a_reply_that_is_too_large_fails_alone(server: Server) -> None:
    async def answer() -> pb.EmbedResponse:
        return pb.EmbedResponse(vectors=pb.Vectors(data=bytes(1024 * 1024)))

    server.scripted.answers["large"] = answer
    error = await server.error("large")

    assert error.code == "too_large"


async def test_a_large_reply_goes_behind_the_small_ones_in_a_message_of_its_own(server: Server) -> None:
    async def answer() -> pb.EmbedResponse:
        return pb.EmbedResponse(vectors=pb.Vectors(data=bytes(100_000)))

    server.scripted.answers["large"] = answer
    stream = await server.send(member("large"), member(), member("large"), member())
    messages = [[answer.place for answer in message.answers] async for message in stream]

    assert [sorted(places) for places in messages] == [[1, 3], [0], [2]]


async def test_an_answer_does_not_wait_for_a_slow_member(server: Server) -> None:
    stream = await server.send(member("wait"), member())

    first = await anext(aiter(stream))
    server.scripted.release.set()
    second = await anext(aiter(stream))

    assert [answer.place for answer in [*first.answers, *second.answers]] == [1, 0]


async def test_members_that_finish_while_an_answer_is_sent_are_answered_too(server: Server) -> None:
    turns = iter(range(10))

    async def later() -> pb.EmbedResponse:
        for _ in range(next(turns)):
            await asyncio.sleep(0)
        return pb.EmbedResponse()

    server.scripted.answers["later"] = later

    assert [answer.code for answer in await server.answers(*[member("later")] * 10)] == [0] * 10


async def test_each_member_has_its_own_deadline(server: Server) -> None:
    left_s: dict[str, float] = {}

    async def note() -> pb.EmbedResponse:
        left_s[request_id.current.get()] = call.deadline().remaining_s()
        return await server.scripted.wait()

    server.scripted.answers["note"] = note
    stream = await server.send(
        member("note", 0.6, x_request_id="short", x_isolane_time_left_us="100000"),
        member("note", 5.0, x_request_id="long", x_isolane_time_left_us="4500000"),
        timeout_s=5.0,
    )
    first = await anext(aiter(stream))
    server.scripted.release.set()
    second = await anext(aiter(stream))

    assert 0 < left_s["short"] <= 0.1
    assert 4 < left_s["long"] <= 4.5
    assert type(status.decode(failure_of(first.answers[0]), "tryout")) is DeadlineExceeded
    assert (second.answers[0].place, second.answers[0].code) == (1, 0)


async def test_what_the_call_spent_on_its_way_is_taken_from_every_member(server: Server) -> None:
    left_s: list[float] = []

    async def note() -> pb.EmbedResponse:
        left_s.append(call.deadline().remaining_s())
        return pb.EmbedResponse()

    server.scripted.answers["note"] = note
    # Sent when there were 5 s, and 3 are left now.
    stream = await server.send(member("note", 5.0), member("note", 2.5), timeout_s=3.0)
    async for _ in stream:
        pass

    assert left_s == pytest.approx([3.0, 0.5], abs=0.2)


async def test_a_member_that_is_abandoned_is_cancelled_and_the_others_go_on(server: Server, logs: CapturedLogs) -> None:
    server.scripted.answers["leaving"] = server.scripted.wait
    stream = await server.send(member("leaving"), member("wait"), closes=False)
    await eventually(lambda: len(server.scripted.begun) == 2)

    await stream.write(joint_pb2.JointRequest(abandoned=[0, 7]))
    await stream.done_writing()
    await eventually(lambda: logs.lines("rpc"))
    server.scripted.release.set()
    answers = [answer.place async for message in stream for answer in message.answers]

    assert server.scripted.cancelled == ["leaving"]
    assert logs.lines("rpc")[0]["code"] == "cancelled"
    assert answers == [1]


async def test_a_call_that_is_cancelled_ends_its_members(server: Server, logs: CapturedLogs) -> None:
    stream = await server.send(member("wait"), member("wait"))
    await eventually(lambda: len(server.scripted.begun) == 2)

    stream.cancel()

    await eventually(lambda: len(logs.lines("rpc")) == 2)
    assert [line["code"] for line in logs.lines("rpc")] == ["cancelled", "cancelled"]
    assert server.scripted.cancelled == ["wait", "wait"]


async def test_a_server_that_stops_finishes_the_members_in_progress(server: Server) -> None:
    stream = await server.send(member("wait"), member("wait"), member())
    await eventually(lambda: len(server.scripted.begun) == 3)

    stopping = asyncio.create_task(server.grpc_server.stop())
    await asyncio.sleep(0.05)
    server.scripted.release.set()
    codes = [answer.code async for message in stream for answer in message.answers]
    await stopping

    assert codes == [0, 0, 0]


async def test_a_caller_that_does_not_close_its_call_holds_it_for_no_longer_than_a_moment(server: Server) -> None:
    stream = await server.send(member(), closes=False)

    async with asyncio.timeout(5):
        answers = [answer async for message in stream for answer in message.answers]

    assert len(answers) == 1


async def test_a_joint_call_of_nobody_ends_at_once(server: Server) -> None:
    assert await server.answers() == []


async def test_a_joint_call_of_too_many_is_refused_before_any_of_them_begins(server: Server) -> None:
    stream = server.stub.EmbedMany(timeout=10)
    await stream.write(joint_pb2.JointRequest(members=[member()] * 1025))
    await stream.done_writing()
    assert await stream.code() is StatusCode.INVALID_ARGUMENT
    assert "at most 1024; send several" in await stream.details()
    assert not server.scripted.begun
