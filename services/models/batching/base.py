"""What goes into a batcher and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.common.errors import RequestError
from services.models.models import Tokens

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
