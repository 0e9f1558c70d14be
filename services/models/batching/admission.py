"""Whether a request is taken, and if not, when it may come back."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.caller import Caller, Priority
from services.common.deadline import Clock, Deadline
from services.common.errors import DeadlineTooShort, Overloaded, RequestError, TooLarge
from services.common.promises import Promises
from services.models.batching.fair_queue import FairQueue
from services.models.batching.pace import Pace

_LEAST_MARGIN, _MOST_MARGIN = 1.1, 2.0
"""A prediction may be short by so much; what is admitted and late is computed for nothing."""
_LATE, _IN_TIME = 1.02, 0.9995
"""How the margin grows with an answer that was late, and falls with one that was not: 40 of these for one of those."""
_HOPELESS = 2.0
"""Items that alone need so many times what the deadline leaves are not tried."""
_CLIENT_FACTOR = 4
"""A client may queue so many times what it leaves free, so that others always find room (dynamic thresholds, Choudhury
and Hahne 1998): of 1,000 tokens the first has 800 at most, the next 160, the one after it 32."""
_BULK_SHARE = 0.5
"""Part of the queue that bulk work may take; the rest is for interactive work alone."""
_DOUBTFUL_S = 5.0
"""Predictions that no batch has confirmed for so long refuse nothing while nothing waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not taken."""

    reason: str
    """`full`, `too_large`, `late` or `too_long`."""
    error: RequestError


class Admission:
    """Decides from the queue and the pace. Not thread-safe.

    Args:
        queue: what waits.
        pace: how fast it goes.
        max_queued_cost: tokens that may wait.
        clock: monotonic seconds.
    """

    def __init__(self, queue: FairQueue, pace: Pace, *, max_queued_cost: int, clock: Clock) -> None:
        self._queue = queue
        self._pace = pace
        self._max_queued_cost = max_queued_cost
        self._clock = clock
        self._promises = Promises(clock)
        self._margin = _LEAST_MARGIN
        self.is_shared = False
        """Several clients send work."""
        self.in_progress = 0
        """Tokens that are computed now or next."""
        self._learned_s = clock()

    def note_learned(self) -> None:
        """The pace has learned from a batch."""
        self._learned_s = self._clock()

    def observe(self, *, is_late: bool) -> None:
        """An admitted request came to its end, in time or too late: predictions were right, or too short."""
        self._margin = min(_MOST_MARGIN, max(_LEAST_MARGIN, self._margin * (_LATE if is_late else _IN_TIME)))

    def refusal(self, cost: int, caller: Caller, deadline: Deadline) -> Refusal | None:
        """Why `cost` more tokens of a caller are not taken; None when they are."""
        if (no_room := self._too_large(cost, caller) or self._full(cost, caller)) is not None:
            return no_room
        is_idle = not (self._queue.cost or self.in_progress)
        if is_idle and self._clock() - self._learned_s > _DOUBTFUL_S:
            return None
        ahead_s = self._seconds(self._queue.ahead(caller, cost) + self.in_progress)
        late_s = self._margin * ahead_s - deadline.remaining_s()
        if late_s <= 0:
            return None
        alone_s = self._seconds(cost)
        if alone_s > _HOPELESS * deadline.remaining_s():
            return Refusal(
                reason="too_long",
                error=DeadlineTooShort(
                    f"{cost} tokens need about {alone_s:.1f} s and the deadline leaves {deadline.remaining_s():.1f} s; "
                    "allow more time or send less at once"
                ),
            )
        if is_idle:
            return None  # nobody is before it, and the prediction may be wrong
        work_s = self._work_s(cost)
        delay_s = self._promises.give(caller.client, late_s, work_s)
        return Refusal(
            reason="late",
            error=Overloaded(
                f"{self._queue.cost} tokens are waiting, and the answer would come in about {ahead_s:.1f} s, after the "
                f"deadline; try again in {delay_s:.1f} s or allow more time",
                retry_after_s=delay_s,
                work_s=work_s,
            ),
        )

    def _seconds(self, tokens: float) -> float:
        return self._pace.seconds(tokens, is_shared=self.is_shared)

    def _work_s(self, cost: int) -> float:
        """By how much `cost` more tokens lengthen the queue: they need no batches of their own."""
        return self._seconds(self._queue.cost + cost) - self._seconds(self._queue.cost)

    def largest(self, caller: Caller) -> int:
        """Tokens of the largest request of a caller that is ever taken: what its bounds leave of an empty queue."""
        own = self._max_queued_cost * _CLIENT_FACTOR // (_CLIENT_FACTOR + 1)
        return min(own, self._bulk_limit) if caller.priority is Priority.BULK else own

    @property
    def _bulk_limit(self) -> int:
        return round(_BULK_SHARE * self._max_queued_cost)

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

    def _full(self, cost: int, caller: Caller) -> Refusal | None:
        """A refusal when there is no room for `cost` more tokens of a caller at the moment."""
        queue, most = self._queue, self._max_queued_cost
        own, of_bulk = queue.cost_of_client(caller.client), queue.cost_of_class(Priority.BULK)
        free = most - queue.cost
        # What has to go before there is room, by whose bound it is. A client's is own + cost <= 4 * (free - cost), and
        # each token that goes is room for four of its: with 700 of 1,000 waiting, none of them its, a request of 300 is
        # taken when (5 * 300 - 4 * 300) / 4 = 75 are gone.
        excess = {
            "client": (own + cost - _CLIENT_FACTOR * (free - cost)) / _CLIENT_FACTOR,
            "bulk": of_bulk + cost - self._bulk_limit if caller.priority is Priority.BULK else 0.0,
        }
        whose = max(excess, key=excess.__getitem__)
        if excess[whose] <= 0:
            return None
        bound = {
            "client": f"{queue.cost} tokens are waiting, of {most} at most, {own} of them this client's, which may "
            f"have {max(0, (_CLIENT_FACTOR * free - own) // (_CLIENT_FACTOR + 1))} more",
            "bulk": f"{of_bulk} tokens of bulk work are waiting, of {self._bulk_limit} at most",
        }[whose]
        work_s = self._work_s(cost)
        delay_s = self._promises.give(caller.client, self._seconds(excess[whose]), work_s)
        return Refusal(
            reason="full",
            error=Overloaded(
                f"{bound}: {cost} more do not fit; try again in {delay_s:.1f} s or send less at once",
                retry_after_s=delay_s,
                work_s=work_s,
            ),
        )
