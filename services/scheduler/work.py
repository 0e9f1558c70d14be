"""What the scheduler is given and gives: requests, their items, batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from services.common.caller import ANYONE, Caller
from services.common.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One item to compute."""

    payload: Any
    """What is computed; the scheduler does not look at it."""
    cost: int
    """What it costs to compute, which is its length. Unit: tokens."""
    key: bytes | None = None
    """Equal keys have equal results, which are computed once; None shares nothing."""


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """What one caller asks for at once."""

    caller: Caller
    deadline_s: float
    """When the caller stops waiting. All moments are seconds on one monotonic clock."""
    submitted_s: float
    tasks: list[Task] = field(default_factory=list)
    """What it waits for."""
    missing: int = 0
    """Items that are not computed yet."""
    missing_cost: int = 0
    """Tokens of these."""
    finished_s: float = 0.0
    compute_s: float = 0.0
    """Time in which any of its items was computed."""
    running: int = 0
    """Batches with items of it that are computed now."""
    running_since_s: float = 0.0

    def begin(self, now_s: float) -> None:
        """A batch with items of it is computed from now on."""
        if self.running == 0:
            self.running_since_s = now_s
        self.running += 1

    def end(self, now_s: float) -> None:
        """Such a batch has ended."""
        self.running -= 1
        if self.running == 0:
            self.compute_s += now_s - self.running_since_s


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """One item, queued or in a batch, and who wants it."""

    work: Work
    waiters: dict[Request, list[int]] = field(default_factory=dict)
    """The item's positions in each request that wants it; empty once all of them are gone."""
    lines: Counter[Any] = field(default_factory=Counter)
    """Where it is queued: the line of each caller that wants it, with the number of that caller's requests."""
    first: Caller = ANYONE
    """Who asked for it first: queue, class and origin count it once, there, also when that one is gone."""
    batch: Batch | None = None
    """In which it is."""

    @property
    def cost(self) -> int:
        """Unit: tokens."""
        return self.work.cost


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """Tasks that are computed together."""

    tasks: list[Task] = field(default_factory=list)
    cost: int = 0
    """Tokens of these, without padding."""
    late: list[Request] = field(default_factory=list)
    """Requests whose deadline is over or cannot be met, found while the batch was put together; they are forgotten."""
    since_s: float = 0.0
    """When it was taken, and from its begin on when that was."""
    has_begun: bool = False
    """It is computed, or was."""
    requests: set[Request] = field(default_factory=set)
    """Of its tasks since its begin, those that joined later included."""
    is_only: bool = False
    """Nothing else waits or is computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """Why a request is not taken."""

    reason: str
    """`full`, `too_large`, `late` or `too_long`."""
    error: RequestError
