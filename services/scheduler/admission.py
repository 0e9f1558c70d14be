"""Whether a request is taken, and if not, when it may come back."""

from __future__ import annotations

from collections.abc import Callable

from services.common.caller import Caller, Priority
from services.common.dynamic_threshold import lacking, most_more
from services.common.errors import DeadlineTooShort, Overloaded, TooLarge
from services.common.refusals import Refusals
from services.scheduler.lines import Lines
from services.scheduler.policy import Policy
from services.scheduler.work import NotTaken


class Admission:
    """Decides from what waits and how fast it goes. Not thread-safe.

    Args:
        policy: the tuned numbers.
        lines: what waits.
        most: tokens that may wait.
        seconds: how long so many tokens take.
        unit: what tokens are called in messages.
    """

    def __init__(
        self, policy: Policy, lines: Lines, *, most: int, seconds: Callable[[float], float], unit: str = "tokens"
    ) -> None:
        self._policy = policy
        self._lines = lines
        self._most = most
        self._most_bulk = round(policy.bulk_room * most)
        self._seconds = seconds
        self._unit = unit
        self._refusals = Refusals()

    def problem(
        self, cost: int, caller: Caller, *, left_s: float, now_s: float, taken: int, idle_doubt: float
    ) -> NotTaken | None:
        """Why `cost` more tokens of a caller are not taken; None when they are.

        Args:
            cost: unit: tokens.
            caller: whose.
            left_s: what the deadline leaves. Unit: seconds.
            now_s: on the clock.
            taken: tokens of the batches that are computed or prepared now.
            idle_doubt: by how much a prediction for an idle model may be too long; 1 for nothing.
        """
        if cost > (largest := self.largest(caller)):
            text = f"at most {largest} of {caller.priority.value} work are taken at once; send it in parts"
            return NotTaken(reason="too_large", error=TooLarge(f"the request has {cost} {self._unit}, and {text}"))
        if (full := self._full(cost, caller, now_s)) is not None:
            return full
        is_idle = not (self._lines.cost or taken)
        alone_s = self._seconds(cost)
        if alone_s > left_s * (idle_doubt if is_idle else 1.0):
            text = f"{cost} {self._unit} need about {alone_s:.3g} s and the deadline leaves {left_s:.3g} s"
            too_short = DeadlineTooShort(f"{text}; allow more time or send less at once")
            return NotTaken(reason="too_long", error=too_short)
        # First the cheap bound, all that waits: what of it is before this one takes a look at every line.
        spare_s, margin = left_s - alone_s, self._policy.margin
        if is_idle or margin * self._seconds(self._lines.cost + taken) <= spare_s:
            return None
        ahead_s = self._seconds(self._lines.cost_until(caller, cost) + taken) - alone_s
        if (late_s := margin * ahead_s - spare_s) <= 0:
            return None
        comes_s = margin * ahead_s + alone_s
        waits = f"{self._lines.cost} {self._unit} are waiting"
        text = f"{waits}, and the answer could come in {comes_s:.1f} s, after the deadline"
        error = self._overloaded(text, caller, cost, late_s, now_s, or_else="allow more time")
        return NotTaken(reason="late", error=error)

    def largest(self, caller: Caller) -> int:
        """Tokens of the largest request of a caller that is ever taken: what its bounds leave of an empty queue.

        Of 1,000 tokens one client may have 1,000 x 4 / (4 + 1) = 800, as bulk work 1,000 x 0.5 = 500.
        """
        largest = int(most_more(0, self._most, factor=self._policy.client_factor))
        return min(largest, self._most_bulk) if caller.priority is Priority.BULK else largest

    def _full(self, cost: int, caller: Caller, now_s: float) -> NotTaken | None:
        """Why there is no room for `cost` more tokens of a caller at the moment: by the bound that lacks most."""
        lines, client_factor, origin_factor = self._lines, self._policy.client_factor, self._policy.origin_factor
        free, bulk = self._most - lines.cost, lines.cost_of_class(Priority.BULK)
        of_client, of_origin = lines.cost_of_client(caller), lines.cost_of_origin(caller)
        more = max(0, int(most_more(of_client, free, factor=client_factor)))
        bounds = [
            (
                lacking(cost, of_client, free, factor=client_factor),
                f"{of_client} of them this client's, which may have {more} more",
            ),
            (lacking(cost, of_origin, free, factor=origin_factor), f"{of_origin} of them from where this client calls"),
        ]
        if caller.priority is Priority.BULK:
            text = f"{bulk} of them are bulk work, which may have {self._most_bulk}"
            bounds.append((bulk + cost - self._most_bulk, text))
        lacks, bound = max(bounds)
        if lacks <= 0:
            return None
        text = f"{lines.cost} {self._unit} are waiting, of {self._most} at most, {bound}: {cost} more do not fit"
        return NotTaken(reason="full", error=self._overloaded(text, caller, cost, self._seconds(lacks), now_s))

    def _overloaded(
        self,
        text: str,
        caller: Caller,
        cost: int,
        earliest_s: float,
        now_s: float,
        *,
        or_else: str = "send less at once",
    ) -> Overloaded:
        # By how much the queue grows with it: 10 tokens beside 90 take a tenth of a batch of 100, none of their own.
        work_s = self._seconds(self._lines.cost + cost) - self._seconds(self._lines.cost)
        delay_s = self._refusals.retry_after_s(caller.identity, earliest_s=earliest_s, work_s=work_s, now_s=now_s)
        return Overloaded(f"{text}; try again in {delay_s:.1f} s or {or_else}", retry_after_s=delay_s, work_s=work_s)
