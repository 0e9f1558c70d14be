"""The `Batcher` port: many callers' items in, one computation at a time out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from services.common.deadline import Deadline
from services.common.errors import RequestError

ItemT = TypeVar("ItemT")
ItemT_contra = TypeVar("ItemT_contra", contravariant=True)
ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

Compute = Callable[[Sequence[ItemT]], Iterable[ResultT]]
"""Computes one result per item, in order; blocking, called from one thread at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched(Generic[ResultT_co]):
    """What came of the items of one `submit`."""

    results: Sequence[ResultT_co | RequestError]
    """One per item, in order; an error for an item that failed alone."""
    queue_us: int
    """Longest wait of an item. Unit: microseconds."""
    compute_us: int
    """Time in `Compute` of the batches that held the items. Unit: microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Work that is waiting."""

    queued_cost: int
    """Cost of the items not yet computed."""
    predicted_wait_s: float
    """Expected wait of an item that arrives now. Unit: seconds."""


class Batcher(Protocol[ItemT_contra, ResultT_co]):
    """Queues items by cost, drops those whose caller is gone, computes the rest in batches."""

    async def submit(self, items: Sequence[ItemT_contra], deadline: Deadline) -> Batched[ResultT_co]:
        """Compute all items.

        Raises:
            Overloaded: the queue has no room for them; nothing was computed.
            DeadlineExceeded: the deadline passed first.
            Unavailable: `run` ended, so nothing will be computed.
        """
        ...

    def backlog(self) -> Backlog:
        """Work that is waiting now."""
        ...

    async def run(self) -> None:
        """Compute until cancelled; the process supervises it. When it ends, those who wait are told at once."""
        ...
