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
        self, cost: int, caller: Caller, *, left_s: float, now_s: float, running: int, idle_doubt: float
    ) -> Refusal | None:
        """Why `cost` more tokens of a caller are not taken; None when they are.

        Args:
            cost: unit: tokens.
            caller: whose.
            left_s: what the deadline leaves. Unit: seconds.
            now_s: on the clock.
            running: tokens that are computed now.
            idle_doubt: by how much a prediction for an idle model may be too long; 1 for nothing.
        """
        if (refusal := self._too_large(cost, caller) or self._full(cost, caller, now_s)) is not None:
            return refusal
        is_idle = not (self._lines.cost or running)
        alone_s = self._seconds(cost)
        if alone_s > left_s * (idle_doubt if is_idle else 1.0):
            return Refusal(
                reason="too_long",
                error=DeadlineTooShort(
                    f"{cost} tokens need about {alone_s:.1f} s and the deadline leaves {left_s:.1f} s; "
                    "allow more time or send less at once"
                ),
            )
        # First the cheap bound, all that waits: what of it is before this one takes a look at every line.
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
        lines, of_client, of_origin = self._lines, self._policy.client_factor, self._policy.origin_factor
        own, own_origin = lines.cost_of_client(caller), lines.cost_of_origin(caller)
        free, bulk = self._most - lines.cost, lines.cost_of_class(Priority.BULK)
        waiting = f"{lines.cost} tokens are waiting, of {self._most} at most"
        more = max(0, int((of_client * free - own) / (of_client + 1)))
        # Refused while own + cost > 4 * (free - cost). It fits once so much more is free: with 700 of 1,000 waiting,
        # none of them its own, a request of 300 needs (0 + 300) / 4 - (300 - 300) = 75.
        bounds = [
            (
                (own + cost) / of_client - (free - cost),
                f"{own} of them this client's, which may have {more} more",
            ),
            (
                (own_origin + cost) / of_origin - (free - cost),
                f"{own_origin} of them from where this client calls",
            ),
        ]
        if caller.priority is Priority.BULK:
            text = f"{bulk} of them are bulk work, which may have {self._bulk_most}"
            bounds.append((bulk + cost - self._bulk_most, text))
        excess, bound = max(bounds)
        if excess <= 0:
            return None
        gone_s = self._seconds(excess)
        return self._overloaded("full", f"{waiting}, {bound}: {cost} more do not fit", caller, cost, gone_s, now_s)

    def _overloaded(
        self, reason: str, why: str, caller: Caller, cost: int, earliest_s: float, now_s: float, or_else: str = ""
    ) -> Refusal:
        # By how much the queue grows with it: 10 tokens beside 90 take a tenth of a batch of 100, none of their own.
        work_s = self._seconds(self._lines.cost + cost) - self._seconds(self._lines.cost)
        delay_s = self._refusals.retry_after_s(
            (caller.origin, caller.client), earliest_s=earliest_s, work_s=work_s, now_s=now_s
        )
        advice = f"try again in {delay_s:.1f} s or {or_else or 'send less at once'}"
        return Refusal(reason=reason, error=Overloaded(f"{why}; {advice}", retry_after_s=delay_s, work_s=work_s))
