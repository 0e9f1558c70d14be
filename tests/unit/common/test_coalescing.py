"""Which calls travel together, when they are sent, and how each ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc import StatusCode, aio
from isolane.common.v1 import joint_pb2 as pb

from services.common.deadline import Clock
from services.common.rpc.coalescing import Coalescer, CoalescingPolicy
from services.common.rpc.joint_call import JointCallFailed
from services.common.testing.clock import FakeClock
from services.common.testing.logs import CapturedLogs, captured_logs
from services.common.testing.waiting import eventually

LONG_S = 10.0
"""A gap in which no test waits to its end."""


def error(code: StatusCode, details: str = "") -> aio.AioRpcError:
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(), details)


class Stream:
    """A joint call as the test lets it go."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.written: list[pb.JointRequest] = []
        self.is_closed = self.is_cancelled = False
        self.failure: aio.AioRpcError | None = None
        self._messages: asyncio.Queue[pb.JointResponse | None] = asyncio.Queue()
        self._answers = self._read()

    @property
    def requests(self) -> list[str]:
        return [StringValue.FromString(member.request).value for member in self.written[0].members]

    async def write(self, message: pb.JointRequest) -> None:
        await asyncio.sleep(0)
        self.written.append(message)

    async def done_writing(self) -> None:
        self.is_closed = True

    def cancel(self) -> None:
        self.is_cancelled = True
        self._messages.put_nowait(None)

    def answer(self, *places: int, **fields: Any) -> None:
        answers = [pb.MemberAnswer(place=place, **fields) for place in places]
        self._messages.put_nowait(pb.JointResponse(answers=answers))

    def answer_all(self) -> None:
        """Give every request back, and end."""
        for place, member in enumerate(self.written[0].members):
            self.answer(place, reply=member.request)
        self.end()

    def end(self, failure: aio.AioRpcError | None = None) -> None:
        self.failure = failure
        self._messages.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[pb.JointResponse]:
        return self._answers

    async def _read(self) -> AsyncIterator[pb.JointResponse]:
        while (message := await self._messages.get()) is not None:
            yield message
        if self.is_cancelled:
            raise asyncio.CancelledError
        if self.failure is not None:
            raise self.failure


class Target:
    """What calls go to: those alone are held until the test releases them."""

    def __init__(self) -> None:
        self.alone: list[str] = []
        self.timeouts_s: list[float] = []
        self.release = asyncio.Event()
        self.streams: list[Stream] = []
        self.is_closed = False

    async def one(self, request: StringValue, *, timeout: float, metadata: aio.Metadata) -> StringValue:  # noqa: ASYNC109
        self.alone.append(request.value)
        self.timeouts_s.append(timeout)
        await self.release.wait()
        return request

    def many(self, *, timeout: float) -> Stream:
        if self.is_closed:
            raise aio.UsageError("Channel is closed.")
        self.streams.append(Stream(timeout))
        return self.streams[-1]

    def close(self) -> None:
        self.is_closed = True

    async def joint(self) -> Stream:
        """The next joint call, once it is sent."""
        await eventually(lambda: self.streams and self.streams[-1].written)
        return self.streams[-1]


class Tryout:
    """A coalescer and its target."""

    def __init__(self, clock: Clock = time.monotonic, **policy: Any) -> None:
        self.target = Target()
        one: Any = self.target.one
        many: Any = self.target.many
        numbers = CoalescingPolicy(**{"company": 1, "gap_s": LONG_S, **policy})
        self.coalescer: Coalescer[StringValue, StringValue] = Coalescer(
            ("tryout", "Say"), one, many, StringValue.FromString, policy=numbers, clock=clock
        )

    def call(self, text: str, *, listened_s: float = 60.0, **pairs: str) -> asyncio.Task[str]:
        async def call() -> str:
            request = StringValue(value=text)
            reply = await self.coalescer.call(request, [*pairs.items()], given_s=listened_s / 2, listened_s=listened_s)
            return reply.value

        return asyncio.create_task(call())

    def calls(self, *texts: str) -> list[asyncio.Task[str]]:
        return [self.call(text) for text in texts]


@pytest.fixture
def logs() -> Iterator[CapturedLogs]:
    with captured_logs("caller") as captured:
        yield captured


async def settled(*calls: asyncio.Task[str]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)


async def a_moment() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_call_that_finds_none_in_flight_travels_alone_and_at_once() -> None:
    tryout = Tryout()
    call = tryout.call("a")
    await a_moment()

    assert tryout.target.alone == ["a"]

    tryout.target.release.set()
    assert await settled(call) == ["a"]
    assert await settled(tryout.call("b")) == ["b"]
    assert tryout.target.alone == ["a", "b"]
    assert tryout.target.timeouts_s == pytest.approx([60, 60], abs=1)


async def test_calls_made_while_one_is_in_flight_travel_together_when_it_has_landed() -> None:
    tryout = Tryout()
    calls = tryout.calls("a", "b", "c")
    await a_moment()
    assert not tryout.target.streams

    tryout.target.release.set()
    joint = await tryout.target.joint()
    joint.answer_all()

    assert joint.requests == ["b", "c"]
    assert await settled(*calls) == ["a", "b", "c"]
    await eventually(lambda: joint.is_closed)


async def test_calls_that_find_few_on_their_way_travel_alone_and_at_once() -> None:
    tryout = Tryout(company=3)
    calls = tryout.calls("a", "b", "c", "d", "e")
    await a_moment()

    assert tryout.target.alone == ["a", "b", "c"]
    assert not tryout.target.streams

    calls[1].cancel()
    joint = await tryout.target.joint()
    joint.answer_all()
    tryout.target.release.set()

    assert joint.requests == ["d", "e"]
    assert (await settled(*calls))[3:] == ["d", "e"]


async def test_a_call_that_comes_a_gap_after_the_last_travels_at_once_whatever_is_on_its_way() -> None:
    clock = FakeClock()
    tryout = Tryout(clock)
    calls = tryout.calls("a")
    await a_moment()
    clock.advance(LONG_S)
    calls += tryout.calls("b")
    await a_moment()

    assert tryout.target.alone == ["a", "b"]
    tryout.target.release.set()
    await settled(*calls)


async def test_a_call_does_not_overtake_those_that_wait() -> None:
    clock = FakeClock()
    tryout = Tryout(clock)
    calls = tryout.calls("a", "b")
    await a_moment()
    clock.advance(LONG_S)
    calls += tryout.calls("c")
    await a_moment()
    tryout.target.release.set()
    joint = await tryout.target.joint()
    joint.answer_all()

    assert joint.requests == ["b", "c"]
    assert await settled(*calls) == ["a", "b", "c"]


async def test_calls_wait_no_longer_than_the_gap_for_those_in_flight() -> None:
    tryout = Tryout(gap_s=0.01)
    calls = tryout.calls("a", "b", "c")

    joint = await tryout.target.joint()
    joint.answer_all()

    assert await settled(*calls[1:]) == ["b", "c"]
    assert not calls[0].done()
    tryout.target.release.set()
    await settled(*calls)


async def test_one_that_waited_in_vain_for_company_travels_alone() -> None:
    tryout = Tryout(gap_s=0.01)
    calls = tryout.calls("a", "b")
    await eventually(lambda: tryout.target.alone == ["a", "b"])
    tryout.target.release.set()

    assert await settled(*calls) == ["a", "b"]
    assert not tryout.target.streams


@pytest.mark.parametrize("bound", [{"most_members": 2}, {"most_bytes": 2 * StringValue(value="x").ByteSize()}], ids=str)
async def test_a_full_joint_call_is_sent_at_once(bound: dict[str, Any]) -> None:
    tryout = Tryout(**bound)
    calls = tryout.calls("a", "b", "c", "d", "e")
    await eventually(lambda: sum(bool(stream.written) for stream in tryout.target.streams) == 2)
    requests = [stream.requests for stream in tryout.target.streams]
    for stream in tryout.target.streams:
        stream.answer_all()
    tryout.target.release.set()

    assert requests == [["b", "c"], ["d", "e"]]
    assert await settled(*calls) == ["a", "b", "c", "d", "e"]


async def test_a_large_request_travels_alone_and_keeps_nobody_waiting() -> None:
    tryout = Tryout(largest_bytes=10)
    calls = tryout.calls("a", "b" * 10)
    await a_moment()

    assert tryout.target.alone == ["a", "b" * 10]
    tryout.target.release.set()
    await settled(*calls)


async def joined(tryout: Tryout, *texts: str) -> tuple[Stream, list[asyncio.Task[str]]]:
    """A joint call of these, beside a call alone that is in flight."""
    calls = tryout.calls("first", *texts)
    await a_moment()
    tryout.coalescer.send_unsent()
    return await tryout.target.joint(), calls[1:]


async def test_each_gets_its_own_answer_in_whatever_order_they_come() -> None:
    tryout = Tryout()
    joint, calls = await joined(tryout, "a", "b", "c")
    for place in (2, 0):
        joint.answer(place, reply=StringValue(value=str(place)).SerializeToString())
    await eventually(lambda: sum(call.done() for call in calls) == 2)
    joint.answer(1, code=StatusCode.ABORTED.value[0], message="no", trailers={"a-bin": b"\xff", "b": b"text"})
    joint.end()

    first, second, third = await settled(*calls)

    assert (first, third) == ("0", "2")
    assert (second.code(), second.details()) == (StatusCode.ABORTED, "no")
    assert dict(second.trailing_metadata()) == {"a-bin": b"\xff", "b": "text"}


async def test_a_member_takes_its_metadata_and_what_is_left_of_its_time() -> None:
    clock = FakeClock()
    tryout = Tryout(clock)
    calls = [tryout.call("first"), tryout.call("a", listened_s=4.0, who="a"), tryout.call("b", listened_s=6.0, who="b")]
    await a_moment()
    clock.advance(1.0)
    tryout.target.release.set()
    joint = await tryout.target.joint()
    joint.answer_all()
    await settled(*calls)

    assert [(dict(m.metadata), m.timeout_us) for m in joint.written[0].members] == [
        ({"who": "a", "x-isolane-time-left-us": "1000000"}, 3_000_000),
        ({"who": "b", "x-isolane-time-left-us": "2000000"}, 5_000_000),
    ]
    assert joint.timeout_s == 5.0


async def test_a_call_that_fails_is_a_failure_of_its_own_for_each_of_which_one_is_counted() -> None:
    tryout = Tryout()
    joint, calls = await joined(tryout, "a", "b", "c", "d")
    joint.answer(1, reply=StringValue(value="b").SerializeToString())
    joint.end(error(StatusCode.UNAVAILABLE, "gone"))

    answers = await settled(*calls)

    failures = [answer for answer in answers if isinstance(answer, JointCallFailed)]
    assert answers[1] == "b"
    assert len({id(failure) for failure in failures}) == 3
    assert [(f.code(), f.details(), f.members, f.is_counted) for f in failures] == [
        (StatusCode.UNAVAILABLE, "gone", 3, False),
        (StatusCode.UNAVAILABLE, "gone", 3, False),
        (StatusCode.UNAVAILABLE, "gone", 3, True),
    ]


async def test_a_call_that_fails_is_counted_also_where_the_newest_member_leaves_at_that_moment() -> None:
    tryout = Tryout()
    joint, calls = await joined(tryout, "a", "b", "c")
    joint.end(error(StatusCode.UNAVAILABLE, "gone"))
    calls[2].cancel()

    failures = await settled(*calls)

    assert [(f.members, f.is_counted) for f in failures[:2]] == [(2, False), (2, True)]
    assert isinstance(failures[2], asyncio.CancelledError)


async def test_members_that_the_instance_forgets_fail_clearly() -> None:
    tryout = Tryout()
    joint, calls = await joined(tryout, "a", "b")
    joint.answer(0, 9, reply=StringValue(value="a").SerializeToString())
    joint.end()

    answer, failure = await settled(*calls)

    assert answer == "a"
    assert (failure.code(), failure.details()) == (StatusCode.INTERNAL, "a joint call ended without answers")


@pytest.mark.parametrize("code", [StatusCode.UNIMPLEMENTED, StatusCode.PERMISSION_DENIED])
async def test_a_target_that_knows_no_joint_calls_gets_calls_alone_and_is_tried_again(
    code: StatusCode, logs: CapturedLogs
) -> None:
    clock = FakeClock()
    tryout = Tryout(clock, alone_s=60.0)
    joint, calls = await joined(tryout, "a", "b")
    joint.end(error(code))
    await eventually(lambda: tryout.target.alone == ["first", "a", "b"])
    calls += tryout.calls("c", "d")
    await a_moment()
    assert tryout.target.alone == ["first", "a", "b", "c", "d"]
    assert [(line["upstream"], line["code"]) for line in logs.lines("joint_call_unknown")] == [("tryout", code.name)]

    clock.advance(60.0)
    tryout.target.release.set()
    assert await settled(*calls) == ["a", "b", "c", "d"]

    tryout.target.release.clear()
    later = tryout.calls("e", "f", "g")
    await a_moment()
    tryout.target.release.set()
    await eventually(lambda: len(tryout.target.streams) == 2 and tryout.target.streams[1].written)
    tryout.target.streams[1].answer_all()
    assert await settled(*later) == ["e", "f", "g"]


async def test_one_that_leaves_before_it_is_sent_is_not_sent() -> None:
    tryout = Tryout()
    calls = tryout.calls("first", "a", "b", "c")
    await a_moment()
    calls[2].cancel()
    tryout.target.release.set()
    joint = await tryout.target.joint()
    joint.answer_all()
    await settled(*calls)

    assert joint.requests == ["a", "c"]


async def test_the_instance_is_told_who_leaves_and_with_the_last_the_call_ends() -> None:
    tryout = Tryout()
    joint, calls = await joined(tryout, "a", "b", "c")
    for call in calls[:2]:
        call.cancel()
    await eventually(lambda: sum(len(message.abandoned) for message in joint.written) == 2)
    calls[2].cancel()
    answers = await settled(*calls)

    assert [list(message.abandoned) for message in joint.written[1:]] == [[0, 1]]
    assert joint.is_cancelled
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)


async def test_one_that_leaves_while_the_call_is_being_sent_is_told_after_it() -> None:
    tryout = Tryout()
    calls = tryout.calls("first", "a", "b")
    await a_moment()
    tryout.coalescer.send_unsent()
    calls[1].cancel()
    joint = await tryout.target.joint()
    await eventually(lambda: len(joint.written) == 2)
    joint.answer(1, reply=StringValue(value="b").SerializeToString())
    joint.end()

    assert joint.requests == ["a", "b"]
    assert list(joint.written[1].abandoned) == [0]
    assert (await settled(*calls[1:]))[1] == "b"


async def test_a_bug_ends_the_members_clearly(logs: CapturedLogs) -> None:
    tryout = Tryout()
    joint, calls = await joined(tryout, "a", "b")
    joint.answer(0, reply=StringValue(value="a").SerializeToString())
    joint._messages.put_nowait("no message")  # type: ignore[arg-type]

    answer, failure = await settled(*calls)

    assert answer == "a"
    assert failure.code() is StatusCode.INTERNAL
    assert logs.lines("joint_call_crashed")


async def test_one_whose_time_is_over_ends_by_itself_and_has_left() -> None:
    tryout = Tryout()
    calls = [tryout.call("first"), tryout.call("a", listened_s=0.03), tryout.call("b")]
    await a_moment()
    tryout.coalescer.send_unsent()
    joint = await tryout.target.joint()

    [failure] = await settled(calls[1])
    await eventually(lambda: len(joint.written) == 2)

    assert failure.code() is StatusCode.DEADLINE_EXCEEDED
    assert list(joint.written[1].abandoned) == [0]
    assert not calls[2].done()
    joint.answer_all()
    tryout.target.release.set()
    await settled(*calls)


@pytest.mark.parametrize("when", ["before it is sent", "afterwards"])
async def test_members_of_a_channel_that_is_closed_end_as_calls_do_whose_channel_is_closed(when: str) -> None:
    tryout = Tryout()
    calls = tryout.calls("first", "a", "b")
    await a_moment()
    tryout.target.is_closed = when == "before it is sent"
    tryout.coalescer.send_unsent()
    if when == "afterwards":
        (await tryout.target.joint()).cancel()

    answers = await settled(*calls[1:])

    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
    tryout.target.release.set()
    assert await settled(calls[0]) == ["first"]
