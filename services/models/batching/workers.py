"""The threads that compute: as many batches at once as the model has replicas."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from services.common.deadline import Clock
from services.common.errors import DeadlineExceeded, DeviceMemoryFull, IsolaneError, RequestError
from services.common.telemetry.logs import get_logger
from services.models.backend import ModelBackend
from services.models.batching.bisection import Bisection, padded_tokens
from services.models.batching.cache import ResultCache
from services.models.batching.call import Call, Outcome, hand_out
from services.models.batching.observer import BatchReport, Observer
from services.models.models import Tokens
from services.models.scheduler.policy import Policy
from services.models.scheduler.scheduler import Scheduler
from services.models.scheduler.speed import Speed, SpeedModel
from services.models.scheduler.work import Batch, Request, Task

log = get_logger()

Resolve = Callable[[Iterable[Request], Callable[[], RequestError] | None], None]
"""Told of requests that are complete, or failed as a whole with an error that is made for each; on any thread."""


class WorkerDied(IsolaneError):
    """A thread that computes has ended, or does not end its batch: the process cannot go on."""


class Workers:
    """Threads that take batches from a scheduler until they are stopped.

    Args:
        scheduler: what waits; `lock` guards it.
        backend: the model.
        cache: keeps results.
        observer: told of batches.
        policy: the tuned numbers.
        resolve: see `Resolve`.
        on_death: told why when a thread ends otherwise; called on that thread.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        backend: ModelBackend,
        cache: ResultCache,
        observer: Observer,
        policy: Policy,
        *,
        resolve: Resolve,
        on_death: Callable[[WorkerDied], None],
        clock: Clock,
    ) -> None:
        self.lock = threading.Lock()
        self._scheduler = scheduler
        self._backend = backend
        self._cache = cache
        self._observer = observer
        self._resolve = resolve
        self._on_death = on_death
        self._clock = clock
        self._replicas = max(1, backend.replicas)
        self._is_whole_device = self._replicas == 1
        """Every batch has the device for itself."""
        # What prepares a batch for a GPU meanwhile. On a CPU that takes no time, and what is taken later is fairer.
        self._ahead = 0 if backend.model.device == "cpu" else 1
        self._free = threading.Semaphore(self._replicas)
        """Replicas that compute nothing."""
        self._bisection = Bisection(backend, self._learn_memory_full)
        self._model = SpeedModel(policy)
        self._learning = threading.Lock()
        """Guards the speed model: to solve it takes longer than anything that is done under the other lock."""
        self._idle = 0
        """Threads that wait in the queue below and are not woken yet."""
        # One futex: to wake a thread through it and the loop again takes 58 us, through a Condition 76 (measured).
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._since_s: dict[int, float] = {}
        """When the threads that have a batch began to prepare or to compute it."""
        self._is_over = False

    @property
    def speed(self) -> Speed:
        """What was learned of the model's speed."""
        return self._model.speed

    def start(self) -> None:
        """Begin to take batches."""
        for number in range(self._replicas + self._ahead):
            # Daemons: a batch that never ends must not hold the process.
            threading.Thread(target=self._run, name=f"batches-{number}", daemon=True).start()

    def stop(self) -> None:
        """Begin no more batches."""
        with self.lock:
            self._is_over = True
        self.wake(self._replicas + self._ahead)

    def wake(self, tasks: int) -> None:
        """So many tasks may have begun to wait."""
        with self.lock:
            woken = min(self._idle, tasks)
            self._idle -= woken
        for _ in range(woken):
            self._wakes.put(None)

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
                self._learn_memory_full(padded_tokens(batch))
                return
            self._learn(padded_tokens(batch), len(batch), seconds)

    def _timed(self, prepared: Any) -> float:
        started_s = self._clock()
        self._backend.compute(prepared, alone=self._is_whole_device)
        return self._clock() - started_s

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._since_s[threading.get_ident()] = self._clock()
                try:
                    self._compute(batch)
                finally:
                    del self._since_s[threading.get_ident()]
        except BaseException as exc:  # noqa: BLE001 - whatever ends a thread ends the process
            died = WorkerDied(f"{self._backend.model.id}: a thread that computes has ended")
            died.__cause__ = exc
            self._on_death(died)

    def _next(self) -> Batch | None:
        """The next batch; waits for it, and gives None at the end."""
        while True:
            with self.lock:
                if self._is_over:
                    return None
                now_s = self._clock()
                batch = self._scheduler.take(now_s)
                if batch.tasks and not self._ahead:
                    self._scheduler.begin(batch, now_s)
                elif not batch.tasks:
                    self._idle += 1
            self._tell_late(batch)
            if batch.tasks:
                return batch
            self._wakes.get()

    def _compute(self, batch: Batch) -> None:
        """Prepare while others compute, compute, tell those who wait."""
        tasks = batch.tasks
        prepared = self._bisection.prepare(_items(tasks))
        with self._replica(batch):
            if not batch.tasks:
                return
            if len(batch.tasks) != len(tasks):
                prepared = None
            alone = self._is_whole_device or batch.is_only
            started_s = self._clock()
            outcomes = self._bisection.compute(_items(batch.tasks), prepared, alone=alone)
            seconds = self._clock() - started_s
        ids = _failed_ids(batch.tasks, outcomes)
        self._finish(batch, outcomes)
        self._report(batch.tasks, outcomes, ids, seconds, alone=alone)

    @contextlib.contextmanager
    def _replica(self, batch: Batch) -> Iterator[None]:
        """One of the replicas for the body, in which the batch is computed."""
        if not self._ahead:
            yield
            return
        with self._free:
            with self.lock:
                self._scheduler.begin(batch, self._clock())
            self._tell_late(batch)
            self._since_s[threading.get_ident()] = self._clock()
            yield

    def _finish(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Keep the outcomes, and hand them to those who wait."""
        for task, outcome in zip(batch.tasks, outcomes, strict=True):
            if task.work.key is not None and not isinstance(outcome, RequestError):
                self._cache.put(task.work.key, outcome)
        with self.lock:
            complete = self._scheduler.finish(batch, self._clock())
            for task, outcome in zip(batch.tasks, outcomes, strict=True):
                hand_out(task, outcome)
        if complete:
            self._resolve(complete, None)

    def _tell_late(self, batch: Batch) -> None:
        if batch.late:
            self._resolve(batch.late, _late)
            batch.late = []

    def _report(
        self, tasks: Sequence[Task], outcomes: Sequence[Outcome], ids: Sequence[str], seconds: float, *, alone: bool
    ) -> None:
        items = _items(tasks)
        padded = padded_tokens(items)
        failures = [outcome for outcome in outcomes if isinstance(outcome, RequestError)]
        if failures:
            # One line for a batch: with a broken model every item fails for the same reason.
            log.error(
                "items_failed",
                model=self._backend.model.id,
                number=len(failures),
                of=len(items),
                request_ids=ids,
                exc_info=failures[0].__cause__,
            )
        elif alone is self._is_whole_device:
            self._learn(padded, len(items), seconds)
        self._observer.batch(
            BatchReport(
                items=len(items),
                tokens=sum(len(item.ids) for item in items),
                padded_tokens=padded,
                seconds=seconds,
                failed=len(failures),
            )
        )

    def _learn(self, padded: int, items: int, seconds: float) -> None:
        with self._learning:
            speed = self._model.observe(tokens=padded, items=items, seconds=seconds)
        with self.lock:
            self._scheduler.note_batch(speed, padded_tokens=padded, now_s=self._clock())

    def _learn_memory_full(self, padded: int) -> None:
        with self.lock:
            self._scheduler.note_memory_full(padded)


def _items(tasks: Iterable[Task]) -> list[Tokens]:
    return [task.work.payload for task in tasks]


def _failed_ids(tasks: Iterable[Task], outcomes: Iterable[Outcome]) -> list[str]:
    """The requests whose items failed."""
    failed = (task for task, outcome in zip(tasks, outcomes, strict=True) if isinstance(outcome, RequestError))
    return sorted({call.id for task in failed for call in task.waiters if isinstance(call, Call)})


def _late() -> DeadlineExceeded:
    return DeadlineExceeded("the deadline passed in the queue, or will; allow more time or send less")
