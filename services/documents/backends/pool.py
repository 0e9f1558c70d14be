"""The real backend: a fixed number of warm worker processes, with spare ones, each replaced when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from services.common.errors import InvalidRequest, StartupError, Unavailable, UnprocessableFile
from services.common.telemetry.logs import get_logger
from services.documents import metrics
from services.documents.backends.base import Document, Format, Parsed
from services.documents.backends.formats import FORMATS
from services.documents.backends.process import Answer, WorkerConfig, WorkerDied, WorkerLost, WorkerProcess
from services.documents.settings import REPLY_OVERHEAD_BYTES, DocumentsSettings

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_MOST_TRIES = 3
"""Workers that may be gone before they had a file: idle ones that were killed, not the file's fault as a rule."""

log = get_logger()


class Worker(Protocol):
    """What the pool needs of a worker; see `WorkerProcess`."""

    files: int
    end_reason: str

    @property
    def pid(self) -> int: ...  # noqa: D102

    @property
    def is_alive(self) -> bool: ...  # noqa: D102

    async def parse(self, document: Document) -> Answer: ...  # noqa: D102

    def kill(self, reason: str) -> None: ...  # noqa: D102

    async def ended(self) -> int: ...  # noqa: D102


Start = Callable[[WorkerConfig], Awaitable[Worker]]


class WorkerPool:
    """Parses in worker processes. Entered, one worker is warm; `run` starts the others and replaces those that end.

    Args:
        settings: number and limits of the workers.
        start: makes a warm worker.
    """

    def __init__(self, settings: DocumentsSettings, *, start: Start = WorkerProcess.start) -> None:
        self._settings = settings
        self._start = start
        self._config = WorkerConfig(
            log_level=settings.log_level,
            memory_bytes=settings.worker_memory_bytes,
            max_unpacked_bytes=settings.max_unpacked_bytes,
            max_output_bytes=settings.max_message_bytes - REPLY_OVERHEAD_BYTES,
            start_s=settings.worker_start_s,
        )
        self._idle: list[Worker] = []
        """The one that was used last is taken first: its caches are warm, and a spare one stays small."""
        self._news = asyncio.Event()
        """A worker is idle now, or none can be started."""
        self._warm = metrics.workers()
        self._workers: set[Worker] = set()
        self._start_problem: str | None = None

    async def __aenter__(self) -> Self:
        """Start the first worker.

        Raises:
            StartupError: it does not become ready.
        """
        try:
            self._workers.add(await self._start(self._config))
        except (WorkerDied, OSError) as exc:
            raise StartupError(
                f"documents: a worker cannot start ({exc}); it needs the extra `documents` and about 200 MB"
            ) from exc
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.kill("stopped")
        await asyncio.gather(*(worker.ended() for worker in self._workers))
        self._workers.clear()

    @property
    def formats(self) -> Sequence[Format]:
        """What the workers parse."""
        return FORMATS

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed:
        """See `DocumentBackend`."""
        queued_s = time.monotonic()
        for _ in range(_MOST_TRIES):
            worker = await self._take()
            begun()
            started_s = time.monotonic()
            with contextlib.suppress(WorkerLost):
                answer = await self._ask(worker, document)
                break
        else:
            raise Unavailable(f"documents: {_MOST_TRIES} workers were gone; try again", retry_after_s=_FIRST_PAUSE_S)
        if isinstance(answer.outcome, InvalidRequest):
            raise answer.outcome
        return replace(
            answer.outcome,
            queue_us=round((started_s - queued_s) * 1e6),
            compute_us=round((time.monotonic() - started_s) * 1e6),
        )

    async def _ask(self, worker: Worker, document: Document) -> Answer:
        """The worker's answer; afterwards it is offered again or ended."""
        answer: Answer | None = None
        try:
            answer = await worker.parse(document)
        except WorkerDied as exc:
            worker.kill("crashed")
            log.warning("worker_crashed", pid=worker.pid, problem=str(exc))
            if isinstance(exc, WorkerLost):
                raise
            # Its file's fault as a rule, and no reason for callers' breakers to leave the instance.
            raise UnprocessableFile(
                f"{document.filename}: the parser crashed on it ({exc}); other files are not affected; send another "
                "version of it, or the same one again where the machine was short of memory (signal 9)"
            ) from exc
        finally:
            self._give_back(worker, answer)
        return answer

    async def run(self) -> None:
        """Keep every place filled until cancelled."""
        places: list[Worker | None] = [*self._workers]
        places += [None] * (self._settings.workers + self._settings.spare_workers - len(places))
        async with asyncio.TaskGroup() as group:
            for worker in places:
                group.create_task(self._fill(worker))

    async def _fill(self, worker: Worker | None) -> None:
        """Hold one place: offer its worker, wait for its end, start the next."""
        while True:
            worker = worker or await self._start_patiently()
            self._offer(worker)
            self._warm.inc()
            log.info("worker_ready", pid=worker.pid)
            status = await worker.ended()
            self._warm.dec()
            reason = worker.end_reason or "crashed"
            metrics.worker_ends().labels(reason).inc()
            log.info("worker_ended", pid=worker.pid, status=status, reason=reason, files=worker.files)
            self._workers.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)
            worker = None

    async def _start_patiently(self) -> Worker:
        """Start a worker, however long that takes; meanwhile calls that find none fail fast."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                worker = await self._start(self._config)
            except (WorkerDied, OSError) as exc:
                self._start_problem = str(exc)
                self._news.set()
                log.error("worker_cannot_start", problem=str(exc), next_try_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self._start_problem = None
                self._workers.add(worker)
                return worker

    async def _take(self) -> Worker:
        """The next idle worker that lives.

        Raises:
            Unavailable: there is no worker, and none can be started.
        """
        while True:
            while self._idle:
                if (worker := self._idle.pop()).is_alive:
                    return worker
            if self._start_problem and not self._workers:
                raise Unavailable("documents: no worker can be started; try again", retry_after_s=_FIRST_PAUSE_S)
            self._news.clear()
            await self._news.wait()

    def _offer(self, worker: Worker) -> None:
        self._idle.append(worker)
        self._news.set()

    def _give_back(self, worker: Worker, answer: Answer | None) -> None:
        """Offer the worker again, or end it: left in the middle of a file, or worn."""
        if answer is None:
            worker.kill("abandoned")
        elif (
            answer.is_worn
            or worker.files >= self._settings.worker_recycle_files
            or answer.resident_bytes > self._settings.worker_recycle_rss_bytes
        ):
            worker.kill("recycled")
        else:
            self._offer(worker)
