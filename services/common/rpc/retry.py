"""Retries: which failures, how many, how long between."""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass

from services.common.deadline import Clock

_WINDOW_S = 10.0
_BASE_S = 0.025
_CAP_S = 0.5


@dataclass(slots=True, kw_only=True)
class _Second:
    """What happened in one second."""

    at_s: int
    calls: int = 0
    retries: int = 0
    held: int = 0
    """Most calls that a failing instance held."""


class RetryBudget:
    """Bounds retries to a share of the calls of the last ten seconds, so that they cannot keep an outage alive.

    A killed instance fails all that it held at once, so twice that number is always allowed. It is the largest number
    of the window: the calls fail one after the other, and each that did leaves fewer in flight for the next to see.

    Args:
        ratio: retries allowed per call.
        floor: retries allowed in a window however few calls there were; as many as it takes to open the breaker of
            one bad instance.
        clock: monotonic seconds.
    """

    def __init__(self, *, ratio: float = 0.1, floor: int = 5, clock: Clock = time.monotonic) -> None:
        self._ratio = ratio
        self._floor = floor
        self._clock = clock
        self._seconds: deque[_Second] = deque()

    def record_call(self) -> None:
        """Count a first attempt."""
        self._now().calls += 1

    def try_spend(self, held: int) -> bool:
        """True, and counted, when a retry is allowed.

        Args:
            held: calls that the failed instance had in flight, the failed one included.
        """
        now = self._now()
        now.held = max(now.held, held)
        calls = sum(second.calls for second in self._seconds)
        spent = sum(second.retries for second in self._seconds)
        most_held = max(second.held for second in self._seconds)
        if spent + 1 > self._ratio * calls + max(self._floor, 2 * most_held):
            return False
        now.retries += 1
        return True

    def _now(self) -> _Second:
        """The counts of this second; those older than the window are dropped."""
        now_s = self._clock()
        while self._seconds and self._seconds[0].at_s <= now_s - _WINDOW_S:
            self._seconds.popleft()
        if not self._seconds or self._seconds[-1].at_s != int(now_s):
            self._seconds.append(_Second(at_s=int(now_s)))
        return self._seconds[-1]


def backoff_s(attempt: int) -> float:
    """Full jitter before attempt number `attempt` (the first retry is 1). Unit: seconds."""
    return random.uniform(0.0, min(_CAP_S, _BASE_S * 2**attempt))  # noqa: S311 - jitter
