"""The event loop's side: items in, results out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from services.common.caller import Caller
from services.common.deadline import Clock, Deadline
from services.common.errors import RequestError, Unavailable
from services.common.reply import Backlog
from services.common.telemetry import request_id
from services.common.threadsafe import call_in
from services.models.backend import ModelBackend
from services.models.batching.bisection import padded_tokens
from services.models.batching.cache import ResultCache
from services.models.batching.call import Batched, Call
from services.models.batching.observer import Observer
from services.models.batching.workers import WorkerDied, Workers
from services.models.models import Tokens
from services.models.scheduler.policy import Policy
from services.models.scheduler.scheduler import Scheduler
from services.models.scheduler.speed import Speed
from services.models.scheduler.work import Refusal, Request, Work

_STALL_CHECK_S = 1.0
_DRAIN_CHECK_S = 0.02


class Batcher:
    """Owns the scheduler of one model, the lock around it and the threads that compute.

    Nothing waits for a timer: while batches are computed the queue grows, and so do the batches.

    Args:
        backend: the model.
        max_batch_tokens: no batch is larger, but an item that is larger alone still makes one.
        max_queued_tokens: tokens that may wait; more is refused.
        cache: results from before; other batchers have the same.
        observer: takes note.
        policy: the tuned numbers.
        stall_s: a batch that takes so long never ends.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        backend: ModelBackend,
        *,
        max_batch_tokens: int,
        max_queued_tokens: int,
        cache: ResultCache,
        observer: Observer,
        policy: Policy = Policy(),  # noqa: B008 - frozen
        stall_s: float = 120.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._max_batch_tokens = max_batch_tokens
        self._cache = cache
        self._observer = observer
        self._stall_s = stall_s
        self._clock = clock
        self._scheduler = Scheduler(
            policy,
            most_queued=max_queued_tokens,
            most_batched=max_batch_tokens,
            replicas=max(1, backend.replicas),
        )
        self._workers = Workers(
            self._scheduler, backend, cache, observer, policy, resolve=self._resolve, on_death=self._end, clock=clock
        )
        self._lock = self._workers.lock
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None]
        """When `run` has to end."""

    @contextlib.contextmanager
    def reserve(self, cost: int, caller: Caller, deadline: Deadline) -> Iterator[None]:
        """Refuse early what `submit` would refuse, before any work is spent, or count it as waiting in the body.

        Args:
            cost: an estimate that is rather too low. Unit: tokens.
            caller: who asks.
            deadline: when the caller stops waiting.

        Raises:
            Overloaded, TooLarge, DeadlineTooShort, DeadlineExceeded, Unavailable: as `submit`.
        """
        self._check(deadline)
        with self._lock:
            if (refusal := self._scheduler.refusal(cost, caller, deadline.at_s, self._clock())) is None:
                self._scheduler.reserve(caller, cost)
        if refusal is not None:
            raise self._refused(refusal)
        try:
            yield
        finally:
            with self._lock:
                self._scheduler.reserve(caller, -cost)

    async def submit(self, items: Sequence[Work], caller: Caller, deadline: Deadline) -> Batched:
        """Compute all items; what is kept from before costs nothing and is never refused.

        Raises:
            Overloaded: they do not fit or would be late; nothing was computed, and the error says when to come back.
            TooLarge: they would not fit even if nothing waited.
            DeadlineTooShort: the items alone need more time than the deadline leaves; nothing was computed.
            DeadlineExceeded: the deadline passed first.
            Unavailable: nothing will be computed any more.
        """
        results = [None if work.key is None else self._cache.get(work.key) for work in items]
        missing = [(at, work) for at, work in enumerate(items) if results[at] is None]
        if not missing:
            self._observer.waited(0.0)
            return Batched(results=results, reused=list(range(len(items))))
        self._check(deadline)
        call = Call(
            id=request_id.current.get(),
            deadline_s=deadline.at_s,
            caller=caller,
            done=asyncio.get_running_loop().create_future(),
            results=results,
            submitted_s=self._clock(),
        )
        with self._lock:
            joined = self._scheduler.submit(call, missing, call.submitted_s)
        if isinstance(joined, Refusal):
            raise self._refused(joined)
        self._workers.wake(len(missing))
        try:
            async with deadline.enforce("batch"):
                await call.done
        finally:
            if call.missing:
                with self._lock:
                    self._scheduler.cancel(call)
        if call.failure is not None:
            raise call.failure
        queue_s = max(0.0, call.finished_s - call.submitted_s - call.compute_s)
        self._observer.waited(queue_s)
        fresh = {at for at, _ in missing}.difference(joined)
        return Batched(
            results=call.results,
            reused=[at for at in range(len(items)) if at not in fresh],
            queue_us=round(queue_s * 1e6),
            compute_us=round(call.compute_s * 1e6),
        )

    def backlog(self) -> Backlog:
        """Work that is waiting now."""
        with self._lock:
            return self._scheduler.backlog()

    @property
    def speed(self) -> Speed:
        """What was learned of the model's speed."""
        return self._workers.speed

    def warm_up(self, batches: Iterable[Sequence[Tokens]]) -> None:
        """Compute batches in turn, as far as they are not too large, and learn their speed; blocking.

        Raises:
            DeviceMemoryFull: not even one item fits the device's memory.
        """
        most = self._max_batch_tokens
        self._workers.warm_up(batch for batch in batches if len(batch) == 1 or padded_tokens(batch) <= most)

    async def run(self) -> None:
        """Compute until cancelled or drained; the process supervises it, and ends when it fails.

        However it ends, those who wait are told at once.

        Raises:
            WorkerDied: a thread ended, or did not end its batch.
        """
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._workers.start()
        try:
            while not self._ended.done():
                await asyncio.wait({self._ended}, timeout=_STALL_CHECK_S)
                self._workers.check(self._stall_s)
            self._ended.result()
        finally:
            self._stop()

    async def drain(self) -> None:
        """Let no more in, finish what is there, and let `run` return."""
        self._is_closed = True
        while not self._is_idle:  # noqa: ASYNC110 - threads change it
            await asyncio.sleep(_DRAIN_CHECK_S)
        self._end(None)

    @property
    def _is_idle(self) -> bool:
        with self._lock:
            return self._scheduler.is_idle

    def _stop(self) -> None:
        """Begin no more batches, and tell those who wait."""
        self._is_closed = True
        self._workers.stop()
        with self._lock:
            waiting = self._scheduler.drop_all()
        self._resolve(waiting, _stopped)

    def _check(self, deadline: Deadline) -> None:
        if self._is_closed:
            raise _stopped()
        deadline.check("batch")

    def _refused(self, refusal: Refusal) -> RequestError:
        self._observer.refused(refusal.reason)
        return refusal.error

    def _resolve(self, requests: Iterable[Request], failure: Callable[[], RequestError] | None) -> None:
        """Requests are complete, or failed as a whole, each with an error of its own; from any thread."""
        self._call(lambda: _resolve(requests, failure))

    def _end(self, cause: WorkerDied | None) -> None:
        """Let `run` end."""
        self._call(lambda: _end(self._ended, cause))

    def _call(self, function: Callable[[], None]) -> None:
        """Run a function in the event loop, from any thread; before `run` nobody waits there."""
        if self._loop is not None:
            call_in(self._loop, function)


def _resolve(requests: Iterable[Request], failure: Callable[[], RequestError] | None) -> None:
    for call in requests:
        if isinstance(call, Call) and not call.done.done():
            call.failure = failure() if failure else None
            call.done.set_result(None)


def _end(ended: asyncio.Future[None], cause: WorkerDied | None) -> None:
    if ended.done():
        return
    if cause is None:
        ended.set_result(None)
    else:
        ended.set_exception(cause)


def _stopped() -> Unavailable:
    return Unavailable("the instance is stopping, or the model is being unloaded; try again", retry_after_s=1.0)
