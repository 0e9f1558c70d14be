"""What a batcher tells the world: batches, refusals, waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """One computed batch."""

    items: int
    tokens: int
    """Of the items."""
    padded_tokens: int
    """That were computed, padding included."""
    seconds: float
    failed: int
    """Items that failed."""


class Observer(Protocol):
    """Takes note. Called on several threads."""

    def batch(self, report: BatchReport) -> None:
        """A batch was computed."""
        ...

    def refused(self, reason: str) -> None:
        """A request was refused: `full`, `too_large`, `late` or `too_long`."""
        ...

    def waited(self, queue_s: float) -> None:
        """A request was answered that waited so long."""
        ...
