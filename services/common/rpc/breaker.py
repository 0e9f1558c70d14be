"""The circuit breaker of one instance, or of one upstream.

The `circuitbreaker` package is not used: it resets its count on every uncounted error, admits all callers when half
open, and lets a success that began before it opened close it. Wrapped against all three, nothing of it would be left
but a counter.
"""

from __future__ import annotations

import random
import time
from enum import Enum
from typing import Protocol

from services.common.deadline import Clock


class Outcome(Enum):
    """How a call counts for the breaker."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"
    """Says nothing of the instance's health: the caller's error, cancellation, back-pressure."""


class Permit(Protocol):
    """The right to make one call; must be settled exactly once."""

    def settle(self, outcome: Outcome) -> None:
        """Report how the call ended."""
        ...


class Breaker(Protocol):
    """Keeps calls away from an instance that fails."""

    def acquire(self) -> Permit | None:
        """The right to call, or None while the breaker is open."""
        ...

    def retry_after_s(self) -> float:
        """Seconds until a call may be admitted; 0.0 when one would be now."""
        ...

    def hint_recovered(self) -> None:
        """Somebody saw the instance healthy again: admit the probe at once."""
        ...

    @property
    def is_open(self) -> bool:
        """True while calls are refused, the probe excepted."""
        ...


class ConsecutiveBreaker:
    """Opens after consecutive counted failures; after a while admits exactly one probe; closes when it succeeds.

    Args:
        threshold: consecutive failures that open it.
        open_s: time until the first probe. Unit: seconds.
        longest_s: with each probe that fails the time doubles up to this; None keeps it as it is. Unit: seconds.
        jitter: share of each time that is left to chance, so that callers do not probe together.
        counts_held_once: count calls that were in progress together, and fail together, as one failure: what one of
            several instances held when it died says nothing of the others.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        threshold: int = 5,
        open_s: float = 60.0,
        longest_s: float | None = None,
        jitter: float = 0.0,
        counts_held_once: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        self._threshold = threshold
        self._first_s = open_s
        self._longest_s = open_s if longest_s is None else longest_s
        self._jitter = jitter
        self._counts_held_once = counts_held_once
        self._clock = clock
        self._open_s = open_s
        self._failures = 0
        self._probe_at_s: float | None = None
        self._is_probing = False
        self._generation = 0
        self._begun = 0
        self._counted_up_to = 0

    @property
    def is_open(self) -> bool:
        """True from opening until a probe succeeds."""
        return self._probe_at_s is not None

    def acquire(self) -> Permit | None:
        """The right to call; when open, only the probe gets it, and only one at a time."""
        if self._probe_at_s is not None:
            if self._is_probing or self._clock() < self._probe_at_s:
                return None
            self._is_probing = True
        self._begun += 1
        return _Permit(self, self._generation, self._begun)

    def retry_after_s(self) -> float:
        """Seconds until the probe is admitted; 0.0 when closed."""
        return 0.0 if self._probe_at_s is None else max(0.0, self._probe_at_s - self._clock())

    def hint_recovered(self) -> None:
        """Admit the probe now rather than when the time is over."""
        if self._probe_at_s is not None:
            self._probe_at_s = self._clock()

    def settle(self, generation: int, number: int, outcome: Outcome) -> None:
        """Count the end of a call; calls that began before the last change of state say nothing any more."""
        if generation != self._generation:
            return
        if self._probe_at_s is not None:
            self._settle_probe(outcome)
        elif outcome is Outcome.SUCCESS:
            self._failures = 0
        elif outcome is Outcome.FAILURE:
            self._count(number)

    def _count(self, number: int) -> None:
        if self._counts_held_once and number <= self._counted_up_to:
            return
        self._counted_up_to = self._begun
        self._failures += 1
        if self._failures >= self._threshold:
            self._open(self._first_s)

    def _settle_probe(self, outcome: Outcome) -> None:
        self._is_probing = False
        if outcome is Outcome.SUCCESS:
            self._failures = 0
            self._probe_at_s = None
            self._generation += 1
        elif outcome is Outcome.FAILURE:
            self._open(min(self._longest_s, 2 * self._open_s))

    def _open(self, open_s: float) -> None:
        self._open_s = open_s
        self._probe_at_s = self._clock() + open_s * random.uniform(1 - self._jitter, 1)  # noqa: S311 - jitter
        self._is_probing = False
        self._generation += 1


class _Permit:
    __slots__ = ("_breaker", "_generation", "_is_settled", "_number")

    def __init__(self, breaker: ConsecutiveBreaker, generation: int, number: int) -> None:
        self._breaker = breaker
        self._generation = generation
        self._number = number
        self._is_settled = False

    def settle(self, outcome: Outcome) -> None:
        if self._is_settled:
            raise RuntimeError("a breaker permit was settled twice. This is a bug.")
        self._is_settled = True
        self._breaker.settle(self._generation, self._number, outcome)
