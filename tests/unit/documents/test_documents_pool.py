"""The pool over workers that are no processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.common.errors import StartupError, Unavailable, UnprocessableFile
from services.documents.backends.base import Document, Output, Page, Parsed
from services.documents.backends.child import ProcessDied
from services.documents.backends.pool import WorkerPool
from services.documents.backends.process import Answer, AskEngines, Task, WorkerConfig, WorkerLost
from services.documents.settings import DocumentsSettings


class FakeWorker:
    """A worker that does what the file's name says."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.files = 0
        self.end_reason = ""
        self.is_lost = False
        self.held: Document | None = None
        self._ended = asyncio.Event()

    @property
    def is_alive(self) -> bool:
        return not self._ended.is_set()

    def holds(self, document: Document) -> bool:
        return self.held is document

    async def do(self, task: Task) -> Answer:
        self.files += 1
        document = task.document
        self.held = document
        match document.filename:
            case "crash":
                self._ended.set()
                raise ProcessDied("it ended without an answer")
            case _ if self.is_lost:
                self._ended.set()
                raise WorkerLost("it is gone")
            case "page" if task.page == 1:
                return Answer(outcome=Page(number=1), resident_bytes=0)
            case "page":
                return Answer(outcome=UnprocessableFile("page 2: damaged"), resident_bytes=0)
            case "hang":
                await asyncio.Event().wait()
            case "damaged":
                return Answer(outcome=UnprocessableFile("damaged"), resident_bytes=0)
            case "exhausting":
                return Answer(outcome=UnprocessableFile("too much memory"), resident_bytes=0, is_worn=True)
        outputs = {Output.TEXT: str(self.pid).encode()}
        return Answer(
            outcome=Parsed(format="txt", outputs=outputs), resident_bytes=100 if document.filename == "large" else 0
        )

    def kill(self, reason: str) -> None:
        if self.is_alive:
            self.end_reason = reason
            self._ended.set()

    async def ended(self) -> int:
        await self._ended.wait()
        return -9


class Starter:
    """Makes workers with pids 1, 2, …; refuses while `problem` is set."""

    def __init__(self) -> None:
        self.workers: list[FakeWorker] = []
        self.problem = ""
        self.are_lost = False
        self.may_start = asyncio.Event()
        self.may_start.set()

    async def __call__(self, config: WorkerConfig, ask_engines: AskEngines) -> FakeWorker:
        await self.may_start.wait()
        if self.problem:
            raise ProcessDied(self.problem)
        self.workers.append(worker := FakeWorker(len(self.workers) + 1))
        worker.is_lost = self.are_lost
        return worker


@asynccontextmanager
async def running(
    starter: Starter, *, workers: int = 1, spare: int = 0, files: int = 100, page_s: float = 60.0
) -> AsyncIterator[WorkerPool]:
    settings = DocumentsSettings(
        workers=workers,
        spare_workers=spare,
        worker_recycle_files=files,
        worker_recycle_rss_bytes=99,
        max_page_s=page_s,
    )
    async with WorkerPool(settings, start=starter) as pool:
        keeper = asyncio.create_task(pool.run())
        try:
            yield pool
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


async def parse(pool: WorkerPool, filename: str = "good") -> int:
    """Pid of the worker that parsed it."""
    async with asyncio.timeout(5):
        parsed = await pool.parse(Document(filename=filename, data=b"x", outputs=[Output.TEXT]), begun=lambda: None)
    assert isinstance(parsed, Parsed)
    return int(parsed.outputs[Output.TEXT])


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_warm_worker_is_used_again() -> None:
    async with running(Starter()) as pool:
        pids = [await parse(pool) for _ in range(3)]

    assert pids == [1, 1, 1]


async def test_every_worker_is_used_when_files_come_together() -> None:
    starter = Starter()
    async with running(starter, workers=2) as pool:
        hanging = [asyncio.create_task(parse(pool, "hang")) for _ in range(2)]
        await settled()
        files = [worker.files for worker in starter.workers]
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    assert files == [1, 1]


@pytest.mark.parametrize(
    ("filename", "says"),
    [
        ("crash", "page 2: the parser crashed on it"),
        ("hang", "page 2: it takes more than 0.05 s"),
        ("exhausting", "too much memory"),
    ],
)
async def test_a_page_that_ends_its_worker_is_one_without_content(filename: str, says: str) -> None:
    starter = Starter()
    document = Document(filename=filename, data=b"x", outputs=[Output.TEXT])
    async with running(starter, page_s=0.05) as pool:
        page = await pool.read_page(document, 2, begun=lambda: None)
        await settled()

    assert (page.number, page.content, page.has_ended_worker) == (2, b"", True)
    assert page.errors[0].startswith(says)
    assert not starter.workers[0].is_alive


async def test_a_page_that_cannot_be_read_keeps_its_worker() -> None:
    starter = Starter()
    document = Document(filename="page", data=b"x", outputs=[Output.TEXT])
    async with running(starter) as pool:
        with pytest.raises(UnprocessableFile, match="page 2: damaged"):
            await pool.read_page(document, 2, begun=lambda: None)
        page = await pool.read_page(document, 1, begun=lambda: None)

        assert starter.workers[0].is_alive
    assert not page.has_ended_worker


async def test_a_crash_fails_its_own_file_and_the_next_finds_a_new_worker() -> None:
    async with running(Starter()) as pool:
        with pytest.raises(UnprocessableFile, match="crash"):
            await parse(pool, "crash")
        pid = await parse(pool)

    assert pid == 2


async def test_a_damaged_file_keeps_its_worker() -> None:
    async with running(Starter()) as pool:
        with pytest.raises(UnprocessableFile):
            await parse(pool, "damaged")
        pid = await parse(pool)

    assert pid == 1


async def test_a_caller_who_leaves_has_its_worker_killed_and_replaced() -> None:
    starter = Starter()
    async with running(starter) as pool:
        task = asyncio.create_task(parse(pool, "hang"))
        await settled()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        reason = starter.workers[0].end_reason
        pid = await parse(pool)

    assert (reason, pid) == ("abandoned", 2)


@pytest.mark.parametrize("filename", ["hang", "crash"])
async def test_a_spare_worker_stands_by_while_the_next_one_starts(filename: str) -> None:
    starter = Starter()
    async with running(starter, spare=1) as pool:
        await settled()
        starter.may_start.clear()
        task = asyncio.create_task(parse(pool, filename))
        await settled()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        pid = await parse(pool)
        starter.may_start.set()
        await settled()

    assert pid in {1, 2}
    assert len(starter.workers) == 3


async def test_a_spare_worker_is_not_used_without_need() -> None:
    starter = Starter()
    async with running(starter, spare=1) as pool:
        await settled()
        for _ in range(4):
            await parse(pool)

    assert sorted(worker.files for worker in starter.workers) == [0, 4]


async def test_a_worker_that_died_while_idle_is_replaced_and_never_used() -> None:
    starter = Starter()
    async with running(starter) as pool:
        await parse(pool)
        starter.workers[0].kill("")
        pid = await parse(pool)

    assert pid == 2


async def test_a_file_that_reaches_no_worker_is_given_to_the_next() -> None:
    starter = Starter()
    async with running(starter, workers=2) as pool:
        await settled()
        for worker in starter.workers:
            worker.is_lost = True
        pid = await parse(pool)

    assert pid in {3, 4}


async def test_a_file_before_which_worker_after_worker_is_gone_is_refused() -> None:
    starter = Starter()
    starter.are_lost = True
    async with running(starter) as pool:
        with pytest.raises(Unavailable, match="3 workers were gone"):
            await parse(pool)


async def test_a_file_that_waits_is_told_when_no_worker_can_be_started() -> None:
    starter = Starter()
    async with running(starter) as pool:
        hanging = asyncio.create_task(parse(pool, "hang"))
        await settled()
        waiting = asyncio.create_task(parse(pool))
        await settled()
        starter.problem = "no memory"
        hanging.cancel()
        with pytest.raises(Unavailable, match="no worker can be started"):
            await waiting


async def test_spare_workers_that_end_without_having_had_a_file_leave_nothing_behind() -> None:
    starter = Starter()
    async with running(starter, spare=1) as pool:
        await settled()
        for _ in range(5):
            starter.workers[-1].kill("")
            await settled()
        idle = list(pool._idle)

    assert [worker.pid for worker in idle if isinstance(worker, FakeWorker)] == [1, 7]


async def test_a_worker_is_recycled_after_so_many_files() -> None:
    starter = Starter()
    async with running(starter, files=2) as pool:
        pids = [await parse(pool) for _ in range(5)]

    assert pids == [1, 1, 2, 2, 3]
    assert starter.workers[0].end_reason == "recycled"


async def test_a_worker_that_keeps_much_memory_is_recycled() -> None:
    async with running(Starter()) as pool:
        await parse(pool, "large")
        pid = await parse(pool)

    assert pid == 2


async def test_a_worker_that_ran_out_of_memory_is_recycled() -> None:
    async with running(Starter()) as pool:
        with pytest.raises(UnprocessableFile):
            await parse(pool, "exhausting")
        pid = await parse(pool)

    assert pid == 2


async def test_all_workers_end_with_the_pool() -> None:
    starter = Starter()
    async with running(starter, workers=3) as pool:
        await parse(pool)
        await settled()

    assert [worker.is_alive for worker in starter.workers] == [False, False, False]


async def test_a_first_worker_that_cannot_start_stops_the_service() -> None:
    starter = Starter()
    starter.problem = "No module named 'docling'"

    with pytest.raises(StartupError, match="No module named 'docling'"):
        async with running(starter):
            pass


async def test_files_fail_fast_while_no_worker_can_be_started() -> None:
    starter = Starter()
    async with running(starter) as pool:
        await parse(pool)
        starter.problem = "out of memory"
        starter.workers[0].kill("")
        await settled()

        with pytest.raises(Unavailable) as caught:
            await parse(pool)

    assert caught.value.retry_after_s
