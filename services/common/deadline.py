"""Deadlines: a moment on the monotonic clock, passed down as the time left."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from services.common.errors import DeadlineExceeded

TIME_LEFT_KEY = "x-isolane-time-left-us"
"""Name of the gRPC metadata key with the time that the caller gives. Unit: microseconds."""
ANSWER_S = 0.5
"""A caller listens for so much longer than it gives: an instance that then says that the time is over is busy, one that
says nothing may be frozen. Unit: seconds."""

_MOST_DIGITS = 12
"""Longest number that is read: more than a week in microseconds."""

Clock = Callable[[], float]
"""Seconds on a monotonic clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The moment after which nobody waits for the answer any more."""

    at_s: float
    clock: Clock = field(default=time.monotonic, repr=False, compare=False)

    @classmethod
    def after(cls, seconds: float, *, clock: Clock = time.monotonic) -> Deadline:
        """The deadline `seconds` from now."""
        return cls(at_s=clock() + seconds, clock=clock)

    def remaining_s(self) -> float:
        """Seconds left; 0.0 when it is over."""
        return max(0.0, self.at_s - self.clock())

    @property
    def is_over(self) -> bool:
        """True once no time is left."""
        return self.remaining_s() <= 0.0

    def capped(self, seconds: float) -> Deadline:
        """This deadline, or the one `seconds` from now if that is sooner."""
        return Deadline(at_s=min(self.at_s, self.clock() + seconds), clock=self.clock)

    def check(self, what: str) -> None:
        """Raise DeadlineExceeded naming `what` when no time is left."""
        if self.is_over:
            raise DeadlineExceeded(f"{what}: the deadline passed; allow more time or send less at once")

    @contextlib.asynccontextmanager
    async def enforce(self, what: str) -> AsyncIterator[None]:
        """Bound the awaited body by the time left; raises DeadlineExceeded naming `what`."""
        scope = asyncio.timeout(self.remaining_s())
        try:
            async with scope:
                yield
        except TimeoutError as exc:
            if not scope.expired():
                raise
            raise DeadlineExceeded(f"{what}: the deadline passed; allow more time or send less at once") from exc


def time_left(seconds: float) -> tuple[str, str]:
    """The metadata that tells the next process how much time it has."""
    return TIME_LEFT_KEY, str(max(0, round(seconds * 1e6)))


def read_microseconds(text: str | None) -> float | None:
    """Seconds; None for what is not a whole number of microseconds."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > _MOST_DIGITS:
        return None
    return int(text) / 1e6


def is_task_cancelled() -> bool:
    """True when the current task was asked to end; False when a CancelledError only came out of what it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
