"""The real backend: a fixed number of warm worker processes, with spare ones, each replaced when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self, TypeVar

from services.common.errors import InvalidRequest, StartupError, Unavailable, UnprocessableFile
from services.common.telemetry.logs import get_logger
from services.documents import metrics
from services.documents.backends.base import Document, Format, Page, Paged, Parsed
from services.documents.backends.child import ProcessDied
from services.documents.backends.engines.process import EnginesProcess
from services.documents.backends.formats import FORMATS
from services.documents.backends.process import Answer, AskEngines, Task, WorkerConfig, WorkerLost, WorkerProcess
from services.documents.settings import REPLY_OVERHEAD_BYTES, DocumentsSettings

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_MOST_TRIES = 3
"""Workers that may be gone before they had a file: idle ones that were killed, not the file's fault as a rule."""

log = get_logger()


class Worker(Protocol):
    """What the pool needs of a worker; see `WorkerProcess`."""

    @property
    def files(self) -> int: ...  # noqa: D102

    @property
    def end_reason(self) -> str: ...  # noqa: D102

    @property
    def pid(self) -> int: ...  # noqa: D102

    @property
    def is_alive(self) -> bool: ...  # noqa: D102

    def holds(self, document: Document) -> bool: ...  # noqa: D102

    async def do(self, task: Task) -> Answer: ...  # noqa: D102

    def kill(self, reason: str) -> None: ...  # noqa: D102

    async def ended(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What came of a task, and how long it took."""

    outcome: Parsed | Paged | Page | InvalidRequest
    """An error for a task that ended its worker."""
    queue_us: int
    compute_us: int


Start = Callable[[WorkerConfig, AskEngines], Awaitable[Worker]]


class WorkerPool:
    """Parses in worker processes. Entered, one worker is warm; `run` starts the others and replaces those that end.

    Args:
        settings: number and limits of the workers.
        start: makes a warm worker.
    """

    def __init__(self, settings: DocumentsSettings, *, start: Start = WorkerProcess.start) -> None:
        self._settings = settings
        self._start = start
        self._engines = EnginesProcess(
            log_level=settings.log_level, start_s=settings.worker_start_s, page_models=settings.page_models_dir
        )
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
        """Start the first worker, and before it the engines where their models are the user's choice.

        Raises:
            StartupError: one of them does not become ready.
        """
        if self._settings.page_models_dir is not None:
            await self._start_engines()
        try:
            self._workers.add(await self._start(self._config, self._engines.ask))
        except (ProcessDied, OSError) as exc:
            self._engines.kill("stopped")
            raise StartupError(
                f"documents: a worker cannot start ({exc}); it needs the extra `documents` and about 200 MB"
            ) from exc
        return self

    async def _start_engines(self) -> None:
        try:
            await self._engines.start()
        except ProcessDied as exc:
            raise StartupError(f"documents: page_models_dir: {exc}") from exc

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers, and the engines."""
        self._engines.kill("stopped")
        for worker in self._workers:
            worker.kill("stopped")
        await asyncio.gather(self._engines.ended(), *(worker.ended() for worker in self._workers))
        self._workers.clear()

    @property
    def formats(self) -> Sequence[Format]:
        """What the workers parse."""
        return FORMATS

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed | Paged:
        """See `DocumentBackend`."""
        done = await self._do(Task(document=document), begun)
        return done.outcome if isinstance(done.outcome, Paged) else _timed(done)

    async def read_page(self, document: Document, number: int, begun: Callable[[], None]) -> Page:
        """See `DocumentBackend`."""
        done = await self._do(Task(document=document, page=number), begun)
        if isinstance(done.outcome, InvalidRequest):
            page = Page(number=number, errors=[done.outcome.message], has_ended_worker=True)
        else:
            page = _of(done, Page)
        return replace(page, compute_us=done.compute_us)

    async def assemble(self, document: Document, pages: Sequence[Page], begun: Callable[[], None]) -> Parsed:
        """See `DocumentBackend`."""
        return _timed(await self._do(Task(document=document, pages=pages), begun))

    async def _do(self, task: Task, begun: Callable[[], None]) -> _Done:
        """Have a worker do a task."""
        queued_s = time.monotonic()
        for _ in range(_MOST_TRIES):
            worker = await self._take(task.document)
            begun()
            started_s = time.monotonic()
            with contextlib.suppress(WorkerLost):
                answer = await self._ask(worker, task)
                break
        else:
            raise Unavailable(f"documents: {_MOST_TRIES} workers were gone; try again", retry_after_s=_FIRST_PAUSE_S)
        if isinstance(answer.outcome, InvalidRequest) and not _has_ended_worker(answer):
            raise answer.outcome
        return _Done(
            outcome=answer.outcome,
            queue_us=round((started_s - queued_s) * 1e6),
            compute_us=round((time.monotonic() - started_s) * 1e6),
        )

    async def _ask(self, worker: Worker, task: Task) -> Answer:
        """The worker's answer; afterwards it is offered again or ended."""
        answer: Answer | None = None
        try:
            answer = await self._answer(worker, task)
        finally:
            self._give_back(worker, answer)
        return answer

    async def _answer(self, worker: Worker, task: Task) -> Answer:
        """The worker's answer, or what is to be said where the task ends it."""
        most_s = self._settings.max_page_s if task.page is not None else None
        try:
            async with asyncio.timeout(most_s):
                return await worker.do(task)
        except TimeoutError:
            worker.kill("hung")
            log.warning("page_hung", pid=worker.pid, page=task.page)
            problem = f"it takes more than {most_s:g} s and is left out; save it in a simpler form"
        except ProcessDied as exc:
            worker.kill("crashed")
            log.warning("worker_crashed", pid=worker.pid, problem=str(exc))
            if isinstance(exc, WorkerLost):
                raise
            # Its file's fault as a rule, and no reason for callers' breakers to leave the instance.
            problem = (
                f"the parser crashed on it ({exc}); other files are not affected; send another version of it, "
                "or the same one again where the machine was short of memory (signal 9)"
            )
        return Answer(outcome=UnprocessableFile(f"{_named(task)}: {problem}"), resident_bytes=0, is_worn=True)

    async def run(self) -> None:
        """Keep every place filled until cancelled."""
        places: list[Worker | None] = [*self._workers]
        places += [None] * (self._settings.workers + self._settings.spare_workers - len(places))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._engines.warm())
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
                worker = await self._start(self._config, self._engines.ask)
            except (ProcessDied, OSError) as exc:
                self._start_problem = str(exc)
                self._news.set()
                log.error("worker_cannot_start", problem=str(exc), next_try_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self._start_problem = None
                self._workers.add(worker)
                return worker

    async def _take(self, document: Document) -> Worker:
        """The next idle worker that lives, best of all one that has the file open.

        Raises:
            Unavailable: there is no worker, and none can be started.
        """
        while True:
            self._idle.sort(key=lambda worker: worker.holds(document))  # stable: the last used one stays the last
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


_Outcome = TypeVar("_Outcome", Parsed, Paged, Page)


def _of(done: _Done, kind: type[_Outcome]) -> _Outcome:
    """What a task of that kind comes to."""
    if isinstance(done.outcome, UnprocessableFile):
        raise done.outcome
    if not isinstance(done.outcome, kind):
        raise UnprocessableFile("the parser answered with something else; send the file again")
    return done.outcome


def _timed(done: _Done) -> Parsed:
    return replace(_of(done, Parsed), queue_us=done.queue_us, compute_us=done.compute_us)


def _has_ended_worker(answer: Answer) -> bool:
    return answer.is_worn and isinstance(answer.outcome, UnprocessableFile)


def _named(task: Task) -> str:
    return task.document.filename if task.page is None else f"page {task.page}"
