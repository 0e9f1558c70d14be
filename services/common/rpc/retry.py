"""Retries: which failures, how many, how long between."""

from __future__ import annotations

import random
import time
from collections import deque

from services.common.deadline import Clock

_WINDOW_S = 10.0
_BASE_S = 0.025
_CAP_S = 0.5


class RetryBudget:
    """Bounds retries to a share of the calls of the last ten seconds, so that they cannot keep an outage alive.

    Args:
        ratio: retries allowed per call.
        floor: retries allowed in a window however few calls there were.
        clock: monotonic seconds.
    """

    def __init__(self, *, ratio: float = 0.1, floor: int = 3, clock: Clock = time.monotonic) -> None:
        self._ratio = ratio
        self._floor = floor
        self._clock = clock
        self._calls: deque[tuple[int, int]] = deque()
        self._retries: deque[tuple[int, int]] = deque()

    def record_call(self) -> None:
        """Count a first attempt."""
        self._add(self._calls)

    def try_spend(self, in_flight: int) -> bool:
        """True, and counted, when a retry is allowed.

        Args:
            in_flight: calls in progress per instance: a killed instance fails what it held all at once.
        """
        allowed = self._ratio * self._total(self._calls) + max(self._floor, 2 * in_flight)
        if self._total(self._retries) + 1 > allowed:
            return False
        self._add(self._retries)
        return True

    def _add(self, seconds: deque[tuple[int, int]]) -> None:
        now = int(self._clock())
        count = seconds.pop()[1] if seconds and seconds[-1][0] == now else 0
        seconds.append((now, count + 1))
        self._trim(seconds)

    def _total(self, seconds: deque[tuple[int, int]]) -> int:
        self._trim(seconds)
        return sum(count for _, count in seconds)

    def _trim(self, seconds: deque[tuple[int, int]]) -> None:
        while seconds and seconds[0][0] <= self._clock() - _WINDOW_S:
            seconds.popleft()


def backoff_s(attempt: int) -> float:
    """Full jitter before attempt number `attempt` (the first retry is 1). Unit: seconds."""
    return random.uniform(0.0, min(_CAP_S, _BASE_S * 2**attempt))  # noqa: S311 - jitter
