"""Whether a request is taken, and if not, when it may come back."""

from __future__ import annotations

from collections.abc import Callable

from services.common.caller import Caller, Priority
from services.common.errors import DeadlineTooShort, Overloaded, TooLarge
from services.common.refusals import Refusals
from services.models.scheduler.lines import Lines
from services.models.scheduler.policy import Policy
from services.models.scheduler.work import Refusal


class Admission:
    """Decides from what waits and how fast it goes. Not thread-safe.

    Args:
        policy: the tuned numbers.
        lines: what waits.
        most: tokens that may wait.
        seconds: how long so many tokens take.
    """

    def __init__(self, policy: Policy, lines: Lines, *, most: int, seconds: Callable[[float], float]) -> None:
        self._policy = policy
        self._lines = lines
        self._most = most
        self._seconds = seconds
        self._refusals = Refusals()

    def refusal(
        self, cost: int, caller: Caller, *, left_s: float, now_s: float, running: int, doubt: float
    ) -> Refusal | None:
        """Why `cost` more tokens of a caller are not taken; None when they are.

        Args:
            cost: unit: tokens.
            caller: whose.
            left_s: what the deadline leaves. Unit: seconds.
            now_s: on the clock.
            running: tokens that are computed now.
            doubt: by how much a prediction for an idle model may be too long; 1 for nothing.
        """
        if (refusal := self._too_large(cost, caller) or self._full(cost, caller, now_s)) is not None:
            return refusal
        is_idle = not (self._lines.cost or running)
        alone_s = self._seconds(cost)
        if alone_s > left_s * (doubt if is_idle else 1.0):
            return Refusal(
                reason="too_long",
                error=DeadlineTooShort(
                    f"{cost} tokens need about {alone_s:.1f} s and the deadline leaves {left_s:.1f} s; "
                    "allow more time or send less at once"
                ),
            )
        # Whatever the order, no more is before it than all that waits; who is, is asked only where that matters.
        spare_s, margin = left_s - alone_s, self._policy.margin
        if is_idle or margin * self._seconds(self._lines.cost + running) <= spare_s:
            return None
        ahead_s = self._seconds(self._lines.before(caller, cost) + running) - alone_s
        if (late_s := margin * ahead_s - spare_s) <= 0:
            return None
        why = f"{self._lines.cost} tokens are waiting, and the answer could come in {margin * ahead_s + alone_s:.1f} s"
        return self._overloaded("late", f"{why}, after the deadline", caller, cost, late_s, now_s, "allow more time")

    def largest(self, caller: Caller) -> int:
        """Tokens of the largest request of a caller that is ever taken: what its bounds leave of an empty queue.

        Of 1,000 tokens one client may have 1,000 x 4 / (4 + 1) = 800, as bulk work 1,000 x 0.5 = 500.
        """
        factor = self._policy.client_factor
        own = int(self._most * factor / (factor + 1))
        return min(own, self._bulk_most) if caller.priority is Priority.BULK else own

    @property
    def _bulk_most(self) -> int:
        return round(self._policy.bulk_room * self._most)

    def _too_large(self, cost: int, caller: Caller) -> Refusal | None:
        """A refusal when `cost` tokens of a caller would find no room in an empty queue."""
        if cost <= (largest := self.largest(caller)):
            return None
        return Refusal(
            reason="too_large",
            error=TooLarge(
                f"the request has {cost} tokens, and at most {largest} of {caller.priority.value} work are taken at "
                "once; send it in parts"
            ),
        )

    def _full(self, cost: int, caller: Caller, now_s: float) -> Refusal | None:
        """A refusal when there is no room for `cost` more tokens of a caller at the moment."""
        policy, lines, most = self._policy, self._lines, self._most
        own, of_origin = lines.cost_of_client(caller), lines.cost_of_origin(caller)
        free, of_bulk = most - lines.cost, lines.cost_of_class(Priority.BULK)
        # What has to go before there is room, by whose bound it is. A client's is own + cost <= 4 * (free - cost), and
        # each token that goes is room for four of its: with 700 of 1,000 waiting, none of them its, a request of 300 is
        # taken when (5 * 300 - 4 * 300) / 4 = 75 are gone.
        client, origin = policy.client_factor, policy.origin_factor
        excess = {
            f"{lines.cost} tokens are waiting, of {most} at most, {own} of them this client's, which may have "
            f"{max(0, int((client * free - own) / (client + 1)))} more": (own + cost) / client - (free - cost),
            f"{lines.cost} tokens are waiting, of {most} at most, {of_origin} of them from where this client calls": (
                (of_origin + cost) / origin - (free - cost)
            ),
        }
        if caller.priority is Priority.BULK:
            bound = f"{of_bulk} tokens of bulk work are waiting, of {self._bulk_most} at most"
            excess[bound] = of_bulk + cost - self._bulk_most
        bound = max(excess, key=excess.__getitem__)
        if excess[bound] <= 0:
            return None
        gone_s = self._seconds(excess[bound])
        return self._overloaded("full", f"{bound}: {cost} more do not fit", caller, cost, gone_s, now_s)

    def _overloaded(
        self, reason: str, why: str, caller: Caller, cost: int, earliest_s: float, now_s: float, or_else: str = ""
    ) -> Refusal:
        # By how much the queue grows with it: beside others it needs no batches of its own.
        work_s = self._seconds(self._lines.cost + cost) - self._seconds(self._lines.cost)
        delay_s = self._refusals.retry_after_s(caller.client, earliest_s=earliest_s, work_s=work_s, now_s=now_s)
        advice = f"try again in {delay_s:.1f} s or {or_else or 'send less at once'}"
        return Refusal(reason=reason, error=Overloaded(f"{why}; {advice}", retry_after_s=delay_s, work_s=work_s))
