"""What every reply says beside its results: where its time went, and how much work waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where a request's time went. Unit: microseconds."""

    tokenize_us: int = 0
    queue_us: int
    compute_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Work that is waiting."""

    queued_cost: int
    """Cost of what is not yet computed. Unit: tokens, or documents."""
    predicted_wait_s: float
    """Expected wait of what arrives now and goes last. Unit: seconds."""
