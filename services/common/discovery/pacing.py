"""How often a source may be asked: a bound while it answers, a growing wait while it fails. Both with jitter."""

from __future__ import annotations

import random
import time

from services.common.deadline import Clock


class Pace:
    """Bounds how often something is done, however fast each time is over.

    Args:
        burst: times that need no wait, so that a few changes in a row are seen at once.
        interval_s: least time between two in the long run. Unit: seconds.
        clock: monotonic seconds.
    """

    def __init__(self, *, burst: int = 3, interval_s: float = 1.0, clock: Clock = time.monotonic) -> None:
        self._burst = burst
        self._interval_s = interval_s
        self._clock = clock
        self._saved = float(burst)
        self._counted_at_s = clock()

    def take_s(self) -> float:
        """Count one more time; seconds to wait before it."""
        now_s = self._clock()
        self._saved = min(self._burst, self._saved + (now_s - self._counted_at_s) / self._interval_s)
        self._counted_at_s = now_s
        self._saved -= 1
        return max(0.0, -self._saved) * self._interval_s * random.uniform(1.0, 1.25)  # noqa: S311 - jitter


class Backoff:
    """Waits that double from one failure to the next.

    Args:
        first_s: longest wait after the first failure. Unit: seconds.
        last_s: longest wait of all. Unit: seconds.
    """

    def __init__(self, *, first_s: float = 0.5, last_s: float = 10.0) -> None:
        self._first_s = first_s
        self._last_s = last_s
        self._next_s = first_s

    def take_s(self) -> float:
        """Seconds to wait after one more failure: between half of this step and the whole."""
        step_s, self._next_s = self._next_s, min(self._last_s, 2 * self._next_s)
        return step_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter

    def reset(self) -> None:
        """It works again."""
        self._next_s = self._first_s
