"""Batches of similar length within a token budget, fair between clients, computed on threads of their own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from services.common.caller import Caller
from services.common.deadline import Clock, Deadline
from services.common.errors import RequestError
from services.common.reply import Backlog
from services.common.telemetry import request_id
from services.common.threadsafe import call_in
from services.models.backend import ModelBackend
from services.models.batching.base import Batched, Work
from services.models.batching.board import Board
from services.models.batching.cache import ResultCache
from services.models.batching.entry import Request
from services.models.batching.latency import Coefficients
from services.models.batching.narrowing import padded_tokens
from services.models.batching.observer import Observer
from services.models.batching.pace import Pace
from services.models.batching.workers import WorkerDied, Workers
from services.models.models import Tokens

_STALL_CHECK_S = 1.0
_DRAIN_CHECK_S = 0.02


class TokenBatcher:
    """The event loop's side: requests in, results out.

    A batch is built around the oldest item of the client whose turn it is, from items of nearly its length. Nothing
    waits for a timer: while batches are computed the queue grows, and so do the batches.

    Args:
        backend: the model.
        max_batch_tokens: no batch is larger, but an item that is larger alone still makes one.
        max_queued_tokens: tokens that may wait; more is refused.
        cache: results from before; shared with other batchers.
        observer: takes note.
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
        stall_s: float = 120.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._max_batch_tokens = max_batch_tokens
        self._observer = observer
        self._stall_s = stall_s
        self._clock = clock
        self._board = Board(
            Pace(max_batch_tokens=max_batch_tokens, replicas=max(1, backend.replicas)),
            max_queued_tokens=max_queued_tokens,
            cache=cache,
            observer=observer,
            settle=self._settle,
            clock=clock,
        )
        self._workers = Workers(self._board, backend, observer, on_death=self._end, clock=clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None]
        """When `run` has to end."""

    @contextlib.contextmanager
    def admit(self, cost: int, caller: Caller, deadline: Deadline) -> Iterator[None]:
        """Refuse early what `submit` would refuse, before any work is spent, or count it as waiting in the body.

        Args:
            cost: an estimate that is rather too low. Unit: tokens.
            caller: who asks.
            deadline: when the caller stops waiting.

        Raises:
            Overloaded, TooLarge, DeadlineTooShort, DeadlineExceeded, Unavailable: as `submit`.
        """
        self._board.admit(cost, caller, deadline)
        try:
            yield
        finally:
            self._board.release(cost, caller)

    async def submit(self, items: Sequence[Work], caller: Caller, deadline: Deadline) -> Batched:
        """Compute all items.

        Raises:
            Overloaded: they do not fit or would be late; nothing was computed, and the error says when to come back.
            TooLarge: they would not fit even if nothing waited.
            DeadlineTooShort: the items alone need more time than the deadline leaves; nothing was computed.
            DeadlineExceeded: the deadline passed first.
            Unavailable: nothing will be computed any more.
        """
        request = Request(
            id=request_id.current.get(),
            deadline=deadline,
            caller=caller,
            done=asyncio.get_running_loop().create_future(),
            results=[None] * len(items),
            missing=len(items),
            submitted_s=self._clock(),
        )
        entries, shared = self._board.enqueue(request, items)
        try:
            if request.missing:
                async with deadline.enforce("batch"):
                    await request.done
        finally:
            self._board.finish(request, entries)
        if request.failure is not None:
            raise request.failure
        queue_s = max(0.0, request.finished_s - request.submitted_s - request.compute_s)
        self._observer.waited(queue_s)
        return Batched(
            results=request.results,
            shared=shared,
            queue_us=round(queue_s * 1e6),
            compute_us=round(request.compute_s * 1e6),
        )

    def largest(self, caller: Caller) -> int:
        """Tokens of the largest request of a caller that is ever taken."""
        return self._board.largest(caller)

    def backlog(self) -> Backlog:
        """Work that is waiting now."""
        return self._board.backlog()

    @property
    def coefficients(self) -> Coefficients:
        """What was learned of the model's speed."""
        return self._board.coefficients

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
            self._workers.stop()
            self._board.stop()

    async def drain(self) -> None:
        """Let no more in, finish what is there, and let `run` return."""
        self._board.close()
        while not self._board.is_idle:  # noqa: ASYNC110 - threads change it
            await asyncio.sleep(_DRAIN_CHECK_S)
        self._end(None)

    def _settle(self, requests: Iterable[Request], failure: RequestError | None) -> None:
        """Requests are complete, or failed as a whole."""
        self._call(lambda: _settle(requests, failure))

    def _end(self, cause: WorkerDied | None) -> None:
        """Let `run` end."""
        self._call(lambda: _end(self._ended, cause))

    def _call(self, function: Callable[[], None]) -> None:
        """Run a function in the event loop, from any thread; before `run` nobody waits there."""
        if self._loop is not None:
            call_in(self._loop, function)


def _settle(requests: Iterable[Request], failure: RequestError | None) -> None:
    for request in requests:
        request.failure = request.failure or failure
        if not request.done.done():
            request.done.set_result(None)


def _end(ended: asyncio.Future[None], cause: WorkerDied | None) -> None:
    if ended.done():
        return
    if cause is None:
        ended.set_result(None)
    else:
        ended.set_exception(cause)
