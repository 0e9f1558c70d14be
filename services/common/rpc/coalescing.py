"""Coalescing: calls of one method that are made at about the same time travel to their target in one joint call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode, aio

from services.common.deadline import Clock
from services.common.rpc.joint_call import Ending, JointCall, JointCallFailed, JointMethod, Member, failure_of
from services.common.rpc.metadata import Pairs, SentMetadata
from services.common.telemetry import metrics
from services.common.telemetry.logs import get_logger

StubT = TypeVar("StubT")
Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)

_UNKNOWN = frozenset({StatusCode.UNIMPLEMENTED, StatusCode.PERMISSION_DENIED})
"""How a joint call ends whose method an older instance does not know, or an older intention does not name."""

_LOST = aio.AioRpcError(StatusCode.INTERNAL, aio.Metadata(), aio.Metadata(), "a joint call ended without answers")
"""How members end whom the instance forgot, or a bug of ours."""

_members = metrics.labelled(metrics.rpc_client_members)

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class CoalescingPolicy:
    """When calls travel together, and how many."""

    company: int = 4
    """Where fewer are on their way to the target, a call goes alone and at once: it would wait in vain. A
    smaller number lets few callers travel together too, a larger one keeps more of them fast: with 2, four callers had
    0.7 of the answers a second."""
    gap_s: float = 0.002
    """While more are on their way a call is sent every so often; who comes meanwhile travels in it. More spares calls,
    less spares waiting: 32 callers waited a tenth longer with 4 ms, 6 took a tenth more time with 1. Unit: seconds."""
    most_members: int = 64
    """A joint call is sent at once when it has so many. More would spare little: each bears a 64th of the call."""
    most_bytes: int = 256 * 1024
    """The same for its requests, which are copied in one turn of the event loop, 0.3 ms: 16 of the largest, or 64 of
    4 KiB. Unit: bytes."""
    largest_bytes: int = 16 * 1024
    """A larger request travels alone: computing it takes a hundred times as long as a call. Unit: bytes."""
    alone_s: float = 60.0
    """For so long calls travel alone after a target did not know the joint method. Less finds an update sooner, more
    spares calls that come to nothing. Unit: seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint(Generic[StubT, Reply]):
    """How calls of a method travel together."""

    method: Callable[[StubT], JointMethod]
    """Takes the joint method from the stub."""
    reply: Callable[[bytes], Reply]
    """Parses a reply of the method."""


class Coalescer(Generic[Request, Reply]):
    """The calls of one method to one target.

    One that finds few on their way travels alone and at once; another when the last was sent a gap ago, with whom else
    there is then.

    Args:
        labels: names of the service and of the method, for metrics and logs.
        one: the method.
        many: its joint method.
        reply: parses a reply of the method.
        policy: the numbers.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        labels: tuple[str, str],
        one: aio.UnaryUnaryMultiCallable[Request, Reply],
        many: JointMethod,
        reply: Callable[[bytes], Reply],
        *,
        policy: CoalescingPolicy | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._labels = labels
        self._one = one
        self._many = many
        self._reply = reply
        self._policy = policy or CoalescingPolicy()
        self._clock = clock
        self._outstanding = 0
        self._sent_s = self._alone_until_s = float("-inf")
        self._unsent: list[Member] = []
        self._unsent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, request: Request, pairs: Pairs, *, given_s: float, listened_s: float) -> Reply:
        """Call, alone or in company.

        Args:
            request: the message.
            pairs: metadata, without the time left.
            given_s: the time that the instance is told that it has.
            listened_s: the time after which nobody waits.

        Raises:
            AioRpcError: as of a call; JointCallFailed where others failed with it.
        """
        member = Member(request, pairs, given_s=given_s, listened_s=listened_s, clock=self._clock)
        goes_alone = self._goes_alone(size := request.ByteSize())
        self._outstanding += 1
        try:
            return await (
                self._call_alone(request, member) if goes_alone else self._call_in_company(request, member, size)
            )
        finally:
            self._outstanding -= 1
            if self._unsent and self._on_their_way < self._policy.company:
                self.send_unsent()

    def send_unsent(self) -> None:
        """Let those who wait travel; one alone has no need of a joint call."""
        if self._timer is not None:
            self._timer.cancel()
        members = [member for member in self._unsent if not member.ending.done()]
        self._unsent, self._unsent_bytes = [], 0
        if len(members) == 1:
            members[0].end(None)
        elif members:
            _members(*self._labels).observe(len(members))
            self._sent_s = self._clock()
            # The timer carries the context of the first who waited, under whose request the rest is not to be logged.
            task = asyncio.create_task(self._run(members), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def _on_their_way(self) -> int:
        """Calls that are sent and not answered."""
        return self._outstanding - len(self._unsent)

    async def _call_in_company(self, request: Request, member: Member, size: int) -> Reply:
        ending = await self._await_ending(member, size)
        if ending is None:
            return await self._call_alone(request, member)
        if isinstance(ending, aio.AioRpcError):
            raise ending
        if ending.code:
            raise failure_of(ending)
        return self._reply(ending.reply)

    def _goes_alone(self, size: int) -> bool:
        if size > self._policy.largest_bytes or self._clock() < self._alone_until_s:
            return True
        return not self._unsent and self._on_their_way < self._policy.company

    async def _call_alone(self, request: Request, member: Member) -> Reply:
        self._sent_s = self._clock()
        return await self._one(request, timeout=member.listened_s, metadata=SentMetadata(member.metadata()))

    async def _await_ending(self, member: Member, size: int) -> Ending:
        """Wait for company, then for what becomes of it."""
        expiry = asyncio.get_running_loop().call_later(member.listened_s, member.expire)
        self._join(member, size)
        try:
            return await member.ending
        finally:
            expiry.cancel()
            member.abandon()

    def _join(self, member: Member, size: int) -> None:
        if not self._unsent:
            left_s = self._policy.gap_s - (self._clock() - self._sent_s)
            self._timer = asyncio.get_running_loop().call_later(left_s, self.send_unsent)
        self._unsent.append(member)
        self._unsent_bytes += size
        if len(self._unsent) >= self._policy.most_members or self._unsent_bytes >= self._policy.most_bytes:
            self.send_unsent()

    async def _run(self, members: list[Member]) -> None:
        """See the members through to their ends, which all have when this returns."""
        joint = JointCall(members)
        try:
            await joint.travel(self._many)
            self._end(joint.unanswered, _LOST)
        except aio.AioRpcError as exc:
            self._end(joint.unanswered, exc)
        except (asyncio.CancelledError, aio.UsageError):
            for member in joint.unanswered:
                member.ending.cancel()  # as gRPC ends a call whose channel is closed
        except Exception:
            log.exception("joint_call_crashed")
            self._end(joint.unanswered, _LOST)
        await joint.close()

    def _end(self, members: list[Member], failure: aio.AioRpcError) -> None:
        """Let those without an answer go alone where they never arrived, else fail."""
        is_unknown = failure.code() in _UNKNOWN
        if is_unknown and members:
            service, method = self._labels
            log.info("joint_call_unknown", upstream=service, method=method, code=failure.code().name)
            self._alone_until_s = self._clock() + self._policy.alone_s
        members = [member for member in members if not member.ending.done()]
        for member in members:
            # A breaker that has changed its state since the others began listens to the newest alone.
            is_counted = member is members[-1]
            own = None if is_unknown else JointCallFailed(failure, members=len(members), is_counted=is_counted)
            member.end(own)
