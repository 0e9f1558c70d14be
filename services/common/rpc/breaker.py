"""The circuit breaker of one instance.

The `circuitbreaker` package is not used: it resets its count on every uncounted error, admits all callers when half
open, and lets a success that began before it opened close it. Wrapped against all three, nothing of it would be left
but a counter.
"""

from __future__ import annotations

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
        open_s: time until the probe. Unit: seconds.
        clock: monotonic seconds.
    """

    def __init__(self, *, threshold: int = 5, open_s: float = 60.0, clock: Clock = time.monotonic) -> None:
        self._threshold = threshold
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._probe_at_s: float | None = None
        self._is_probing = False
        self._generation = 0

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
        return _Permit(self, self._generation)

    def retry_after_s(self) -> float:
        """Seconds until the probe is admitted; 0.0 when closed."""
        return 0.0 if self._probe_at_s is None else max(0.0, self._probe_at_s - self._clock())

    def hint_recovered(self) -> None:
        """Admit the probe now rather than when the time is over."""
        if self._probe_at_s is not None:
            self._probe_at_s = self._clock()

    def settle(self, generation: int, outcome: Outcome) -> None:
        """Count a call's end; calls that began before the last change of state say nothing any more."""
        if generation != self._generation:
            return
        if self._probe_at_s is not None:
            self._settle_probe(outcome)
        elif outcome is Outcome.SUCCESS:
            self._failures = 0
        elif outcome is Outcome.FAILURE:
            self._failures += 1
            if self._failures >= self._threshold:
                self._open()

    def _settle_probe(self, outcome: Outcome) -> None:
        self._is_probing = False
        if outcome is Outcome.SUCCESS:
            self._failures = 0
            self._probe_at_s = None
            self._generation += 1
        elif outcome is Outcome.FAILURE:
            self._open()

    def _open(self) -> None:
        self._probe_at_s = self._clock() + self._open_s
        self._is_probing = False
        self._generation += 1


class _Permit:
    __slots__ = ("_breaker", "_generation", "_is_settled")

    def __init__(self, breaker: ConsecutiveBreaker, generation: int) -> None:
        self._breaker = breaker
        self._generation = generation
        self._is_settled = False

    def settle(self, outcome: Outcome) -> None:
        if self._is_settled:
            raise RuntimeError("a breaker permit was settled twice. This is a bug.")
        self._is_settled = True
        self._breaker.settle(self._generation, outcome)
