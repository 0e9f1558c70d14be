"""A joint call as its callers see it: several calls that travel in one, each with an end of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from google.protobuf.message import Message
from grpc import StatusCode, aio
from isolane.common.v1 import joint_pb2 as pb

from services.common.deadline import Clock, time_left
from services.common.rpc.metadata import Pairs

JointStream: TypeAlias = "aio.StreamStreamCall[pb.JointRequest, pb.JointResponse]"
JointMethod: TypeAlias = "aio.StreamStreamMultiCallable[pb.JointRequest, pb.JointResponse]"

_CODES = {code.value[0]: code for code in StatusCode}


class JointCallFailed(aio.AioRpcError):
    """A joint call ended before the answer of a member; each member gets an error of its own.

    Args:
        failure: how it ended.
        members: how many were without an answer.
        is_counted: True for one of them, as together they say no more of the instance than one call.
    """

    def __init__(self, failure: aio.AioRpcError, *, members: int, is_counted: bool) -> None:
        super().__init__(failure.code(), failure.initial_metadata(), failure.trailing_metadata(), failure.details())
        self.members = members
        self.is_counted = is_counted


Ending: TypeAlias = pb.MemberAnswer | aio.AioRpcError | None
"""What becomes of a member: its answer, a failure that nobody else gets, or None when it has to travel alone."""


class Member:
    """A call that waits to travel, or for its answer.

    Args:
        request: the message.
        pairs: its metadata, in which the time left is told anew when it travels.
        given_s: the time that the instance is told that it has.
        listened_s: the time after which nobody waits.
        clock: monotonic seconds.
    """

    __slots__ = ("_clock", "_given_until_s", "_listened_until_s", "_pairs", "abandon", "ending", "request")

    def __init__(self, request: Message, pairs: Pairs, *, given_s: float, listened_s: float, clock: Clock) -> None:
        self.request = request
        self.ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.abandon: Callable[[], None] = _not_sent_yet
        """Lets the instance know that nobody waits for it, unless it has its answer."""
        self._pairs = pairs
        self._clock = clock
        self._given_until_s = clock() + given_s
        self._listened_until_s = clock() + listened_s

    @property
    def listened_s(self) -> float:
        """Seconds for which somebody waits."""
        return max(0.0, self._listened_until_s - self._clock())

    def metadata(self) -> Pairs:
        """Its metadata when it travels now."""
        return [*self._pairs, time_left(self._given_until_s - self._clock())]

    def message(self) -> pb.Member:
        """What it is in a joint call that is sent now."""
        return pb.Member(
            request=self.request.SerializeToString(),
            metadata=dict(self.metadata()),
            timeout_us=round(self.listened_s * 1e6),
        )

    def end(self, ending: Ending) -> None:
        """Let it end so, unless it has ended."""
        if not self.ending.done():
            self.ending.set_result(ending)

    def expire(self) -> None:
        """Let it end as a call whose time is over."""
        self.end(aio.AioRpcError(StatusCode.DEADLINE_EXCEEDED, aio.Metadata(), aio.Metadata(), "Deadline Exceeded"))


def _not_sent_yet() -> None:
    """It does not travel yet: who sends what waits sees that nobody waits for it."""


class JointCall:
    """Members that travel in one call.

    Args:
        members: at least one.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._unanswered = dict(enumerate(members))
        for place, member in self._unanswered.items():
            member.abandon = partial(self._abandon, place)
        self._stream: JointStream | None = None
        self._abandoned: list[int] = []
        self._telling: asyncio.Task[None] | None = None

    @property
    def unanswered(self) -> list[Member]:
        """Those without an answer."""
        return list(self._unanswered.values())

    async def travel(self, method: JointMethod) -> None:
        """Send the members and give each its answer when it comes; returns when all have theirs, or the call is over.

        Raises:
            AioRpcError: it failed; members may be without an answer.
            CancelledError: its channel was closed, or all members are abandoned.
            UsageError: its channel was closed before.
        """
        stream = method(timeout=max(member.listened_s for member in self._members))
        first = pb.JointRequest(members=[member.message() for member in self._members])
        with contextlib.suppress(asyncio.InvalidStateError):  # it has ended already: reading says why
            await stream.write(first)
        self._stream = stream
        self._report_abandoned()
        async for message in stream:
            for answer in message.answers:
                if (member := self._unanswered.pop(answer.place, None)) is not None:
                    member.end(answer)
            if not self._unanswered:
                return

    async def close(self) -> None:
        """Say that nothing more comes: a proxy takes a call that ends before for one that was broken off."""
        if self._telling is not None:
            await self._telling
        if self._stream is None:
            return
        with contextlib.suppress(aio.AioRpcError, asyncio.CancelledError):  # it has ended otherwise
            await self._stream.done_writing()
            async for _ in self._stream:
                pass

    def _abandon(self, place: int) -> None:
        if self._unanswered.pop(place, None) is not None:
            self._abandoned.append(place)
            self._report_abandoned()

    def _report_abandoned(self) -> None:
        """Tell the instance, once it knows the members, one message after the other; end the call with the last."""
        if self._stream is None or not self._abandoned:
            return
        if not self._unanswered:
            self._stream.cancel()
        elif self._telling is None:
            self._telling = asyncio.create_task(self._write_abandoned(self._stream))

    async def _write_abandoned(self, stream: JointStream) -> None:
        try:
            while self._abandoned:
                places, self._abandoned = self._abandoned, []
                # When the call has ended meanwhile nobody needs to know.
                with contextlib.suppress(aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError):
                    await stream.write(pb.JointRequest(abandoned=places))
        finally:
            self._telling = None


def failure_of(answer: pb.MemberAnswer) -> aio.AioRpcError:
    """The failure that a member's call alone would have ended with."""
    trailers = ((key, raw if key.endswith("-bin") else raw.decode()) for key, raw in answer.trailers.items())
    code = _CODES.get(answer.code, StatusCode.UNKNOWN)
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(*trailers), answer.message)
