"""A request as the event loop waits for it, and what came of it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.common.errors import RequestError
from services.common.reply import Timings
from services.common.threadsafe import call_in
from services.models.models import Item
from services.scheduler.work import Request, Task

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
    """Resolved in its event loop once nothing is missing, or with why the request failed as a whole."""
    outcomes: list[Outcome]
    """One per item, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What came of a request's items."""

    outcomes: Sequence[Outcome]
    """One per item, in order; the error of an item that was wrong before stays its outcome."""
    items: Sequence[Item]
    """What each item was, or why it failed."""
    reused: Sequence[int]
    """Positions that were not computed for this request, as their result was kept or came with an equal item's."""
    timings: Timings
    """Queue: time in which none of the items was computed; compute: in which any of them was."""


def hand_out(task: Task, outcome: Outcome) -> None:
    """Give a task's outcome to all who wait for it.

    Each gets an error of its own: what several tasks raise at once would tell each of them of the others.
    """
    for call, positions in task.waiters.items():
        for position in positions:
            call.outcomes[position] = _copied(outcome)  # type: ignore[attr-defined]  # the shell's requests are its calls


def resolve(requests: Iterable[Request], failure: Callable[[], RequestError] | None = None) -> None:
    """Tell calls of one event loop that they are complete, or failed as a whole; from any thread.

    Args:
        requests: the calls.
        failure: makes an error for each.
    """
    calls = [request for request in requests if isinstance(request, Call)]
    if calls:
        call_in(calls[0].done.get_loop(), lambda: _resolve(calls, failure))


def _resolve(calls: Iterable[Call], failure: Callable[[], RequestError] | None) -> None:
    for call in calls:
        if call.done.done():  # nobody waits any more
            continue
        if failure is None:
            call.done.set_result(None)
        else:
            call.done.set_exception(failure())


def _copied(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, RequestError):
        return outcome
    copied = copy.copy(outcome)
    copied.__cause__ = outcome.__cause__
    return copied
