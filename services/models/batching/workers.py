"""The threads that compute: as many batches at once as the model has replicas."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from services.common.deadline import Clock
from services.common.errors import DeviceMemoryFull, IsolaneError, RequestError
from services.common.telemetry.logs import get_logger
from services.models.backend import ModelBackend
from services.models.batching.board import Batch, Begun, Board
from services.models.batching.entry import Entry
from services.models.batching.narrowing import Narrowing, Outcome, padded_tokens
from services.models.batching.observer import BatchReport, Observer
from services.models.models import Tokens

log = get_logger()


class WorkerDied(IsolaneError):
    """A thread that computes has ended, or does not end its batch: the process cannot go on."""


class Workers:
    """Threads that take batches from a board until it is stopped.

    Args:
        board: what waits.
        backend: the model.
        observer: told of batches.
        on_death: told why when a thread ends otherwise; called on that thread.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        board: Board,
        backend: ModelBackend,
        observer: Observer,
        *,
        on_death: Callable[[WorkerDied], None],
        clock: Clock,
    ) -> None:
        self._board = board
        self._backend = backend
        self._observer = observer
        self._on_death = on_death
        self._clock = clock
        self._replicas = max(1, backend.replicas)
        self._is_whole_device = self._replicas == 1
        """Every batch has the device for itself."""
        self._narrowing = Narrowing(backend, board.learn_memory_full)
        self._begun = 0
        """Number of the batch that began last."""
        self._computing = 0
        """Number of batches that are computed now."""
        self._moved_on = threading.Condition()
        """Guards these two; notified when a batch begins or ends."""
        self._since_s: dict[int, float] = {}
        """When the threads that have a batch began to prepare or to compute it."""
        self._is_over = False

    def start(self) -> None:
        """Begin to take batches."""
        # What prepares a batch for a GPU meanwhile. On a CPU that takes no time, and what is taken later is fairer.
        ahead = 0 if self._backend.model.device == "cpu" else 1
        for number in range(self._replicas + ahead):
            # Daemons: a batch that never ends must not hold the process.
            threading.Thread(target=self._run, name=f"batches-{number}", daemon=True).start()

    def stop(self) -> None:
        """Begin no more batches; the board is stopped too."""
        with self._moved_on:
            self._is_over = True
            self._moved_on.notify_all()

    def check(self, stall_s: float) -> None:
        """Raise WorkerDied when a batch has been prepared or computed for so long that it will never end."""
        oldest_s = min(self._since_s.copy().values(), default=None)
        if oldest_s is not None and self._clock() - oldest_s > stall_s:
            raise WorkerDied(f"{self._backend.model.id}: a batch has not ended in {stall_s:.0f} s")

    def warm_up(self, batches: Iterable[Sequence[Tokens]]) -> None:
        """Compute batches here, in turn, and learn their speed; a larger one than there is memory for is the last.

        Raises:
            DeviceMemoryFull: not even one item fits.
        """
        for batch in batches:
            try:
                prepared = self._backend.prepare(batch)
                if not self._is_whole_device:
                    self._backend.compute(prepared, alone=True)
                self._backend.compute(prepared, alone=self._is_whole_device)
                # The faster of two: a machine that was busy with something else says nothing of the model.
                seconds = min(self._timed(prepared), self._timed(prepared))
            except DeviceMemoryFull:
                if len(batch) == 1:
                    raise
                self._board.learn_memory_full(padded_tokens(batch))
                return
            self._board.learn(padded_tokens=padded_tokens(batch), items=len(batch), seconds=seconds)

    def _timed(self, prepared: Any) -> float:
        started_s = self._clock()
        self._backend.compute(prepared, alone=self._is_whole_device)
        return self._clock() - started_s

    def _run(self) -> None:
        try:
            while (batch := self._board.take()) is not None:
                self._since_s[threading.get_ident()] = self._clock()
                try:
                    self._compute(batch)
                finally:
                    del self._since_s[threading.get_ident()]
        except BaseException as exc:  # noqa: BLE001 - whatever ends a thread ends the process
            died = WorkerDied(f"{self._backend.model.id}: a thread that computes has ended")
            died.__cause__ = exc
            self._on_death(died)

    def _compute(self, batch: Batch) -> None:
        """Prepare while others compute, compute, tell those who wait."""
        prepared = self._narrowing.prepare(_items(batch.entries))
        with self._slot(batch.number):
            begun = self._board.begin(batch)
            if not begun.entries:
                return
            if len(begun.entries) != len(batch.entries):
                prepared = None
            alone = self._is_whole_device or begun.is_only
            started_s = self._clock()
            outcomes = self._narrowing.compute(_items(begun.entries), prepared, alone=alone)
            seconds = self._clock() - started_s
        self._report(begun, outcomes, seconds, alone=alone)
        self._board.end(begun, outcomes)

    @contextlib.contextmanager
    def _slot(self, number: int) -> Iterator[None]:
        """One of the replicas for the body; batches get theirs in the order in which they were taken."""
        with self._moved_on:
            while not self._is_over and (number > self._begun + 1 or self._computing >= self._replicas):
                self._moved_on.wait()
            self._begun = number
            self._computing += 1
            self._since_s[threading.get_ident()] = self._clock()
            self._moved_on.notify_all()
        try:
            yield
        finally:
            with self._moved_on:
                self._computing -= 1
                self._moved_on.notify_all()

    def _report(self, begun: Begun, outcomes: Sequence[Outcome], seconds: float, *, alone: bool) -> None:
        items = _items(begun.entries)
        padded = padded_tokens(items)
        failures = [outcome for outcome in outcomes if isinstance(outcome, RequestError)]
        if failures:
            # One line for a batch: with a broken model every item fails for the same reason.
            log.error(
                "items_failed",
                model=self._backend.model.id,
                number=len(failures),
                of=len(items),
                request_ids=_request_ids(begun.entries, outcomes),
                exc_info=failures[0].__cause__,
            )
        elif alone is self._is_whole_device:
            self._board.learn(padded_tokens=padded, items=len(items), seconds=seconds)
        self._observer.batch(
            BatchReport(
                items=len(items),
                tokens=sum(len(item.ids) for item in items),
                padded_tokens=padded,
                seconds=seconds,
                failed=len(failures),
            )
        )


def _items(entries: Iterable[Entry]) -> list[Tokens]:
    return [entry.work.tokens for entry in entries]


def _request_ids(entries: Iterable[Entry], outcomes: Iterable[Outcome]) -> list[str]:
    """The requests whose items failed."""
    failed = (entry for entry, outcome in zip(entries, outcomes, strict=True) if isinstance(outcome, RequestError))
    return sorted({request.id for entry in failed for request in entry.requests})
