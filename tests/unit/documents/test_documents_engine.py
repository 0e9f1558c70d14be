"""The engine over the fake backend: checks, admission, deadline."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.common import caller
from services.common.caller import Caller, Priority
from services.common.deadline import Deadline
from services.common.errors import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    TooLarge,
    UnprocessableFile,
    UnsupportedFormat,
)
from services.common.testing.clock import FakeClock
from services.documents.backends.base import Document, Output, Parsed
from services.documents.backends.fake import FakeDocumentBackend
from services.documents.engine import DocumentsEngine
from services.documents.settings import DocumentsSettings

FOREVER_S = 3600.0


@asynccontextmanager
async def running(*, workers: int = 1, max_queued: int = 1, parse_s: float = 0.0) -> AsyncIterator[DocumentsEngine]:
    settings = DocumentsSettings(workers=workers, max_queued=max_queued, max_file_bytes=1000)
    backend = FakeDocumentBackend(workers=workers, max_unpacked_bytes=1000, parse_s=parse_s)
    async with DocumentsEngine(settings, backend) as engine:
        yield engine


def document(filename: str = "a.md", data: bytes = b"# Head") -> Document:
    return Document(filename=filename, data=data, outputs=[Output.MARKDOWN])


def soon() -> Deadline:
    return Deadline.after(30)


@asynccontextmanager
async def busy(engine: DocumentsEngine, files: int) -> AsyncIterator[list[asyncio.Task[object]]]:
    """So many files in flight, none of which ends."""
    tasks: list[asyncio.Task[object]] = [asyncio.create_task(engine.parse(document(), soon())) for _ in range(files)]
    await asyncio.sleep(0)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_same_file_gives_the_same_document() -> None:
    async with running() as engine:
        first = await engine.parse(document(), soon())
        second = await engine.parse(document(), soon())
        other = await engine.parse(document(data=b"# Other"), soon())

    assert first.outputs == second.outputs
    assert first.outputs != other.outputs
    assert first.format == "md"


async def test_every_form_that_is_asked_for_comes_back() -> None:
    async with running() as engine:
        parsed = await engine.parse(Document(filename="a.md", data=b"x", outputs=list(Output)), soon())

    assert set(parsed.outputs) == set(Output)
    assert json.loads(parsed.outputs[Output.JSON])["name"] == "a.md"


@pytest.mark.parametrize("filename", ["", "a/b.md", "a\\b.md", "a\nb.md", "x" * 300 + ".md", "\x7f.md"])
async def test_a_name_that_is_no_file_name_is_refused(filename: str) -> None:
    async with running() as engine:
        with pytest.raises(InvalidRequest) as caught:
            await engine.parse(document(filename), soon())

    assert caught.value.param == "filename"


async def test_a_name_of_any_script_is_taken() -> None:
    async with running() as engine:
        parsed = await engine.parse(document("می‌خواهم 报告 ü.md"), soon())

    assert parsed.format == "md"


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\0\0\xfe\xff"])
async def test_a_file_without_content_is_refused(data: bytes) -> None:
    async with running() as engine:
        with pytest.raises(InvalidRequest, match="empty"):
            await engine.parse(document(data=data), soon())


async def test_a_file_over_the_limit_is_refused_with_both_sizes() -> None:
    async with running() as engine:
        with pytest.raises(TooLarge, match=r"1001 bytes; at most 1000"):
            await engine.parse(document(data=b"x" * 1001), soon())


async def test_an_error_of_the_backend_reaches_the_caller_and_frees_the_place() -> None:
    async with running(max_queued=0) as engine:
        with pytest.raises(UnsupportedFormat):
            await engine.parse(document("a.rtf", b"{\\rtf1"), soon())
        parsed = await engine.parse(document(), soon())

    assert parsed.format == "md"


async def test_a_full_queue_refuses_at_once_with_a_delay_that_grows_with_the_queue() -> None:
    delays = []
    for max_queued in (1, 199):
        async with running(max_queued=max_queued, parse_s=FOREVER_S) as engine, busy(engine, 1 + max_queued):
            with pytest.raises(Overloaded, match=r"files .*in progress") as caught:
                await engine.parse(document(), soon())
            delays.append(caught.value.retry_after_s or 0.0)

    assert 1.0 <= delays[0] < delays[1]


async def test_the_backlog_counts_the_files_that_wait_and_not_those_being_parsed() -> None:
    async with running(workers=2, max_queued=5, parse_s=FOREVER_S) as engine:
        async with busy(engine, 5):
            waiting = engine.backlog()
        idle = engine.backlog()

    assert (waiting.queued_cost, idle.queued_cost) == (3, 0)
    assert waiting.predicted_wait_s > 0 == idle.predicted_wait_s


async def test_a_caller_who_leaves_gives_the_place_to_the_next() -> None:
    async with running(max_queued=0, parse_s=FOREVER_S) as engine, busy(engine, 1) as tasks:
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        async with busy(engine, 1) as admitted:
            assert not admitted[0].done()


async def test_a_file_that_passes_its_deadline_is_given_up() -> None:
    async with running(parse_s=FOREVER_S) as engine:
        with pytest.raises(DeadlineExceeded, match=r"a\.md"):
            await engine.parse(document(), Deadline.after(0.02))
        left = engine.backlog()

    assert left.predicted_wait_s == 0


async def test_a_deadline_that_is_over_starts_nothing() -> None:
    async with running(max_queued=0, parse_s=FOREVER_S) as engine, busy(engine, 1):
        with pytest.raises(DeadlineExceeded):
            await engine.parse(document(), Deadline.after(0))


async def test_the_wait_for_a_worker_is_reported_apart_from_the_work() -> None:
    async with running(max_queued=1, parse_s=0.02) as engine:
        first, second = await asyncio.gather(engine.parse(document(), soon()), engine.parse(document(), soon()))

    assert second.queue_us >= 15_000 > first.queue_us
    assert second.compute_us >= 15_000


class Recorder(FakeDocumentBackend):
    """Takes the time that a file's name says, in hundredths of a second, and notes which files it had.

    Args:
        clock: moved on by that time; None to sleep.
    """

    def __init__(self, clock: FakeClock | None) -> None:
        super().__init__(workers=1, max_unpacked_bytes=1000)
        self._clock = clock
        self.names: list[str] = []
        self.running = self.most_running = 0

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed:
        begun()
        self.names.append(document.filename)
        spent_s = int(document.filename.removesuffix(".md").split("-")[1]) / 100
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        if self._clock is None:
            await asyncio.sleep(spent_s)
        else:
            for _ in range(200):  # what was sent in the meantime is waiting then
                await asyncio.sleep(0)
            self._clock.advance(spent_s)
        self.running -= 1
        return Parsed(format="md", outputs={}, compute_us=round(spent_s * 1e6))


@asynccontextmanager
async def recording(clock: FakeClock | None = None) -> AsyncIterator[tuple[DocumentsEngine, Recorder]]:
    backend = Recorder(clock)
    settings = DocumentsSettings(workers=1, spare_workers=0, max_queued=999, max_file_bytes=10**6)
    async with DocumentsEngine(settings, backend, clock=clock or time.monotonic) as engine:
        yield engine, backend


def sent(
    engine: DocumentsEngine, name: str, client: str, *, priority: Priority = Priority.INTERACTIVE, kib: int = 1
) -> asyncio.Task[Parsed]:
    """A file of a client, on its way."""

    async def send() -> Parsed:
        caller.current.set(Caller(client=client, priority=priority, origin=client))
        return await engine.parse(document(f"{name}.md", b"x" * 1024 * kib), soon())

    return asyncio.create_task(send())


async def test_interactive_files_go_before_bulk_and_bulk_is_not_starved() -> None:
    async with recording(FakeClock()) as (engine, backend):
        tasks = [sent(engine, "first-5", "a")]
        await asyncio.sleep(0)
        tasks += [sent(engine, f"bulk-1-{number}", "b", priority=Priority.BULK) for number in range(3)]
        await asyncio.sleep(0)
        tasks += [sent(engine, f"human-1-{number}", "c") for number in range(30)]
        await asyncio.gather(*tasks)

    names = [name.split("-")[0] for name in backend.names]
    first, second = [at for at, name in enumerate(names) if name == "bulk"][:2]
    assert names.index("human") <= 2  # one of bulk may be before it, as the first file took longer than believed
    assert 8 <= second - first <= 12
    assert second < 20


def between(names: list[str], kind: str) -> list[int]:
    """How many files were parsed between each two of a kind."""
    places = [at for at, name in enumerate(names) if name.startswith(kind)]
    return [later - earlier - 1 for earlier, later in itertools.pairwise(places)]


async def test_clients_share_the_workers_by_the_size_of_their_files_and_not_by_their_number() -> None:
    async with recording(FakeClock()) as (engine, backend):
        tasks = [sent(engine, "first-5", "z")]
        await asyncio.sleep(0)
        tasks += [sent(engine, f"large-10-{number}", "a", kib=100) for number in range(3)]
        tasks += [sent(engine, f"small-1-{number}", "b") for number in range(60)]
        await asyncio.gather(*tasks)

    assert min(between(backend.names, "large")) >= 5


async def test_a_client_pays_for_the_time_that_its_files_really_took() -> None:
    async with recording(FakeClock()) as (engine, backend):
        tasks = [sent(engine, "first-5", "z")]
        await asyncio.sleep(0)
        tasks += [sent(engine, f"slow-10-{number}", "greedy") for number in range(4)]
        tasks += [sent(engine, f"quick-1-{number}", "alice") for number in range(60)]
        await asyncio.gather(*tasks)

    assert min(between(backend.names, "slow")) >= 4


class Gated(FakeDocumentBackend):
    """Parses a file until its event is set, and notes which files it has."""

    def __init__(self) -> None:
        super().__init__(workers=9, max_unpacked_bytes=1000)
        self.running: dict[str, asyncio.Event] = {}

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed:
        begun()
        ended = self.running[document.filename.removesuffix(".md")] = asyncio.Event()
        try:
            await ended.wait()
        finally:
            del self.running[document.filename.removesuffix(".md")]
        return Parsed(format="md", outputs={}, compute_us=1000)


@asynccontextmanager
async def gated(*, spare_workers: int) -> AsyncIterator[tuple[Callable[..., Awaitable[set[str]]], Gated, FakeClock]]:
    """An engine with two workers, and what sends it files: their names, clients and origins; returns what is parsed."""
    backend, clock, tasks = Gated(), FakeClock(), []
    settings = DocumentsSettings(workers=2, spare_workers=spare_workers, max_queued=99)
    async with DocumentsEngine(settings, backend, clock=clock) as engine:

        async def send(*files: str) -> set[str]:
            for file in files:
                name, client, origin = file.split()

                async def one(name: str = name, whose: Caller = Caller(client=client, origin=origin)) -> None:  # noqa: B008
                    caller.current.set(whose)
                    await engine.parse(document(f"{name}.md"), Deadline.after(900, clock=clock))

                tasks.append(asyncio.create_task(one()))
                await asyncio.sleep(0)
            for _ in range(9):
                await asyncio.sleep(0)
            return set(backend.running)

        yield send, backend, clock
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_spare_worker_parses_for_another_client_where_one_has_all_others() -> None:
    async with gated(spare_workers=1) as (send, _, _):
        assert await send("1 greedy a", "2 greedy a", "3 greedy a") == {"1", "2"}
        assert await send("4 alice a", "5 bob a", "6 alice b") == {"1", "2", "4"}


async def test_a_spare_worker_parses_for_another_origin_where_made_up_names_of_one_have_all_others() -> None:
    async with gated(spare_workers=1) as (send, _, _):
        assert await send("1 x a", "2 y a", "3 z a") == {"1", "2"}
        assert await send("4 w a", "5 alice b") == {"1", "2", "5"}


async def test_without_spare_workers_no_more_files_are_parsed_than_workers() -> None:
    async with gated(spare_workers=0) as (send, _, _):
        assert await send("1 greedy a", "2 greedy a", "3 alice b") == {"1", "2"}


async def test_a_client_pays_for_long_files_while_they_are_parsed() -> None:
    async with gated(spare_workers=1) as (send, backend, clock):
        await send("1 greedy a", "2 greedy a", "3 greedy a")
        for number in range(9):
            clock.advance(0.2)
            assert await send(f"small-{number} alice b") == {"1", "2", f"small-{number}"}
            clock.advance(0.1)
            backend.running[f"small-{number}"].set()
            await send()


class Slow(FakeDocumentBackend):
    """Takes the seconds that a file says, after waiting for a worker to start for `start_s`; all files are `docx`."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(workers=1, max_unpacked_bytes=1000)
        self._clock = clock
        self.start_s = 0.0

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed:
        self._clock.advance(self.start_s)
        begun()
        spent_s = float(document.data)
        self._clock.advance(abs(spent_s))
        if spent_s < 0:
            raise UnprocessableFile("damaged")
        return Parsed(format="docx", outputs={}, compute_us=round(spent_s * 1e6))


async def test_how_long_files_take_is_learned_for_what_they_are_and_not_for_what_they_are_called() -> None:
    clock = FakeClock()
    async with DocumentsEngine(DocumentsSettings(), Slow(clock), clock=clock) as engine:
        for _ in range(9):
            await engine.parse(document("a.csv", b"5"), Deadline.after(99, clock=clock))
        believed = [engine._estimates.seconds(document(name, b"5")) for name in ("a.csv", "a.docx", "a.bin")]
        for _ in range(9):
            await engine.parse(document("a.bin", b"5"), Deadline.after(99, clock=clock))
        unknown = engine._estimates.seconds(document("b.other", b"5"))

    assert believed == [pytest.approx(0.022), pytest.approx(5, rel=0.1), pytest.approx(0.022)]
    assert unknown == pytest.approx(5, rel=0.1)


async def test_files_that_are_refused_late_teach_that_such_files_take_long_and_early_ones_nothing() -> None:
    clock = FakeClock()
    async with DocumentsEngine(DocumentsSettings(), Slow(clock), clock=clock) as engine:
        believed = []
        for data in (b"-.001", b"-5"):
            for _ in range(9):
                with pytest.raises(UnprocessableFile):
                    await engine.parse(document("a.tex", data), Deadline.after(99, clock=clock))
            believed.append(engine._estimates.seconds(document("a.tex", data)))

    assert believed == [pytest.approx(0.022), pytest.approx(5, rel=0.1)]


async def test_a_client_does_not_pay_for_the_start_of_a_worker_that_another_ended() -> None:
    clock = FakeClock()
    backend = Slow(clock)
    backend.start_s = 3.0
    async with DocumentsEngine(DocumentsSettings(), backend, clock=clock) as engine:
        paid = paid_in(engine)
        await engine.parse(document("a.docx", b".5"), Deadline.after(99, clock=clock))

    assert paid() == 500


async def test_who_gives_a_file_up_pays_for_the_start_of_another_worker() -> None:
    clock = FakeClock()
    async with DocumentsEngine(DocumentsSettings(), Gated(), clock=clock) as engine:
        paid = paid_in(engine)
        task = asyncio.create_task(engine.parse(document(), Deadline.after(99, clock=clock)))
        await asyncio.sleep(0.01)
        clock.advance(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert paid() == 1000 + 2500


def paid_in(engine: DocumentsEngine) -> Callable[[], int]:
    """What is paid for files from now on, in all. Unit: milliseconds."""
    costs: list[int] = []
    submit, settle = engine._scheduler.submit, engine._scheduler.settle

    def note_submit(request: Any, works: Any, now_s: float) -> Any:
        costs.extend(work.cost for _, work in works)
        return submit(request, works, now_s)

    def note_settle(whose: Caller, cost: int) -> None:
        costs.append(cost)
        settle(whose, cost)

    engine._scheduler.submit, engine._scheduler.settle = note_submit, note_settle  # type: ignore[method-assign, assignment]
    return lambda: sum(costs)


async def test_a_file_that_cannot_be_done_in_what_is_left_of_its_time_takes_no_worker() -> None:
    async with recording() as (engine, backend):
        first = sent(engine, "first-260", "a")
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded, match=r"late-1\.md: there is too little time left"):
            await engine.parse(document("late-1.md", b"x" * 1024 * 900), Deadline.after(3.0))
        await first
        names = list(backend.names)
        await asyncio.gather(*(sent(engine, f"after-1-{number}", "a") for number in range(3)))

    assert names == ["first-260.md"]
    assert backend.most_running == 1


async def test_a_file_that_would_come_too_late_is_refused_at_once_with_a_delay() -> None:
    async with recording() as (engine, _):
        tasks = [sent(engine, f"large-10-{number}", str(number), kib=900) for number in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="ms of work are waiting") as caught:
            await engine.parse(document("a-1.md"), Deadline.after(0.4))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert caught.value.retry_after_s
    assert engine.backlog().predicted_wait_s == 0


async def test_a_small_file_is_not_refused_for_what_large_ones_before_it_might_take() -> None:
    async with recording() as (engine, backend):
        first = sent(engine, "large-5", "greedy", kib=900)
        await asyncio.sleep(0)
        await engine.parse(document("a-1.md"), Deadline.after(2.0))
        await first

    assert backend.names == ["large-5.md", "a-1.md"]
