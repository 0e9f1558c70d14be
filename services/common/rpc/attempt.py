"""One attempt of a call: to one instance, and what its breaker, the metrics, the log and the next calls learn of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode, aio
from msgspec import Struct
from opentelemetry.trace import SpanKind

from services.common import caller, status
from services.common.deadline import ANSWER_S, Clock, Deadline, is_task_cancelled, time_left
from services.common.errors import BackendFailed, Overloaded, RequestError, Unavailable
from services.common.refusals import Asked, Refusals
from services.common.rpc.breaker import Outcome, Permit
from services.common.rpc.coalescing import Coalescer, Joint
from services.common.rpc.joint_call import JointCallFailed
from services.common.rpc.metadata import SentMetadata, outgoing
from services.common.rpc.target import Target
from services.common.telemetry import metrics, tracing
from services.common.telemetry.logs import get_logger

StubT = TypeVar("StubT")
Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)
Method = Callable[[StubT], aio.UnaryUnaryMultiCallable[Request, Reply]]

_COUNTED = frozenset({StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.DATA_LOSS})
"""Bare statuses that speak against the instance itself; DEADLINE_EXCEEDED does when the attempt had a fair time. What
an instance says in its own words shows that it lives, whatever a client brought about: else five requests of one client
could take it from all others."""

_RETRY_AFTER_S = 1.0
"""How long an instance is avoided that does not say when to come back."""

_calls = metrics.labelled(metrics.rpc_client_seconds)

log = get_logger()


class Call(Struct, Generic[StubT, Request, Reply], frozen=True, kw_only=True):
    """What is called, the same in every attempt."""

    name: str
    method: Method[StubT, Request, Reply]
    request: Request
    deadline: Deadline
    queue: str
    joint: Joint[StubT, Reply] | None

    def asked(self, *, ago_s: float = 0.0) -> Asked:
        """What decides whether it is refused now, or was so many seconds ago."""
        return asking(self.name, self.queue, self.request.ByteSize, self.deadline.remaining_s() + ago_s)


def asking(name: str, queue: str, size: Callable[[], int], time_s: float) -> Asked:
    """What decides whether a call of this task is refused; see `Asked`."""
    return Asked(queue=f"{name} {queue}", caller=caller.current.get(), size=size, time_s=time_s)


class Attempts(Generic[StubT]):
    """Makes the attempts of calls to one service.

    Args:
        service: its name.
        refusals: told of those that the instances give.
        timeout_s: longest time for one attempt.
        fair_s: an attempt that had less time than this is not held against its instance when it runs out.
        clock: monotonic seconds.
    """

    def __init__(self, service: str, refusals: Refusals, *, timeout_s: float, fair_s: float, clock: Clock) -> None:
        self._service = service
        self._refusals = refusals
        self._timeout_s = timeout_s
        self._fair_s = min(fair_s, timeout_s)
        self._clock = clock
        self._in_flight = metrics.rpc_client_in_flight().labels(service)

    async def make(self, call: Call[StubT, Request, Reply], target: Target[StubT], permit: Permit) -> Reply:
        """One call to one instance, as a span; the permit is settled whatever happens.

        Raises:
            RequestError: what the instance answered, or what its silence means.
        """
        with tracing.span(f"{self._service}/{call.name}", SpanKind.CLIENT):
            return await self._send(call, target, permit)

    async def _send(self, call: Call[StubT, Request, Reply], target: Target[StubT], permit: Permit) -> Reply:
        """Call, and let the instance's breaker, the metrics and the log know how it went."""
        timeout_s = min(call.deadline.remaining_s(), self._timeout_s)
        given_s, listened_s = self._times(timeout_s)
        started_s = self._clock()
        outcome, code = Outcome.IGNORED, "CANCELLED"
        target.in_flight += 1
        self._in_flight.inc()
        try:
            reply = await self._exchange(call, target, given_s, listened_s)
            outcome, code = Outcome.SUCCESS, "OK"
            target.observe_latency(self._clock() - started_s)
            _observe_load(target, status.read_wait_s(reply))
            return reply
        except aio.AioRpcError as exc:
            error, is_ours = status.read(exc, self._service)
            outcome, code = self._judge(exc, timeout_s, is_ours=is_ours), exc.code().name
            if outcome is Outcome.FAILURE:
                log.warning(
                    "attempt_failed",
                    address=target.address,
                    method=call.name,
                    code=code,
                    details=exc.details(),
                )
            _observe_load(target, status.decode_wait_s(exc.trailing_metadata()))
            raise self._observe(error, call, target, self._clock() - started_s) from exc
        except (asyncio.CancelledError, aio.UsageError) as exc:
            if is_task_cancelled():
                raise
            # Its channel was closed under the call, which gRPC reports as a cancellation: the instance is gone.
            raise Unavailable(f"{self._service}: the instance was removed; try again", retry_after_s=1.0) from exc
        finally:
            self._settle(target, permit, outcome)
            target.in_flight -= 1
            self._in_flight.dec()
            _calls(self._service, call.name, code).observe(self._clock() - started_s)

    async def _exchange(
        self, call: Call[StubT, Request, Reply], target: Target[StubT], given_s: float, listened_s: float
    ) -> Reply:
        """Request and reply, in company where that is possible."""
        pairs, method = outgoing(), call.method(target.stub)
        if call.joint is None:
            metadata = SentMetadata([*pairs, time_left(given_s)])
            return await method(call.request, timeout=listened_s, metadata=metadata)
        coalescer: Coalescer[Request, Reply] | None = target.coalescers.get(call.name)
        if coalescer is None:
            labels, many = (self._service, call.name), call.joint.method(target.stub)
            coalescer = Coalescer(labels, method, many, call.joint.reply)
            target.coalescers[call.name] = coalescer
        return await coalescer.call(call.request, pairs, given_s=given_s, listened_s=listened_s)

    def _observe(
        self, error: RequestError, call: Call[StubT, Request, Reply], target: Target[StubT], took_s: float
    ) -> RequestError:
        """Take note of what an error says of its instance's load; returns it, or one with a time of its own."""
        if isinstance(error, (Unavailable, BackendFailed)):
            target.stay_away(_RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s)
        if not isinstance(error, Overloaded):
            return error
        who = target.who_refused(error)
        return self._refusals.observe(call.asked(ago_s=took_s), error, who=who, took_s=took_s, now_s=self._clock())

    def _times(self, timeout_s: float) -> tuple[float, float]:
        """What the instance is told that it has, and how long it is listened to: a little longer, see `ANSWER_S`.

        An attempt that another may follow is given less, so that its listening does not take from that.
        """
        if timeout_s < self._timeout_s:
            return timeout_s, timeout_s + ANSWER_S
        return max(timeout_s / 2, timeout_s - ANSWER_S), timeout_s

    def _judge(self, failure: aio.AioRpcError, timeout_s: float, *, is_ours: bool) -> Outcome:
        """What a failed attempt says of its instance."""
        if isinstance(failure, JointCallFailed) and not failure.is_counted:
            return Outcome.IGNORED
        code = failure.code()
        if is_ours:
            # It lives. Were this not counted, one client's refused calls could hold an open breaker's probe for ever.
            return Outcome.IGNORED if code is StatusCode.UNAVAILABLE else Outcome.SUCCESS
        is_slow = code is StatusCode.DEADLINE_EXCEEDED and timeout_s >= self._fair_s
        return Outcome.FAILURE if code in _COUNTED or is_slow else Outcome.IGNORED

    def _settle(self, target: Target[StubT], permit: Permit, outcome: Outcome) -> None:
        was_open = target.breaker.is_open
        permit.settle(outcome)
        if target.breaker.is_open and not was_open:
            metrics.breaker_opened().labels(self._service).inc()
            log.warning("breaker_opened", upstream=self._service, address=target.address)


def _observe_load(target: Target[StubT], wait_s: float | None) -> None:
    if wait_s is not None:
        target.observe_load(wait_s)
