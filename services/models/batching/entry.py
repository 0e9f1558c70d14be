"""What waits in the queue: an item, and the requests that want its result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.common.caller import Caller
from services.common.deadline import Deadline
from services.common.errors import RequestError
from services.models.batching.base import Result, Work


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """One `submit`: its results as they come, and the time in which any of its items was computed."""

    id: str
    """By which logs find it."""
    deadline: Deadline
    caller: Caller
    done: asyncio.Future[None]
    """Resolved in the event loop, once nothing is missing or the request failed as a whole."""
    results: list[Result | RequestError]
    missing: int
    submitted_s: float
    finished_s: float = 0.0
    compute_s: float = 0.0
    failure: RequestError | None = None
    """Why the request failed as a whole."""
    _running: int = 0
    _since_s: float = 0.0

    def begin(self, now_s: float) -> None:
        """A batch with items of this request starts."""
        if self._running == 0:
            self._since_s = now_s
        self._running += 1

    def end(self, now_s: float) -> None:
        """Such a batch has ended."""
        self._running -= 1
        if self._running == 0:
            self.compute_s += now_s - self._since_s

    def settle(self, index: int, result: Result | RequestError, now_s: float) -> bool:
        """Take the result of one item; True when it was the last."""
        self.results[index] = result
        self.missing -= 1
        self.finished_s = now_s
        return self.missing == 0


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One item in the queue or in a batch."""

    work: Work
    waiters: list[tuple[Request, int]]
    """Requests that want the result, each with the item's position in it; empty once all of them are gone."""
    caller: Caller
    """Whose share it is taken from."""
    cost: int
    is_queued: bool = field(default=False)

    @property
    def requests(self) -> Sequence[Request]:
        """The requests that want it."""
        return [request for request, _ in self.waiters]

    def forget(self, request: Request) -> None:
        """The request is gone."""
        self.waiters = [waiter for waiter in self.waiters if waiter[0] is not request]
