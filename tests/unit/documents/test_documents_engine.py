"""The engine over the fake backend: checks, admission, deadline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.common.deadline import Deadline
from services.common.errors import DeadlineExceeded, InvalidRequest, Overloaded, TooLarge, UnsupportedFormat
from services.documents.backends.base import Document, Output
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


async def test_an_empty_file_is_refused() -> None:
    async with running() as engine:
        with pytest.raises(InvalidRequest, match="empty"):
            await engine.parse(document(data=b""), soon())


async def test_a_file_over_the_limit_is_refused_with_both_sizes() -> None:
    async with running() as engine:
        with pytest.raises(TooLarge, match=r"1001 bytes; at most 1000"):
            await engine.parse(document(data=b"x" * 1001), soon())


async def test_an_error_of_the_backend_reaches_the_caller_and_frees_the_place() -> None:
    async with running(max_queued=0) as engine:
        with pytest.raises(UnsupportedFormat):
            await engine.parse(document("a.pdf", b"%PDF-1.7"), soon())
        parsed = await engine.parse(document(), soon())

    assert parsed.format == "md"


async def test_a_full_queue_refuses_at_once_with_a_delay_that_grows_with_the_queue() -> None:
    delays = []
    for max_queued in (1, 9):
        async with running(max_queued=max_queued, parse_s=FOREVER_S) as engine, busy(engine, 1 + max_queued):
            with pytest.raises(Overloaded, match="files .*in progress") as caught:
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
