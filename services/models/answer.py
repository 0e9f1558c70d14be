"""What comes of a request, whatever the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.reply import Timings
from services.models.models import Item, ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What every task answers; each adds its results."""

    model: ModelInfo
    items: Sequence[Item]
    """One per input: all that was computed of it, or why it failed."""
    reused: Sequence[int]
    """Positions of inputs of which nothing was computed for this request, ascending."""
    reused_tokens: int
    """Tokens that were not computed for this request."""
    timings: Timings
