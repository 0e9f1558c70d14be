"""The engine over files in pages, with the fake backend: a page of it ends with a form feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from services.common import caller
from services.common.caller import Caller
from services.common.deadline import Deadline
from services.common.errors import DeadlineExceeded, InvalidRequest, TooLarge, Unavailable, UnprocessableFile
from services.documents import metrics
from services.documents import paging as paging_module
from services.documents.backends.base import Document, Output, Page, Paging
from services.documents.backends.fake import FakeDocumentBackend
from services.documents.engine import DocumentsEngine
from services.documents.paging import PageDone, kept_s
from services.documents.settings import DocumentsSettings
from services.scheduler.scheduler import Scheduler


class Scripted(FakeDocumentBackend):
    """Notes which pages were read, in that order."""

    def __init__(self, *, parse_s: float = 0.0) -> None:
        super().__init__(workers=8, max_unpacked_bytes=1000, parse_s=parse_s)
        self.read: list[tuple[str, int]] = []
        self.at_once = self.most_at_once = 0

    async def read_page(self, document: Document, number: int, begun: Callable[[], None]) -> Page:
        self.read.append((document.filename, number))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if b"deadly" in document.data.split(b"\f")[number - 1]:
                begun()
                return Page(number=number, errors=[f"page {number}: it takes too much memory"], has_ended_worker=True)
            if b"gone" in document.data.split(b"\f")[number - 1]:
                raise Unavailable("no worker")
            return await super().read_page(document, number, begun)
        finally:
            self.at_once -= 1


@asynccontextmanager
async def running(backend: FakeDocumentBackend, *, workers: int = 1) -> AsyncIterator[DocumentsEngine]:
    async with DocumentsEngine(DocumentsSettings(workers=workers, spare_workers=0), backend) as engine:
        yield engine


def pdf(*pages: str, name: str = "a.pdf", paging: Paging = Paging()) -> Document:  # noqa: B008 - frozen
    return Document(filename=name, data=b"%PDF-" + "\f".join(pages).encode(), outputs=[Output.TEXT], paging=paging)


def soon() -> Deadline:
    return Deadline.after(30)


async def test_every_page_is_told_of_and_the_document_is_made_of_all() -> None:
    told: list[PageDone] = []
    async with running(Scripted()) as engine:
        parsed = await engine.parse(pdf("one", "two", "three"), soon(), told.append)

    assert [(each.page.number, each.done, each.total) for each in told] == [(1, 1, 3), (2, 2, 3), (3, 3, 3)]
    assert told[1].page.text == "two"
    assert (parsed.outputs[Output.TEXT], list(parsed.errors), parsed.format) == (b"3 pages", [], "pdf")


async def test_only_the_pages_that_are_asked_for_are_read() -> None:
    backend = Scripted()
    async with running(backend) as engine:
        parsed = await engine.parse(pdf(*"abcdef", paging=Paging(first=2, last=4)), soon())

    assert [number for _, number in backend.read] == [2, 3, 4]
    assert parsed.outputs[Output.TEXT] == b"3 pages"


async def test_a_page_that_cannot_be_read_is_named_and_the_others_are_there() -> None:
    before = metrics.pages().labels("pdf", "failed")._value.get()
    async with running(Scripted()) as engine:
        parsed = await engine.parse(pdf("one", "damaged", "three"), soon())

    assert parsed.outputs[Output.TEXT] == b"2 pages"
    assert list(parsed.errors) == ["page 2: it cannot be read; it is damaged"]
    assert metrics.pages().labels("pdf", "failed")._value.get() == before + 1


async def test_equal_problems_of_pages_are_said_once_and_no_more_than_there_is_room_for() -> None:
    async with running(Scripted()) as engine:
        same = await engine.parse(pdf("one", "damaged", "damaged", "four", "damaged"), soon())
        many = await engine.parse(pdf(*["damaged", "fine"] * 100), soon())

    assert list(same.errors) == [
        "pages 2 to 3: it cannot be read; it is damaged",
        "page 5: it cannot be read; it is damaged",
    ]
    assert len(many.errors) == 61
    assert many.errors[-1] == "40 more of such problems"


async def test_a_file_may_end_few_workers_and_more_where_many_of_its_pages_are_read() -> None:
    deadly = Scripted()
    async with running(deadly) as engine:
        short = await engine.parse(pdf("one", *["deadly"] * 10), soon())
        mixed = await engine.parse(pdf(*(["deadly"] + ["fine"] * 30) * 6), soon())

    assert short.outputs[Output.TEXT] == b"1 pages"
    assert list(short.errors) == [
        "pages 2 to 5: it takes too much memory",
        "pages 6 to 11: not read, 6 of 11: too many pages before them took too much time or memory; "
        "ask for them by page_range",
    ]
    assert mixed.outputs[Output.TEXT] == b"180 pages"


async def test_pages_are_read_until_they_hold_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging_module, "_MOST_HELD_BYTES", 15)
    backend = Scripted()
    async with running(backend) as engine:
        parsed = await engine.parse(pdf(*["seven b"] * 5), soon())

    assert [number for _, number in backend.read] == [1, 2]
    assert parsed.outputs[Output.TEXT] == b"2 pages"
    assert list(parsed.errors) == [
        "pages 3 to 5: not read, 3 of 5: the pages before them hold too much for one document; "
        "ask for them by page_range"
    ]


def test_more_time_is_kept_for_making_a_document_of_pages_that_hold_more() -> None:
    text, tables = (kept_s(300, held_bytes=held, waited_s=0) for held in (9_000_000, 84_000_000))

    assert text == pytest.approx(7)
    assert tables == pytest.approx(51.4)


async def test_a_file_of_nothing_but_deadly_pages_is_refused() -> None:
    async with running(Scripted()) as engine:
        with pytest.raises(UnprocessableFile, match="no page could be read; page 1: it takes too much memory"):
            await engine.parse(pdf(*["deadly"] * 10), soon())


async def test_a_client_pays_for_the_workers_that_its_pages_end(monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[int] = []
    monkeypatch.setattr(Scheduler, "settle", lambda _self, _caller, cost: settled.append(cost))
    async with running(Scripted()) as engine:
        await engine.parse(pdf("one", "deadly"), soon())

    assert max(settled) >= 2_500


async def test_too_many_pages_are_refused_with_what_to_do_and_a_part_of_them_is_read() -> None:
    settings = DocumentsSettings(workers=1, spare_workers=0, max_pages=3)
    async with DocumentsEngine(settings, Scripted()) as engine:
        with pytest.raises(TooLarge, match=r"a.pdf: 4 pages; at most 3 are read at once; ask for a part of them"):
            await engine.parse(pdf(*"abcd"), soon())
        part = await engine.parse(pdf(*"abcd", paging=Paging(first=2)), soon())

    assert part.outputs[Output.TEXT] == b"3 pages"


async def test_a_file_of_which_no_page_can_be_read_is_refused() -> None:
    async with running(Scripted()) as engine:
        with pytest.raises(UnprocessableFile, match=r"a.pdf: no page could be read; page 1: it cannot be read"):
            await engine.parse(pdf("damaged", "damaged"), soon())


async def test_an_error_that_is_not_the_pages_own_ends_the_file() -> None:
    async with running(Scripted(), workers=2) as engine:
        with pytest.raises(Unavailable, match="no worker"):
            await engine.parse(pdf("one", "gone", "three"), soon())


async def test_when_the_time_is_over_the_pages_that_were_read_are_returned() -> None:
    async with running(Scripted(parse_s=0.2)) as engine:
        parsed = await engine.parse(pdf(*"abcdefghij"), Deadline.after(1.0))

    pages = int(parsed.outputs[Output.TEXT].split()[0])
    assert 1 <= pages <= 4
    [error] = parsed.errors
    assert error.startswith(f"pages {pages + 1} to 10: not read, {10 - pages} of 10: the time allowed was over")


async def test_a_first_page_that_takes_too_long_is_a_deadline_exceeded() -> None:
    async with running(Scripted(parse_s=5)) as engine:
        with pytest.raises(DeadlineExceeded, match="no page was read in the time allowed"):
            await engine.parse(pdf("one"), Deadline.after(0.2))


async def test_pages_are_read_by_all_workers_and_no_more_at_a_time() -> None:
    backend = Scripted(parse_s=0.01)
    async with running(backend, workers=3) as engine:
        await engine.parse(pdf(*"abcdefghij"), soon())

    assert backend.most_at_once == 3


async def test_a_file_of_which_several_pages_are_read_at_a_time_is_no_negative_backlog() -> None:
    async with running(Scripted(parse_s=0.02), workers=3) as engine:
        told: list[float] = []
        await engine.parse(pdf(*"abcdef"), soon(), lambda _: told.append(engine.backlog().queued_cost))

    assert set(told) <= {0, 1}


async def test_a_long_file_does_not_stand_before_a_short_one_of_somebody_else() -> None:
    backend = Scripted(parse_s=0.01)

    async def parse(name: str, pages: int) -> None:
        caller.current.set(Caller(client=name, origin=name))
        await engine.parse(pdf(*["x"] * pages, name=name), soon())

    async with running(backend) as engine:
        long = asyncio.create_task(parse("long.pdf", 50))
        await asyncio.sleep(0.05)
        await asyncio.create_task(parse("short.pdf", 1))
        read = len(backend.read)
        await long

    assert read < 15


async def test_a_file_whose_pages_have_all_workers_is_one_that_is_parsed() -> None:
    backend = Scripted(parse_s=0.05)
    async with running(backend, workers=3) as engine:
        tasks = [asyncio.create_task(engine.parse(pdf(*"abcdefghi", name=name), soon())) for name in ("a", "b")]
        await asyncio.sleep(0.02)
        backlog = engine.backlog()
        await asyncio.gather(*tasks)
        after = engine.backlog()

    assert 0 <= backlog.queued_cost <= 1
    assert after.queued_cost == 0


async def test_whoever_leaves_ends_the_reading() -> None:
    backend = Scripted(parse_s=0.05)
    async with running(backend) as engine:
        task = asyncio.create_task(engine.parse(pdf(*"abcdefghij"), soon()))
        await asyncio.sleep(0.12)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        read = len(backend.read)
        await asyncio.sleep(0.15)

    assert 1 <= read == len(backend.read) < 10


async def test_opening_a_large_file_in_pages_is_learned_to_be_cheap() -> None:
    async with running(Scripted()) as engine:
        large = Document(filename="a.pdf", data=b"%PDF-" + b" " * 2**20, outputs=[Output.TEXT])
        before_s = engine._estimates.seconds(large)
        await engine.parse(large, soon())
        after_s = engine._estimates.seconds(large)

    assert before_s > 1
    assert after_s < 0.5


async def test_pages_of_a_file_that_has_none_are_an_error() -> None:
    document = Document(filename="a.md", data=b"# x", outputs=[Output.TEXT], paging=Paging(first=2))
    async with running(Scripted()) as engine:
        with pytest.raises(InvalidRequest, match=r"page_range: a.md has no pages; leave it out"):
            await engine.parse(document, soon())
