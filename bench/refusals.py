"""What an overloaded server did: how much of it was useful, and how it refused the rest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.answers import Answer, Schedule, percentile

REFUSED = frozenset({429, 503})
"""Statuses that say: not now."""
RETRY_AFTER, RETRY_AFTER_MS = "retry-after", "retry-after-ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """The answers to an open loop."""

    schedule: Schedule
    deadline_s: float
    """Of each request, from its intended moment."""

    @property
    def goodput(self) -> float:
        """Good answers within their deadline per second.

        Counted where they ended, from one deadline after the start to the last send: before, the queue fills, and
        after, it drains.
        """
        start_s = self.schedule.start_s + self.deadline_s
        stop_s = max(self.schedule.intended_s(answer) for answer in self.schedule.answers)
        if stop_s <= start_s:
            raise SystemExit(f"a load must last longer than its deadline of {self.deadline_s:g} s")
        return sum(start_s < answer.done_s <= stop_s for answer in self._in_time) / (stop_s - start_s)

    @property
    def refused(self) -> Sequence[Answer]:
        """The refusals."""
        return [answer for answer in self.schedule.answers if answer.status in REFUSED]

    @property
    def statuses(self) -> Counter[int]:
        """How many of each status; 0 for no answer."""
        return Counter(answer.status for answer in self.schedule.answers)

    @property
    def outcome(self) -> str:
        """How many of each status, in words."""
        return ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(self.statuses.items()))

    def latency_ms(self, percent: float) -> float:
        """A percentile of the good answers' latency, from their intended moments."""
        good = [self.schedule.latency_s(answer) for answer in self.schedule.answers if answer.is_ok]
        return percentile(good, percent) * 1e3

    def felt_ms(self, percent: float) -> float:
        """A percentile of the latency of all requests; one without a good answer waits for ever."""
        latencies = [self.schedule.latency_s(a) if a.is_ok else math.inf for a in self.schedule.answers]
        return percentile(latencies, percent) * 1e3

    def refusal_ms(self, percent: float, *, since_sent: bool = False) -> float:
        """A percentile of the refusals' latency, from their intended moments or from when they were sent."""
        refused = self.refused
        times = [a.latency_s for a in refused] if since_sent else [self.schedule.latency_s(a) for a in refused]
        return percentile(times, percent) * 1e3

    def delays_ms(self) -> list[float]:
        """The retry delays."""
        return [float(a.headers[RETRY_AFTER_MS]) for a in self.refused if RETRY_AFTER_MS in a.headers]

    @property
    def share_with_delay(self) -> float | None:
        """Share of refusals that carry both headers; None without refusals."""
        refused = self.refused
        both = [a for a in refused if RETRY_AFTER in a.headers and RETRY_AFTER_MS in a.headers]
        return len(both) / len(refused) if refused else None

    @property
    def _in_time(self) -> Sequence[Answer]:
        answers = self.schedule.answers
        return [a for a in answers if a.is_ok and self.schedule.latency_s(a) <= self.deadline_s]
