"""First come, first served batches within a cost budget."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.common.batching.base import Backlog, Batched, Compute
from services.common.deadline import Clock, Deadline
from services.common.errors import BackendFailed, DeadlineExceeded, Overloaded, RequestError, Unavailable
from services.common.telemetry.logs import get_logger

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_RATE_DECAY = 0.2
"""Weight of the newest batch in the running mean of speed."""

log = get_logger()


@dataclass(slots=True, kw_only=True, eq=False)
class _Entry(Generic[ItemT, ResultT]):
    item: ItemT
    cost: int
    deadline: Deadline
    queued_s: float
    future: asyncio.Future[ResultT]
    queue_s: float = field(default=0.0)
    compute_s: float = field(default=0.0)


class FifoBatcher(Generic[ItemT, ResultT]):
    """Takes the oldest items until the budget is full and computes them on a thread, one batch at a time.

    Args:
        compute: the model; an exception of its is narrowed down to the items that cause it.
        cost: an item's cost, for example its tokens.
        max_batch_cost: budget of one batch; an item that is larger alone still makes a batch.
        max_queued_cost: cost that may wait; more is refused.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        compute: Compute[ItemT, ResultT],
        *,
        cost: Callable[[ItemT], int],
        max_batch_cost: int,
        max_queued_cost: int,
        clock: Clock = time.monotonic,
    ) -> None:
        self._compute = compute
        self._cost = cost
        self._max_batch_cost = max_batch_cost
        self._max_queued_cost = max_queued_cost
        self._clock = clock
        self._queue: deque[_Entry[ItemT, ResultT]] = deque()
        self._queued_cost = 0
        self._seconds_per_cost = 0.0
        self._arrived = asyncio.Event()
        self._is_over = False

    async def submit(self, items: Sequence[ItemT], deadline: Deadline) -> Batched[ResultT]:
        """Compute all items: see `Batcher`."""
        entries = self._admit(items, deadline)
        futures = [entry.future for entry in entries]
        try:
            async with deadline.enforce("batch"):
                results = await asyncio.gather(*futures, return_exceptions=True)
        finally:
            for future in futures:
                future.cancel()  # abandoned entries are dropped before they are computed
        return Batched(
            results=[_checked(result) for result in results],
            queue_us=round(max((entry.queue_s for entry in entries), default=0.0) * 1e6),
            compute_us=round(sum({entry.compute_s for entry in entries}) * 1e6),
        )

    def backlog(self) -> Backlog:
        """Work that is waiting now."""
        return Backlog(queued_cost=self._queued_cost, predicted_wait_s=self._queued_cost * self._seconds_per_cost)

    async def run(self) -> None:
        """Compute until cancelled; however it ends, nobody waits for it in vain."""
        try:
            while True:
                await self._arrived.wait()
                if batch := self._next_batch():
                    await self._run_batch(batch)
                if not self._queue:
                    self._arrived.clear()
        finally:
            self._is_over = True
            _refuse(self._queue)
            self._queue.clear()
            self._queued_cost = 0

    def _admit(self, items: Sequence[ItemT], deadline: Deadline) -> list[_Entry[ItemT, ResultT]]:
        """Queue all items or none."""
        if self._is_over:
            raise _stopped()
        deadline.check("batch")
        costs = [self._cost(item) for item in items]
        if self._queue and self._queued_cost + sum(costs) > self._max_queued_cost:
            wait_s = max(1.0, self.backlog().predicted_wait_s)
            raise Overloaded(
                f"{self._queued_cost} tokens are waiting and {sum(costs)} more do not fit "
                f"(limit {self._max_queued_cost}); try again in {wait_s:.0f} s or send less at once",
                retry_after_s=wait_s,
            )
        loop = asyncio.get_running_loop()
        now_s = self._clock()
        entries: list[_Entry[ItemT, ResultT]] = [
            _Entry(item=item, cost=cost, deadline=deadline, queued_s=now_s, future=loop.create_future())
            for item, cost in zip(items, costs, strict=True)
        ]
        self._queue.extend(entries)
        self._queued_cost += sum(costs)
        self._arrived.set()
        return entries

    def _next_batch(self) -> list[_Entry[ItemT, ResultT]]:
        """The oldest wanted items within the budget."""
        batch: list[_Entry[ItemT, ResultT]] = []
        cost = 0
        while self._queue and (not batch or cost + self._queue[0].cost <= self._max_batch_cost):
            entry = self._queue.popleft()
            self._queued_cost -= entry.cost
            if not entry.future.done() and not _expired(entry):
                batch.append(entry)
                cost += entry.cost
        return batch

    async def _run_batch(self, batch: list[_Entry[ItemT, ResultT]]) -> None:
        started_s = self._clock()
        for entry in batch:
            entry.queue_s = started_s - entry.queued_s
        try:
            outcomes = await asyncio.to_thread(self._compute_narrowing, [entry.item for entry in batch])
        except BaseException:
            _refuse(batch)
            raise
        _log_failures(outcomes)
        seconds = self._clock() - started_s
        self._learn(seconds, sum(entry.cost for entry in batch))
        for entry, outcome in zip(batch, outcomes, strict=True):
            entry.compute_s = seconds
            if entry.future.done():
                continue
            if isinstance(outcome, RequestError):
                entry.future.set_exception(outcome)
            else:
                entry.future.set_result(outcome)

    def _compute_narrowing(self, items: Sequence[ItemT]) -> list[ResultT | RequestError]:
        """Compute; when that fails, halve until the guilty items stand alone."""
        try:
            return self._compute_all(items)
        except Exception as exc:  # noqa: BLE001 - whatever the model raises becomes its items' outcome
            if len(items) > 1:
                half = len(items) // 2
                return self._compute_narrowing(items[:half]) + self._compute_narrowing(items[half:])
            failure = BackendFailed("the model failed on this item; the log has the cause")
            failure.__cause__ = exc
            return [failure]

    def _compute_all(self, items: Sequence[ItemT]) -> list[ResultT | RequestError]:
        results: list[ResultT | RequestError] = list(self._compute(items))
        if len(results) != len(items):
            raise RuntimeError(f"{len(items)} items gave {len(results)} results. This is a bug of the backend.")
        return results

    def _learn(self, seconds: float, cost: int) -> None:
        measured = seconds / max(1, cost)
        known = self._seconds_per_cost
        self._seconds_per_cost = known + _RATE_DECAY * (measured - known) if known else measured


def _expired(entry: _Entry[ItemT, ResultT]) -> bool:
    """True for an entry whose deadline is over; it gets the error."""
    if not entry.deadline.is_over:
        return False
    entry.future.set_exception(DeadlineExceeded("the deadline passed in the queue; allow more time or send less"))
    return True


def _refuse(entries: Iterable[_Entry[ItemT, ResultT]]) -> None:
    """Tell those who still wait that nothing will be computed."""
    for entry in entries:
        if not entry.future.done():
            entry.future.set_exception(_stopped())


def _stopped() -> Unavailable:
    return Unavailable("the instance is stopping; try again", retry_after_s=1.0)


def _log_failures(outcomes: Sequence[object]) -> None:
    """One line for a batch: with a dead device every item fails for the same reason."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, BackendFailed)]
    if failures:
        log.error("items_failed", number=len(failures), of=len(outcomes), exc_info=failures[0].__cause__)


def _checked(result: ResultT | BaseException) -> ResultT | RequestError:
    """A result or an item's own error; the deadline's and the batcher's end are the whole call's."""
    if isinstance(result, DeadlineExceeded | Unavailable):
        raise result
    if isinstance(result, BaseException) and not isinstance(result, RequestError):
        raise result
    return result
