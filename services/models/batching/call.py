"""A request as the event loop waits for it, and what came of it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.common.errors import RequestError
from services.models.scheduler.work import Request, Task

Result = Any
"""What the model gives for one item: a row of the array that it returns, as numpy gives it."""

Outcome = Result | RequestError
"""What came of an item."""


@dataclass(slots=True, kw_only=True, eq=False)
class Call(Request):
    """One `submit`."""

    id: str
    """By which logs find it."""
    done: asyncio.Future[None]
    """Resolved in the event loop, once nothing is missing or the request failed as a whole."""
    results: list[Outcome]
    """One per item, in order."""
    failure: RequestError | None = None
    """Why it failed as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched:
    """What came of the items of one `submit`."""

    results: Sequence[Outcome]
    """One per item, in order; an error for an item that failed alone."""
    reused: Sequence[int]
    """Positions whose result was kept from before or came with an equal item, ascending."""
    queue_us: int = 0
    """Time in which none of the items was computed. Unit: microseconds."""
    compute_us: int = 0
    """Time in which any of the items was. Unit: microseconds."""


def hand_out(task: Task, outcome: Outcome) -> None:
    """Give a task's outcome to all who wait for it.

    Each gets an error of its own: what several tasks raise at once would tell each of them of the others.
    """
    for call, positions in task.waiters.items():
        for position in positions:
            call.results[position] = _own(outcome)  # type: ignore[attr-defined]  # the shell's requests are its calls


def _own(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, RequestError):
        return outcome
    own = copy.copy(outcome)
    own.__cause__ = outcome.__cause__
    return own
