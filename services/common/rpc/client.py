"""Calling a service: deadline, retry budget, pick with its breaker, attempt, perhaps another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Generic

from services.common.deadline import Clock, Deadline
from services.common.errors import DeadlineExceeded, DeadlineTooShort, Overloaded, RequestError, Unavailable
from services.common.refusals import Asked, Refusal, Refusals
from services.common.rpc.attempt import Attempts, Call, Method, Reply, Request, StubT, asking
from services.common.rpc.breaker import Outcome, Permit
from services.common.rpc.coalescing import Joint
from services.common.rpc.joint_call import JointCallFailed
from services.common.rpc.pool import Pool
from services.common.rpc.retry import RetryBudget, backoff_s
from services.common.rpc.target import Target
from services.common.telemetry import metrics

_REFUSALS = (Overloaded, DeadlineTooShort)
"""Another instance may have room, or be faster."""

_refused_early = metrics.labelled(metrics.rpc_client_refused_early)


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
        self._budget = RetryBudget()
        self._refusal_budget = RetryBudget()
        """Of its own: the refusals of one client must not take the second attempt from another's failure."""
        self._refusals = Refusals()
        timeout_s = float("inf") if attempt_timeout_s is None else attempt_timeout_s
        self._attempts: Attempts[StubT] = Attempts(
            pool.service, self._refusals, timeout_s=timeout_s, fair_s=fair_s, clock=clock
        )

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
        call = Call(name=name, method=method, request=request, deadline=deadline, queue=queue, joint=joint)
        first, permit = self._pick(call)
        self._budget.record_call()
        self._refusal_budget.record_call()
        try:
            return await self._attempts.make(call, first, permit)
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
        now_s, asked = self._clock(), asking(name, queue, lambda: size, deadline.remaining_s())
        return self._refusal(name, asked, self._refusals.believed(asked, now_s=now_s), now_s)

    def _refusal(self, name: str, asked: Asked, believed: Mapping[str, Refusal], now_s: float) -> Overloaded | None:
        if not believed or not self.pool.are_all(believed):
            return None
        _refused_early(self.pool.service, name).inc()
        return self._refusals.refuse(asked, believed, now_s=now_s)

    def _pick(self, call: Call[StubT, Request, Reply]) -> tuple[Target[StubT], Permit]:
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
        self, call: Call[StubT, Request, Reply], first: Target[StubT], failure: RequestError
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
        self, call: Call[StubT, Request, Reply], target: Target[StubT], permit: Permit, pause_s: float
    ) -> Reply:
        """Wait a little, then attempt; the permit is settled whatever happens."""
        try:
            async with call.deadline.enforce(f"{self.pool.service}: {call.name}"):
                await asyncio.sleep(pause_s)
        except BaseException:
            permit.settle(Outcome.IGNORED)
            raise
        return await self._attempts.make(call, target, permit)
