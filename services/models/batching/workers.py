"""The threads that compute: as many batches at once as the model has replicas."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from queue import SimpleQueue
from typing import Any

from services.common.deadline import Clock
from services.common.errors import DeadlineExceeded, DeviceMemoryFull, IsolaneError, RequestError
from services.common.telemetry.logs import get_logger
from services.models.backend import ModelBackend
from services.models.batching.bisection import Bisection, padded_tokens
from services.models.batching.cache import ResultCache
from services.models.batching.call import Call, Outcome, hand_out, resolve
from services.models.batching.metrics import ModelMetrics
from services.models.models import Tokens
from services.scheduler.policy import Policy
from services.scheduler.scheduler import Scheduler
from services.scheduler.speed import Speed, SpeedModel
from services.scheduler.work import Batch, Task

log = get_logger()


class WorkerDied(IsolaneError):
    """A thread that computes has ended, or does not end its batch: the process cannot go on."""


class Workers:
    """Threads that take batches from a scheduler until they are stopped.

    Args:
        scheduler: what waits; `lock` guards it.
        backend: the model.
        cache: keeps results.
        metrics: of the model.
        policy: the tuned numbers.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        backend: ModelBackend,
        cache: ResultCache,
        metrics: ModelMetrics,
        policy: Policy,
        clock: Clock,
    ) -> None:
        self.lock = threading.Lock()
        self.ended: Future[None] = Future()
        """Done when no more is to be computed, with why a thread has ended otherwise."""
        self._scheduler = scheduler
        self._backend = backend
        self._cache = cache
        self._metrics = metrics
        self._clock = clock
        replicas = max(1, backend.replicas)
        self._is_whole_device = replicas == 1
        """Every batch has the device for itself."""
        # One more prepares a batch for a GPU meanwhile. On a CPU that takes no time, and what is taken later is fairer.
        self._number = replicas if backend.model.device == "cpu" else replicas + 1
        self._replicas = threading.Semaphore(replicas)
        """Those that compute nothing."""
        self._bisection = Bisection(backend, self._learn_memory_full)
        self._model = SpeedModel(policy)
        self._learning = threading.Lock()
        """Guards the speed model: to solve it takes longer than anything that is done under the other lock."""
        self._idle = 0
        """Threads that wait in the queue below and are not woken yet."""
        # One futex: to wake a thread through it and the loop again takes 58 us, through a Condition 76 (measured).
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._is_over = False

    @property
    def speed(self) -> Speed:
        """What was learned of the model's speed."""
        return self._model.speed

    def start(self) -> None:
        """Begin to take batches."""
        for number in range(self._number):
            # Daemons: a batch that never ends must not hold the process.
            threading.Thread(target=self._run, name=f"batches-{number}", daemon=True).start()

    def stop(self) -> None:
        """Begin no more batches."""
        with self.lock:
            self._is_over = True
            self.wake(self._number)

    def wake(self, tasks: int) -> None:
        """So many tasks may have begun to wait; to be called under the lock."""
        woken = min(self._idle, tasks)
        self._idle -= woken
        for _ in range(woken):
            self._wakes.put(None)

    def end(self, cause: WorkerDied | None = None) -> None:
        """Nothing more is to be computed, or can be; the first to say so counts."""
        with contextlib.suppress(InvalidStateError):
            if cause is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(cause)

    def check(self, stall_s: float) -> None:
        """Raise WorkerDied when a batch has been prepared or computed for so long that it will never end."""
        with self.lock:
            oldest_s = self._scheduler.oldest_s
        if self._clock() - oldest_s > stall_s:
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
                self._compute(batch)
        except BaseException as exc:  # noqa: BLE001 - whatever ends a thread ends the process
            died = WorkerDied(f"{self._backend.model.id}: a thread that computes has ended")
            died.__cause__ = exc
            self.end(died)

    def _next(self) -> Batch | None:
        """The next batch; waits for it, and gives None at the end."""
        while True:
            with self.lock:
                if self._is_over:
                    return None
                batch = self._scheduler.take(self._clock())
                if not batch.tasks:
                    self._idle += 1
            self._tell_late(batch)
            if batch.tasks:
                return batch
            self._wakes.get()

    def _compute(self, batch: Batch) -> None:
        """Prepare while others compute, compute, tell those who wait."""
        items = _items(batch.tasks)
        prepared = self._bisection.prepare(items)
        with self._replicas:
            with self.lock:
                self._scheduler.begin(batch, self._clock())
            self._tell_late(batch)
            if not batch.tasks:
                return
            if len(batch.tasks) != len(items):
                items, prepared = _items(batch.tasks), None
            alone = self._is_whole_device or batch.is_only
            started_s = self._clock()
            outcomes = self._bisection.compute(items, prepared, alone=alone)
            seconds = self._clock() - started_s
        has_failed = self._log_failed(batch.tasks, outcomes)
        self._finish(batch, outcomes)
        padded = padded_tokens(items)
        if not has_failed and alone is self._is_whole_device:
            self._learn(padded, len(items), seconds)
        self._metrics.batch(tokens=batch.cost, padded_tokens=padded, seconds=seconds)

    def _finish(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Keep the outcomes, and hand them to those who wait."""
        for task, outcome in zip(batch.tasks, outcomes, strict=True):
            if task.work.key is not None and not isinstance(outcome, RequestError):
                self._cache.put(task.work.key, outcome)
        with self.lock:
            complete = self._scheduler.finish(batch, self._clock())
            for task, outcome in zip(batch.tasks, outcomes, strict=True):
                hand_out(task, outcome)
        resolve(complete)

    def _tell_late(self, batch: Batch) -> None:
        resolve(batch.late, _late)
        batch.late = []

    def _log_failed(self, tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> bool:
        """Whether items failed; one line for a batch, as with a broken model every item fails for the same reason."""
        failed = {task: it for task, it in zip(tasks, outcomes, strict=True) if isinstance(it, RequestError)}
        if failed:
            with self.lock:
                ids = sorted({call.id for task in failed for call in task.waiters if isinstance(call, Call)})
            log.error(
                "items_failed",
                model=self._backend.model.id,
                number=len(failed),
                of=len(tasks),
                request_ids=ids,
                exc_info=next(iter(failed.values())).__cause__,
            )
        return bool(failed)

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


def _late() -> DeadlineExceeded:
    return DeadlineExceeded(
        "it waited so long for others' work that too little of its time is left; allow more time or send less at once"
    )
