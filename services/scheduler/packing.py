"""Tasks by length, and the choice of those that fit beside each other with little padding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.scheduler.work import Task


class LengthIndex:
    """Tasks by length, of equal lengths the oldest first."""

    def __init__(self) -> None:
        self._by_length: dict[int, OrderedDict[Task, int]] = {}
        """With how often each was added."""

    def add(self, task: Task) -> None:
        """Add a task, or once more."""
        same = self._by_length.setdefault(task.cost, OrderedDict())
        same[task] = same.get(task, 0) + 1

    def discard(self, task: Task) -> None:
        """Take a task out that was added once, or forget that it was added once more."""
        same = self._by_length[task.cost]
        same[task] -= 1
        if not same[task]:
            del same[task]
        if not same:
            del self._by_length[task.cost]

    def at(self, length: int) -> Task | None:
        """The oldest task of exactly that length."""
        same = self._by_length.get(length)
        return next(iter(same)) if same else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a batch may grow. Unit: tokens, padding included."""

    own: int
    """With tasks of the client whose turn it is."""
    fill: int
    """With tasks of others, who wait for theirs anyway but must not make this one wait for long."""
    padding: float
    """More of it is not accepted."""


@dataclass(slots=True, kw_only=True)
class Packing:
    """A batch while it is put together: all its tasks are padded to the longest."""

    limits: Limits
    tasks: list[Task] = field(default_factory=list)
    longest: int = 0
    tokens: int = 0

    def add(self, task: Task) -> None:
        """Take a task in."""
        self.tasks.append(task)
        self.longest = max(self.longest, task.cost)
        self.tokens += task.cost

    def fill(self, index: LengthIndex, limit: int) -> Iterator[Task]:
        """Choose tasks of `index` while they fit, the nearest lengths first; the consumer takes each out of it."""
        below, above = self.longest, self.longest + 1
        while True:
            below, shorter = self._search(index, below, -1, limit)
            above, longer = self._search(index, above, +1, limit)
            # One that is 3 shorter than the longest is padded by 3; one that is 3 longer pads each of 5 others by 3.
            if shorter and (not longer or self.longest - below <= (above - self.longest) * len(self.tasks)):
                chosen = shorter
            elif longer:
                chosen = longer
            else:
                return
            self.add(chosen)
            yield chosen

    def _search(self, index: LengthIndex, length: int, step: int, limit: int) -> tuple[int, Task | None]:
        """The next task from `length` on that is taken, and the length where the search stopped.

        Nothing is added to the index meanwhile, so that a later search goes on from there.
        """
        while length > 0 and self._takes(length, limit):
            if (task := index.at(length)) is not None:
                return length, task
            length += step
        return length, None

    def _takes(self, length: int, limit: int) -> bool:
        """Whether a task of that length fits, and pads no more than is accepted.

        Beside 50 + 48 tokens one of 40 makes 3 x 50 = 150 with padding, 12 of it padding, which is accepted where the
        fixed cost of a batch is worth 2 x 12 = 24 tokens.
        """
        padded = max(self.longest, length) * (len(self.tasks) + 1)
        tokens = self.tokens + length
        return padded <= limit and padded - tokens <= self.limits.padding
