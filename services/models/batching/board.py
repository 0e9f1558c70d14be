"""What waits, what is on its way and what is kept, for the event loop and the threads alike."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from services.common.caller import Caller
from services.common.deadline import Clock, Deadline
from services.common.errors import DeadlineExceeded, RequestError, Unavailable
from services.common.reply import Backlog
from services.models.batching.admission import Admission
from services.models.batching.base import Work
from services.models.batching.cache import ResultCache
from services.models.batching.entry import Entry, Request
from services.models.batching.fair_queue import FairQueue
from services.models.batching.latency import Coefficients
from services.models.batching.narrowing import Outcome
from services.models.batching.observer import Observer
from services.models.batching.pace import Pace

_NARROW_S = 0.02
"""An end with less time left counts as late: the caller's own deadline cancels a call some milliseconds before ours."""
_SHARED_S = 10.0
"""A model counts as shared so long after another client's request."""

Settle = Callable[[Iterable[Request], RequestError | None], None]
"""Told of requests that are complete, or failed as a whole; called on any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Entries that a thread has taken."""

    number: int
    """Batches are computed in the order of their numbers."""
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A batch that is computed now."""

    entries: Sequence[Entry]
    """What of it is still wanted; empty when nothing is."""
    requests: frozenset[Request]
    is_only: bool
    """Nothing else waits or is on its way."""


class Board:
    """Keeps the books. Safe on several threads; the first half is for the event loop, the second for the threads.

    Args:
        pace: how fast the model is.
        max_queued_tokens: tokens that may wait.
        cache: results from before.
        observer: told of refusals.
        settle: see `Settle`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        pace: Pace,
        *,
        max_queued_tokens: int,
        cache: ResultCache,
        observer: Observer,
        settle: Settle,
        clock: Clock,
    ) -> None:
        self._pace = pace
        self._queue = FairQueue(quantum=pace.quantum)
        self._admission = Admission(self._queue, pace, max_queued_cost=max_queued_tokens, clock=clock)
        self._cache = cache
        self._observer = observer
        self._settle = settle
        self._clock = clock
        self._pending: dict[bytes, Entry] = {}
        """What is queued or taken and may be joined, by key."""
        self._taken: set[Entry] = set()
        """What threads have taken from the queue and not ended."""
        self._number = 0
        self._last_client: str | None = None
        self._shared_until_s = float("-inf")
        """Until then several clients are taken to send work."""
        self._is_closed = False
        self._is_over = False
        self._changed = threading.Condition()
        """Guards all of this; notified when work arrives."""

    def admit(self, cost: int, caller: Caller, deadline: Deadline) -> None:
        """Count `cost` as waiting until `release`; raises as `TokenBatcher.admit` does."""
        with self._changed:
            if self._is_closed:
                raise _stopped()
            self._check(cost, caller, deadline)
            self._queue.expect(caller, cost)

    def largest(self, caller: Caller) -> int:
        """Tokens of the largest request of a caller that is ever taken."""
        return self._admission.largest(caller)

    def release(self, cost: int, caller: Caller) -> None:
        """What was admitted is queued, or will not be."""
        with self._changed:
            self._queue.expect(caller, -cost)

    def enqueue(self, request: Request, items: Sequence[Work]) -> tuple[list[Entry], list[int]]:
        """Queue all items that are neither kept nor on their way, or none: the entries, and the positions that share.

        Raises:
            Overloaded, TooLarge, DeadlineTooShort, DeadlineExceeded, Unavailable: see `TokenBatcher.submit`.
        """
        with self._changed:
            fresh: dict[bytes, Entry] = {}
            queued: list[Entry] = []
            joined: list[tuple[Entry, int]] = []
            kept: list[int] = []
            for index, work in enumerate(items):
                if work.key is None:
                    queued.append(_entry(work, request, index))
                elif (result := self._cache.get(work.key)) is not None:
                    request.settle(index, result, request.submitted_s)
                    kept.append(index)
                elif (entry := self._pending.get(work.key) or fresh.get(work.key)) is not None:
                    joined.append((entry, index))
                else:
                    queued.append(_entry(work, request, index))
                    fresh[work.key] = queued[-1]
            self._check(_cost(queued), request.caller, request.deadline)
            self._note_client(request)
            self._pending.update(fresh)
            self._queue.add(queued)
            for entry, index in joined:
                self._join(entry, request, index)
            self._changed.notify(len(queued))
            shared = sorted([*kept, *(index for _, index in joined)])
            return [*queued, *(entry for entry, _ in joined)], shared

    def finish(self, request: Request, entries: Sequence[Entry]) -> None:
        """A request came to its end; what is missing and nobody else wants leaves the queue now."""
        with self._changed:
            is_late = request.deadline.remaining_s() < _NARROW_S
            if is_late or not request.missing:
                self._admission.observe(is_late=is_late)
            if not request.missing:
                return
            for entry in entries:
                entry.forget(request)
                if not entry.waiters and entry.is_queued:
                    self._queue.discard(entry)
                    self._forget_key(entry)

    def backlog(self) -> Backlog:
        """Work that waits, and how long it and the work in progress will take."""
        with self._changed:
            cost = self._queue.cost + self._admission.in_progress
            wait_s = self._pace.seconds(cost, is_shared=self._admission.is_shared) if cost else 0.0
            return Backlog(queued_cost=self._queue.cost, predicted_wait_s=wait_s)

    @property
    def is_idle(self) -> bool:
        """True when nothing waits or is on its way."""
        with self._changed:
            return not (self._queue.count or self._queue.cost or self._taken)

    @property
    def coefficients(self) -> Coefficients:
        """What was learned of the model's speed."""
        with self._changed:
            return self._pace.coefficients

    def close(self) -> None:
        """Let no more in; what was let in may still be queued."""
        self._is_closed = True

    def stop(self) -> None:
        """Let the threads end, and tell those who wait."""
        with self._changed:
            self._is_closed = self._is_over = True
            waiting = [*self._queue.drop_all(), *self._taken]
            self._pending.clear()
            self._changed.notify_all()
        self._settle({request for entry in waiting for request in entry.requests}, _stopped())

    def take(self) -> Batch | None:
        """The next batch; waits for it, and gives None at the end."""
        with self._changed:
            while not self._is_over:
                self._queue.set_quantum(self._pace.quantum)
                self._admission.is_shared = self._clock() < self._shared_until_s
                limits = self._pace.limits(is_shared=self._admission.is_shared)
                entries = self._wanted(self._queue.take(limits))
                if entries:
                    self._taken.update(entries)
                    self._admission.in_progress += _cost(entries)
                    self._number += 1
                    return Batch(number=self._number, entries=entries)
                if not self._queue.count:
                    self._changed.wait()
            return None

    def begin(self, batch: Batch) -> Begun:
        """Drop what nobody wants any more; the rest is computed from now on."""
        with self._changed:
            entries = [] if self._is_over else self._wanted(batch.entries)
            self._give_back(set(batch.entries).difference(entries))
            requests = frozenset(request for entry in entries for request in entry.requests)
            now_s = self._clock()
            for request in requests:
                request.begin(now_s)
            is_only = len(self._taken) == len(entries) and not self._queue.count
            return Begun(entries=entries, requests=requests, is_only=is_only)

    def end(self, begun: Begun, outcomes: Sequence[Outcome]) -> None:
        """Hand the outcomes to those who wait, and keep them."""
        complete: list[Request] = []
        with self._changed:
            now_s = self._clock()
            for request in begun.requests:
                request.end(now_s)
            for entry, outcome in zip(begun.entries, outcomes, strict=True):
                if entry.work.key is not None and not isinstance(outcome, RequestError):
                    self._cache.put(entry.work.key, outcome)
                complete += [request for request, index in entry.waiters if request.settle(index, outcome, now_s)]
                entry.waiters = []
            self._give_back(begun.entries)
        if complete:
            self._settle(complete, None)

    def learn(self, *, padded_tokens: int, items: int, seconds: float) -> None:
        """A batch took so long, computed as under load."""
        with self._changed:
            self._pace.observe(padded_tokens=padded_tokens, items=items, seconds=seconds)
            self._admission.note_learned()

    def learn_memory_full(self, padded_tokens: int) -> None:
        """The device had no memory for a batch of that size."""
        with self._changed:
            self._pace.observe_memory_full(padded_tokens)

    def _check(self, cost: int, caller: Caller, deadline: Deadline) -> None:
        if self._is_over:
            raise _stopped()
        deadline.check("batch")
        if cost and (refusal := self._admission.refusal(cost, caller, deadline)) is not None:
            self._observer.refused(refusal.reason)
            raise refusal.error

    def _note_client(self, request: Request) -> None:
        """Take note of whether several clients send work."""
        if self._last_client not in {None, request.caller.client}:
            self._shared_until_s = request.submitted_s + _SHARED_S
        self._last_client = request.caller.client

    def _join(self, entry: Entry, request: Request, index: int) -> None:
        """Let a request wait for an entry of another's, in whichever place is served earlier."""
        entry.waiters.append((request, index))
        if entry.is_queued and self._queue.ahead(request.caller, entry.cost) < self._queue.ahead(entry.caller, 0):
            self._queue.move(entry, request.caller)

    def _wanted(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries that somebody still waits for; a request whose deadline is over is told."""
        late = {request for entry in entries for request in entry.requests if request.deadline.is_over}
        for entry, request in itertools.product(entries, late):
            entry.forget(request)
        if late:
            self._settle(late, DeadlineExceeded("the deadline passed in the queue; allow more time or send less"))
        for entry in entries:
            if not entry.waiters:
                self._forget_key(entry)
        return [entry for entry in entries if entry.waiters]

    def _give_back(self, entries: Iterable[Entry]) -> None:
        """These are done, or nobody wants them any more."""
        gone = self._taken.intersection(entries)
        self._taken -= gone
        self._admission.in_progress -= _cost(gone)
        for entry in gone:
            self._forget_key(entry)

    def _forget_key(self, entry: Entry) -> None:
        """Nobody may join the entry any more."""
        if entry.work.key is not None and self._pending.get(entry.work.key) is entry:
            del self._pending[entry.work.key]


def _entry(work: Work, request: Request, index: int) -> Entry:
    return Entry(work=work, waiters=[(request, index)], caller=request.caller, cost=work.cost)


def _cost(entries: Iterable[Entry]) -> int:
    return sum(entry.cost for entry in entries)


def _stopped() -> Unavailable:
    return Unavailable("the instance is stopping, or the model is being unloaded; try again", retry_after_s=1.0)
