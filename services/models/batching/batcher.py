"""The event loop's side: items in, outcomes out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence

from services.common.caller import Caller
from services.common.deadline import Clock, Deadline
from services.common.errors import RequestError, Unavailable
from services.common.reply import Backlog, Timings
from services.common.telemetry import request_id
from services.models.backend import ModelBackend
from services.models.batching.bisection import padded_tokens
from services.models.batching.cache import ResultCache
from services.models.batching.call import Call, Computed, Outcome, resolve
from services.models.batching.metrics import ModelMetrics
from services.models.batching.workers import Workers
from services.models.models import Item, Tokens
from services.scheduler.policy import Policy
from services.scheduler.scheduler import Scheduler
from services.scheduler.speed import Speed
from services.scheduler.work import NotTaken, Work

_STALL_CHECK_S = 1.0
_DRAIN_CHECK_S = 0.02


class Batcher:
    """Owns the scheduler of one model and the threads that compute.

    Nothing waits for a timer: while batches are computed the queue grows, and so do the batches.

    Args:
        backend: the model.
        max_batch_tokens: no batch is larger, but an item that is larger alone still makes one.
        max_queued_tokens: tokens that may wait; more is refused.
        cache: results from before; other batchers have the same.
        metrics: of the model.
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
        metrics: ModelMetrics,
        policy: Policy = Policy(),  # noqa: B008 - frozen
        stall_s: float = 120.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._max_batch_tokens = max_batch_tokens
        self._cache = cache
        self._metrics = metrics
        self._stall_s = stall_s
        self._clock = clock
        self._scheduler = Scheduler(
            policy,
            most_queued=max_queued_tokens,
            most_batched=max_batch_tokens,
            replicas=max(1, backend.replicas),
        )
        self._workers = Workers(self._scheduler, backend, cache, metrics, policy, clock)
        self._lock = self._workers.lock
        self._is_closed = False

    def is_refused(self, cost: int, caller: Caller, deadline: Deadline) -> bool:
        """Whether `reserve` would refuse so many tokens now."""
        with self._lock:
            return self._scheduler.problem(cost, caller, deadline.at_s, self._clock()) is not None

    def new_cost(self, works: Iterable[Work]) -> int:
        """Tokens that would be computed for these: not what is kept or on its way, and of equal ones only the first."""
        by_key = {work.key: work.cost for work in works}
        with self._lock:
            return sum(
                cost
                for key, cost in by_key.items()
                if key is None or not (key in self._cache or self._scheduler.is_coming(key))
            )

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
            if (problem := self._scheduler.problem(cost, caller, deadline.at_s, self._clock())) is None:
                self._scheduler.reserve(caller, cost)
        if problem is not None:
            raise self._refused(problem)
        try:
            yield
        finally:
            with self._lock:
                self._scheduler.reserve(caller, -cost)

    async def submit(self, items: Sequence[Work | RequestError], caller: Caller, deadline: Deadline) -> Computed:
        """Compute the items that are not wrong; what is kept from before costs nothing and is never refused.

        Raises:
            Overloaded: they do not fit or would be late; nothing was computed, and the error says when to come back.
            TooLarge: they would not fit even if nothing waited.
            DeadlineTooShort: the items alone need more time than the deadline leaves; nothing was computed.
            DeadlineExceeded: the deadline passed first.
            Unavailable: nothing will be computed any more.
        """
        outcomes = [self._known(item) for item in items]
        missing = [(at, item) for at, item in enumerate(items) if isinstance(item, Work) and outcomes[at] is None]
        fresh: set[int] = set()
        timings = Timings(queue_us=0, compute_us=0)
        if missing:
            self._check(deadline)
            call = Call(
                id=request_id.current.get(),
                deadline_s=deadline.at_s,
                caller=caller,
                done=asyncio.get_running_loop().create_future(),
                outcomes=outcomes,
                submitted_s=self._clock(),
            )
            joined = await self._wait(call, missing, deadline)
            fresh = {at for at, _ in missing}.difference(joined)
            queue_s = max(0.0, call.finished_s - call.submitted_s - call.compute_s)
            timings = Timings(queue_us=round(queue_s * 1e6), compute_us=round(call.compute_s * 1e6))
        computed = Computed(
            outcomes=outcomes,
            items=[_item(item, outcome) for item, outcome in zip(items, outcomes, strict=True)],
            reused=[at for at, item in enumerate(items) if isinstance(item, Work) and at not in fresh],
            timings=timings,
        )
        self._metrics.answered(computed.items, computed.reused, timings.queue_us / 1e6)
        return computed

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
        ended = asyncio.wrap_future(self._workers.ended)
        self._workers.start()
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=_STALL_CHECK_S)
                self._workers.check(self._stall_s)
            ended.result()
        finally:
            ended.cancel()
            self._stop()

    async def drain(self) -> None:
        """Let no more in, finish what is there, and let `run` return."""
        self._is_closed = True
        while not self._is_idle:  # noqa: ASYNC110 - threads change it
            await asyncio.sleep(_DRAIN_CHECK_S)
        self._workers.end()

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
        resolve(waiting, _stopped)

    def _known(self, item: Work | RequestError) -> Outcome | None:
        """What is known of an item without computing it."""
        if isinstance(item, RequestError):
            return item
        return None if item.key is None else self._cache.get(item.key)

    async def _wait(self, call: Call, missing: Sequence[tuple[int, Work]], deadline: Deadline) -> Sequence[int]:
        """Wait until a call is complete; returns the positions whose result came with an equal item's."""
        with self._lock:
            joined = self._scheduler.submit(call, missing, call.submitted_s)
            if not isinstance(joined, NotTaken):
                self._workers.wake(len(missing))
        if isinstance(joined, NotTaken):
            raise self._refused(joined)
        try:
            async with deadline.enforce("computing"):
                await call.done
        finally:
            if call.missing:
                with self._lock:
                    self._scheduler.cancel(call)
        return joined

    def _check(self, deadline: Deadline) -> None:
        if self._is_closed:
            raise _stopped()
        deadline.check("computing")

    def _refused(self, problem: NotTaken) -> RequestError:
        self._metrics.refused(problem.reason)
        return problem.error


def _item(item: Work | RequestError, outcome: Outcome) -> Item:
    if isinstance(outcome, RequestError):
        return outcome
    return item if isinstance(item, RequestError) else item.payload


def _stopped() -> Unavailable:
    return Unavailable("the instance is stopping, or the model is being unloaded; try again", retry_after_s=1.0)
