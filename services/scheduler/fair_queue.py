"""Fair sharing by virtual time (weighted fair queueing, Demers, Keshav and Shenker 1989; Linux' CFS and EEVDF).

Each has a virtual time, which what is computed for it advances; the one whose time is earliest is served. All together
have one too, which is never behind the earliest. Who begins to wait gets the common time less one quantum, or its own
time if that is later: so one who asks for little is served before those who always wait, and coming and going gains
nothing.

Newcomers without end would starve those. So the common time runs by itself, half as fast as that of somebody who gets
exactly its part: 60 tokens that are computed while 3 wait advance it by 60 / 3 / 2 = 10. Sooner or later it is a
quantum later than the time of those that wait, and newcomers go behind them. Half as fast: so one who waits has half of
its part at least, and newcomers who need less than half of all that is computed always go first.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from typing import Generic, TypeVar


class Sharer:
    """One of those that share."""

    __slots__ = ("cost", "time")

    def __init__(self) -> None:
        self.cost = 0
        """Tokens that it has waiting, those of which it is known that they will come included."""
        self.time = float("-inf")
        """Virtual. Unit: tokens."""


SharerT = TypeVar("SharerT", bound=Sharer)


class FairQueue(Generic[SharerT]):
    """Whose turn it is among those that wait. Not thread-safe.

    Args:
        pace: how fast the common time runs by itself, in parts of a fair share.
    """

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._time = 0.0
        """The common virtual time."""
        self._expected: Counter[SharerT] = Counter()
        """What of the cost of each is only known to come."""
        self._waiting: dict[SharerT, None] = {}
        self._heap: list[tuple[float, int, SharerT]] = []
        """By virtual time; an entry whose time is no longer its sharer's is left over from before."""
        self._numbers = itertools.count()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def expect(self, sharer: SharerT, cost: int) -> None:
        """So many more tokens of one will come; as many fewer with a negative number."""
        sharer.cost += cost
        self._expected[sharer] += cost
        if not self._expected[sharer]:
            del self._expected[sharer]

    def join(self, sharer: SharerT, quantum: float) -> None:
        """One waits from now on, if it does not yet.

        Args:
            sharer: who.
            quantum: what one who was idle gets ahead of the others. Unit: tokens.
        """
        if sharer not in self._waiting:
            start = self._start(sharer, quantum)
            self._waiting[sharer] = None
            self._move(sharer, start)

    def leave(self, sharer: SharerT) -> None:
        """One waits no more."""
        del self._waiting[sharer]

    def earliest(self) -> SharerT:
        """Whose turn it is; somebody must wait."""
        while True:
            time, _, sharer = self._heap[0]
            if sharer in self._waiting and sharer.time == time:
                self._time = max(self._time, time)
                return sharer
            heapq.heappop(self._heap)

    def charge(self, sharer: SharerT, cost: int) -> None:
        """Advance one that waits by what was taken for it, and the common time by what that is for each."""
        self._time += self._pace * cost / len(self._waiting)
        self._move(sharer, sharer.time + cost)

    def settle(self, sharer: SharerT, cost: int) -> None:
        """What was taken for one took so much more than it was charged for, or less with a negative number."""
        self._time += self._pace * cost / max(1, len(self._waiting))
        if sharer in self._waiting:
            self._move(sharer, sharer.time + cost)
        else:
            sharer.time += cost

    def cost_until(self, sharer: SharerT, cost: int, quantum: float) -> int:
        """Tokens of all that are computed until one has had so many, those included, if nobody else comes.

        Another's are computed until its virtual time passes that of the one's last token. A newcomer at 900 who asks
        for 50 ends at 950: of one at 1,000 nothing is before it, of one at 920 with 100 waiting 30 are.
        """
        end = self._start(sharer, quantum) + cost
        others = (self._waiting.keys() | self._expected.keys()) - {sharer}
        return cost + sum(max(0, min(each.cost, int(end - self._start(each, quantum)))) for each in others)

    def _start(self, sharer: SharerT, quantum: float) -> float:
        """The virtual time of one that waits, or that it would have if it began to now."""
        if sharer in self._waiting:
            return sharer.time
        # Where nobody waits there is nobody to be before, and the quantum is not kept for when somebody comes.
        return max(sharer.time, self._time - (quantum if self._waiting else 0.0))

    def _move(self, sharer: SharerT, time: float) -> None:
        sharer.time = time
        heapq.heappush(self._heap, (time, next(self._numbers), sharer))
        if len(self._heap) > 64 + 4 * len(self._waiting):
            self._heap = [(each.time, next(self._numbers), each) for each in self._waiting]
            heapq.heapify(self._heap)


class Floor:
    """Of two who wait one is favoured, and owes the other a part of what is computed.

    With a part of 0.1, 244 tokens of the favoured one owe the other 27; a batch of 244 tokens of the other leaves it
    217 ahead, and the favoured one has 9 x 217 = 1,953 before it is the other's turn again.

    Args:
        share: that part.
    """

    def __init__(self, share: float) -> None:
        self.favoured_per_other = (1 - share) / share
        """Tokens: 0.9 / 0.1 = 9."""
        self._owed = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is the other's turn."""
        return self._owed > 0

    def note(self, cost: int, *, is_other: bool) -> None:
        """So much was computed of one of them."""
        self._owed += -cost if is_other else cost / self.favoured_per_other

    def forgive(self) -> None:
        """One of them waits alone: the other is owed nothing for that time, but what it had too early stays had."""
        self._owed = min(0.0, self._owed)
