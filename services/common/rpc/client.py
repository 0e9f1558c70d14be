"""Calling a service: deadline, retry budget, breaker, pick, call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode, aio
from msgspec import Struct
from opentelemetry.trace import SpanKind

from services.common import caller, status
from services.common.deadline import ANSWER_S, Clock, Deadline, is_task_cancelled, time_left
from services.common.errors import (
    BackendFailed,
    DeadlineExceeded,
    DeadlineTooShort,
    Overloaded,
    RequestError,
    Unavailable,
)
from services.common.refusals import Asked, Refusals, Refused
from services.common.rpc.breaker import Outcome, Permit
from services.common.rpc.coalescing import Coalescer, Joint
from services.common.rpc.joint_call import JointCallFailed
from services.common.rpc.metadata import SentMetadata, outgoing
from services.common.rpc.pool import Pool
from services.common.rpc.retry import RetryBudget, backoff_s
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

_REFUSALS = (Overloaded, DeadlineTooShort)
"""Another instance may have room, or be faster."""

_calls = metrics.labelled(metrics.rpc_client_seconds)
_refused_early = metrics.labelled(metrics.rpc_client_refused_early)

_RETRY_AFTER_S = 1.0
"""How long an instance is avoided that does not say when to come back."""

log = get_logger()


class _Call(Struct, Generic[StubT, Request, Reply], frozen=True, kw_only=True):
    """What is called, the same in every attempt."""

    name: str
    method: Method[StubT, Request, Reply]
    request: Request
    deadline: Deadline
    queue: str
    joint: Joint[StubT, Reply] | None

    def asked(self) -> Asked:
        """What decides whether it is refused now."""
        return _asked(self.name, self.queue, self.request.ByteSize, self.deadline.remaining_s())


class RpcClient(Generic[StubT]):
    """Calls methods of one service on whichever instance is best.

    Args:
        pool: the service's instances.
        attempt_timeout_s: longest time for one attempt, so that a frozen instance is left in time; None: the whole
            deadline.
        fair_s: an attempt that had less time than this, and than `attempt_timeout_s`, is not held against its instance
            when it runs out.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        pool: Pool[StubT],
        *,
        attempt_timeout_s: float | None = None,
        fair_s: float = 1.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self.pool = pool
        self._clock = clock
        self._attempt_timeout_s = float("inf") if attempt_timeout_s is None else attempt_timeout_s
        self._fair_s = min(fair_s, self._attempt_timeout_s)
        self._budget = RetryBudget()
        self._refusal_budget = RetryBudget()
        """Of its own: the refusals of one client must not take the second attempt from another's failure."""
        self._refusals = Refusals()
        self._in_flight = metrics.rpc_client_in_flight().labels(pool.service)

    async def call(
        self,
        name: str,
        method: Method[StubT, Request, Reply],
        request: Request,
        *,
        deadline: Deadline,
        queue: str = "",
        joint: Joint[StubT, Reply] | None = None,
    ) -> Reply:
        """Call an idempotent method; a failure or a refusal that another instance may not have is retried there once.

        Args:
            name: the method's name, for metrics and spans.
            method: takes the method from the stub.
            request: the message.
            deadline: for all attempts together.
            queue: where the request waits at an instance that has several queues.
            joint: how it travels with others; None: always alone.

        Raises:
            RequestError: what the service answered, that no instance could answer, that every instance has just
                refused the like, or that the deadline is over.
        """
        deadline.check(f"{self.pool.service}: {name}")
        call = _Call(name=name, method=method, request=request, deadline=deadline, queue=queue, joint=joint)
        first, permit = self._pick(call)
        self._budget.record_call()
        self._refusal_budget.record_call()
        try:
            return await self._attempt(call, first, permit)
        except (Unavailable, DeadlineExceeded, *_REFUSALS) as exc:
            if deadline.is_over:
                raise
            second, permit = self._pick_another(call, first, exc)
            # An instance that works and has room needs no time to recover, and a refusal has to be fast.
            pause_s = 0.0 if isinstance(exc, _REFUSALS) else backoff_s(1)
        metrics.rpc_client_retries().labels(self.pool.service, name).inc()
        return await self._second_attempt(call, second, permit, pause_s)

    @property
    def is_refusing(self) -> bool:
        """Whether there may be calls that need not be made now."""
        return self._refusals.is_any_believed(self._clock())

    def refusal(self, name: str, *, queue: str, size: int, deadline: Deadline) -> Overloaded | None:
        """Why a call need not be made, as every instance has just refused the like; None when it has to be.

        Args:
            name: as of `call`.
            queue: as of `call`.
            size: of the message, roughly. Unit: bytes.
            deadline: as of `call`.
        """
        now_s, asked = self._clock(), _asked(name, queue, lambda: size, deadline.remaining_s())
        return self._refusal(name, asked, self._refusals.believed(asked, now_s=now_s), now_s)

    def _refusal(self, name: str, asked: Asked, believed: Mapping[str, Refused], now_s: float) -> Overloaded | None:
        if not believed or not self.pool.are_all(believed):
            return None
        _refused_early(self.pool.service, name).inc()
        return self._refusals.refuse(asked, believed, now_s=now_s)

    def _pick(self, call: _Call[StubT, Request, Reply]) -> tuple[Target[StubT], Permit]:
        """An instance that has not refused the like lately, else one that has; Overloaded when all just have."""
        now_s = self._clock()
        if not self._refusals.is_any_avoided(now_s):
            return self.pool.pick()
        asked = call.asked()
        believed = self._refusals.believed(asked, now_s=now_s)
        if (refusal := self._refusal(call.name, asked, believed, now_s)) is not None:
            raise refusal
        avoided = self._refusals.avoided(asked, now_s=now_s)
        return self.pool.pick(exclude=believed if self.pool.are_all(avoided) else avoided)

    def _pick_another(
        self, call: _Call[StubT, Request, Reply], first: Target[StubT], failure: RequestError
    ) -> tuple[Target[StubT], Permit]:
        """Another instance, or the first failure again when there is none that may be tried."""
        # Who may refuse it like the first is no better; where the first failed, he is.
        worse = self._refusals.avoided if isinstance(failure, _REFUSALS) else self._refusals.believed
        try:
            second, permit = self.pool.pick(exclude={first.address, *worse(call.asked(), now_s=self._clock())})
        except Unavailable:
            raise failure from failure.__cause__  # the answer's own cause, not the search for another instance
        if self._may_try(second, first, failure):
            return second, permit
        permit.settle(Outcome.IGNORED)
        raise failure

    def _may_try(self, second: Target[StubT], first: Target[StubT], failure: RequestError) -> bool:
        """Whether the budget has a second attempt, and whether that could end better."""
        if not isinstance(failure, _REFUSALS):
            cause = failure.__cause__
            together = cause.members if isinstance(cause, JointCallFailed) else 1
            return self._budget.try_spend(max(first.held + 1, together))
        # A proxy might pick the same instance again.
        return second is not first and self._refusal_budget.try_spend(0)

    async def _second_attempt(
        self, call: _Call[StubT, Request, Reply], target: Target[StubT], permit: Permit, pause_s: float
    ) -> Reply:
        """Wait a little, then attempt; the permit is settled whatever happens."""
        try:
            async with call.deadline.enforce(f"{self.pool.service}: {call.name}"):
                await asyncio.sleep(pause_s)
        except BaseException:
            permit.settle(Outcome.IGNORED)
            raise
        return await self._attempt(call, target, permit)

    async def _attempt(self, call: _Call[StubT, Request, Reply], target: Target[StubT], permit: Permit) -> Reply:
        """One call to one instance, as a span."""
        with tracing.span(f"{self.pool.service}/{call.name}", SpanKind.CLIENT):
            return await self._send(call, target, permit)

    async def _send(self, call: _Call[StubT, Request, Reply], target: Target[StubT], permit: Permit) -> Reply:
        """Call, and let the instance's breaker, the metrics and the log know how it went."""
        timeout_s = min(call.deadline.remaining_s(), self._attempt_timeout_s)
        given_s, listened_s = self._times(timeout_s)
        started_s = self._clock()
        outcome, code = Outcome.IGNORED, "CANCELLED"
        target.in_flight += 1
        self._in_flight.inc()
        try:
            reply = await self._exchange(call, target, given_s, listened_s)
            outcome, code = Outcome.SUCCESS, "OK"
            target.observe_latency(self._clock() - started_s)
            _observe_reply(target, reply)
            return reply
        except aio.AioRpcError as exc:
            error, is_ours = status.read(exc, self.pool.service)
            outcome, code = self._judge(exc, timeout_s, is_ours=is_ours), exc.code().name
            if outcome is Outcome.FAILURE:
                log.warning(
                    "attempt_failed",
                    address=target.address,
                    method=call.name,
                    code=code,
                    details=exc.details(),
                )
            _observe_load(target, exc.trailing_metadata())
            raise self._observe(error, call, target, self._clock() - started_s) from exc
        except (asyncio.CancelledError, aio.UsageError) as exc:
            if is_task_cancelled():
                raise
            # Its channel was closed under the call, which gRPC reports as a cancellation: the instance is gone.
            raise Unavailable(f"{self.pool.service}: the instance was removed; try again", retry_after_s=1.0) from exc
        finally:
            self._settle(target, permit, outcome)
            target.in_flight -= 1
            self._in_flight.dec()
            _calls(self.pool.service, call.name, code).observe(self._clock() - started_s)

    async def _exchange(
        self, call: _Call[StubT, Request, Reply], target: Target[StubT], given_s: float, listened_s: float
    ) -> Reply:
        """Request and reply, in company where that is possible."""
        pairs, method = outgoing(), call.method(target.stub)
        if call.joint is None:
            metadata = SentMetadata([*pairs, time_left(given_s)])
            return await method(call.request, timeout=listened_s, metadata=metadata)
        coalescer: Coalescer[Request, Reply] | None = target.coalescers.get(call.name)
        if coalescer is None:
            labels, many = (self.pool.service, call.name), call.joint.method(target.stub)
            coalescer = Coalescer(labels, method, many, call.joint.reply)
            target.coalescers[call.name] = coalescer
        return await coalescer.call(call.request, pairs, given_s=given_s, listened_s=listened_s)

    def _observe(
        self, error: RequestError, call: _Call[StubT, Request, Reply], target: Target[StubT], took_s: float
    ) -> RequestError:
        """Take note of what an error says of its instance's load; returns it, or one with a time of its own."""
        if isinstance(error, (Unavailable, BackendFailed)):
            target.stay_away(_RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s)
        if not isinstance(error, Overloaded):
            return error
        asked = _asked(call.name, call.queue, call.request.ByteSize, call.deadline.remaining_s() + took_s)
        who = target.who_refused(error)
        return self._refusals.observe(asked, error, who=who, took_s=took_s, now_s=self._clock())

    def _times(self, timeout_s: float) -> tuple[float, float]:
        """What the instance is told that it has, and how long it is listened to: a little longer, see `ANSWER_S`.

        An attempt that another may follow is given less, so that its listening does not take from that.
        """
        if timeout_s < self._attempt_timeout_s:
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
            metrics.breaker_opened().labels(self.pool.service).inc()
            log.warning("breaker_opened", upstream=self.pool.service, address=target.address)


def _asked(name: str, queue: str, size: Callable[[], int], time_s: float) -> Asked:
    return Asked(queue=f"{name} {queue}", caller=caller.current.get(), size=size, time_s=time_s)


def _observe_reply(target: Target[StubT], reply: Message) -> None:
    """Take note of the load in a reply that has one; trailers, in which a refusal has it, cost four times as much."""
    if (load := getattr(reply, "load", None)) is not None and reply.HasField("load"):
        target.observe_load(load.predicted_wait_us / 1e6)


def _observe_load(target: Target[StubT], trailers: status.Trailers | None) -> None:
    if (wait_s := status.decode_wait_s(trailers)) is not None:
        target.observe_load(wait_s)
