"""The `Batcher` port: many callers' items in, batches of similar length out to a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.common.caller import Caller
from services.common.deadline import Deadline
from services.common.errors import RequestError
from services.common.models import Tokens

Result = Any
"""What the model gives for one item: a row of the array that it returns, as numpy gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One item to compute."""

    tokens: Tokens
    key: bytes | None = None
    """Equal keys have equal results, which are computed once and may be kept; None shares nothing."""

    @property
    def cost(self) -> int:
        """What it costs to compute. Unit: tokens."""
        return len(self.tokens.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched:
    """What came of the items of one `submit`."""

    results: Sequence[Result | RequestError]
    """One per item, in order; an error for an item that failed alone."""
    shared: Sequence[int]
    """Positions whose result was kept from before or came with an equal item, ascending."""
    queue_us: int
    """Time in which none of the items was computed. Unit: microseconds."""
    compute_us: int
    """Time in which any of the items was. Unit: microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Work that is waiting."""

    queued_cost: int
    """Cost of the items not yet computed."""
    predicted_wait_s: float
    """Expected wait of an item that arrives now and goes last. Unit: seconds."""


class Batcher(Protocol):
    """Queues items by cost, drops those whose caller is gone, computes the rest in batches."""

    def admit(self, cost: int, caller: Caller, deadline: Deadline) -> None:
        """Refuse early, before any work is spent, what `submit` would refuse.

        Args:
            cost: an estimate that is rather too low.
            caller: who asks.
            deadline: when the caller stops waiting.

        Raises:
            Overloaded, DeadlineExceeded, Unavailable: as `submit`.
        """
        ...

    async def submit(self, items: Sequence[Work], caller: Caller, deadline: Deadline) -> Batched:
        """Compute all items.

        Raises:
            Overloaded: they do not fit or would be late; nothing was computed, and the error says when to come back.
            DeadlineExceeded: the deadline passed first, or the items alone need more time than it leaves.
            Unavailable: nothing will be computed any more.
        """
        ...

    def backlog(self) -> Backlog:
        """Work that is waiting now."""
        ...

    async def run(self) -> None:
        """Compute until cancelled or drained; the process supervises it, and ends when it fails.

        However it ends, those who wait are told at once.

        Raises:
            WorkerDied: a thread ended, or did not end its batch.
        """
        ...

    async def drain(self) -> None:
        """Take no more, finish what is there, and let `run` return."""
        ...
