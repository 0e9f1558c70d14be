"""A file in pages: each is read in a turn of its own, and the document is made of those that could be read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from services.common.deadline import Deadline
from services.common.errors import DeadlineExceeded, Overloaded, UnprocessableFile
from services.documents import metrics, problems
from services.documents.backends.base import Document, Page, Paged, Parsed

_LEAST_KEPT_S = 1.0
"""Of the time allowed, kept for making the document of the pages that were read,"""
_KEPT_PER_PAGE_S = 0.02
"""and more for each of these, twice what a page of text takes: of 300 pages, 7 s;"""
_KEPT_PER_MB_S = 0.6
"""or more for what they hold, where that is more: tables take 0.2 to 0.5 s a megabyte, so 300 pages of tables of 240
cells, 84 MB, are given 51 s. Kept by their number alone these had 7 s, and none of their pages was in the answer;"""
_MOST_KEPT = 0.2
"""but no larger share than this of all that was allowed."""

_FORGOTTEN = 0.9
"""What is left with each page of the longest wait for a turn: after 20 pages an eighth."""
_MOST_LOST = 3
"""Pages of a file that may end their workers, whose successors take 2 to 4 s of a core to start,"""
_PAGES_PER_LOSS = 20
"""and one more for each so many that were read: of 300 pages, 18. A bound that does not grow would leave out most of a
long file with some bad pages, and one that grows faster would have a file cost more in starts than in reading."""
_MOST_HELD_BYTES = 128 * 1024 * 1024
"""Of the pages that were read, held here until the document is made, by a worker that needs eight times as much. Pages
of text have 10 to 50 KB, a table of 1,200 cells has 1.4 MB, and a file of 250 KB can be made of pages of 40 MB."""
_MOST_PROBLEMS = 60
"""Sentences about single pages in an answer: with 121 about the rest they are 220 KB of rarer letters."""

_NO_TIME = "the time allowed was over; allow more, or ask for them by page_range"
_TOO_MUCH_HELD = "the pages before them hold too much for one document; ask for them by page_range"
_TOO_MANY_LOST = "too many pages before them took too much time or memory; ask for them by page_range"

PageTurn = Callable[[Document, int, Deadline, str], Awaitable[Page]]
"""Reads a page of a file of a format."""
AssemblingTurn = Callable[[Document, Sequence[Page], Deadline], Awaitable[Parsed]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageDone:
    """A page was read, or could not be."""

    page: Page
    done: int
    """Pages that were read until now, this one included."""
    total: int
    """Pages that are wanted."""


Progress = Callable[[PageDone], None]


def unheard(done: PageDone) -> None:
    """Nobody wants to know."""


def kept_s(pages: int, held_bytes: int, waited_s: float) -> float:
    """Time that is kept for making a document of so many pages, which hold so much. Unit: seconds.

    Args:
        pages: that were read.
        held_bytes: of them.
        waited_s: how long pages wait for their turn, as the document will behind those of others.
    """
    return _LEAST_KEPT_S + waited_s + max(_KEPT_PER_PAGE_S * pages, _KEPT_PER_MB_S * held_bytes / 1e6)


class Reading:
    """The pages of one file.

    Args:
        document: the file.
        paged: its pages.
        deadline: of the call.
        progress: told of each page.
        page_turn: reads one.
        assembling_turn: makes the document.
        at_once: pages that may be read at a time.
    """

    def __init__(
        self,
        document: Document,
        paged: Paged,
        deadline: Deadline,
        progress: Progress,
        page_turn: PageTurn,
        assembling_turn: AssemblingTurn,
        at_once: int,
    ) -> None:
        self._document = document
        self._paged = paged
        self._deadline = deadline
        self._progress = progress
        self._page_turn = page_turn
        self._assembling_turn = assembling_turn
        self._at_once = at_once
        self._pages: dict[int, Page] = {}
        self._most_kept_s = _MOST_KEPT * deadline.remaining_s()
        self._stopped: Exception | None = None
        """Why not all pages were read,"""
        self._why = _NO_TIME
        """and what is said of it."""
        self._held_bytes = 0
        self._waited_s = 0.0
        """The longest that a page has waited for its turn lately."""
        self._lost = 0
        """Pages that ended their workers."""

    async def parsed(self) -> Parsed:
        """The document.

        Raises:
            UnprocessableFile: no page could be read.
            DeadlineExceeded: none was read in time.
            RequestError: see `DocumentBackend.assemble`.
        """
        await self._read_all()
        pages = [self._pages[number] for number in sorted(self._pages)]
        read = [page for page in pages if page.content]
        if not read:
            raise self._nothing_read(pages)
        made = await self._assembling_turn(self._document, read, self._deadline)
        told = problems.of_pages((page.number, error) for page in pages for error in page.errors)
        errors = [*self._paged.errors, *problems.bounded(told, _MOST_PROBLEMS), *self._left_out(), *made.errors]
        compute_us = made.compute_us + sum(page.compute_us for page in pages)
        return replace(made, errors=errors, compute_us=compute_us)

    async def _read_all(self) -> None:
        """Read some pages at a time, as workers are free for them."""
        numbers = iter(self._paged.pages)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._at_once, len(self._paged.pages))):
                    group.create_task(self._read(numbers))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _read(self, numbers: Iterator[int]) -> None:
        """Read the next pages until there are none, or the time is over."""
        while self._stopped is None and (number := next(numbers, None)) is not None:
            page = await self._page(number)
            if page is None:
                return
            self._pages[number] = page
            self._count(page)
            self._count_lost(page)
            self._count_held(page)
            self._progress(PageDone(page=page, done=len(self._pages), total=len(self._paged.pages)))

    async def _page(self, number: int) -> Page | None:
        """A page, or what is wrong with it; None when there is no time for it."""
        began_s = self._deadline.remaining_s()
        try:
            async with asyncio.timeout(self._left_s()):
                page = await self._page_turn(self._document, number, self._deadline, self._paged.format)
        except UnprocessableFile as exc:
            return Page(number=number, errors=[exc.message])
        except (TimeoutError, DeadlineExceeded, Overloaded) as exc:
            self._stopped = exc
            return None
        waited_s = began_s - self._deadline.remaining_s() - page.compute_us / 1e6
        self._waited_s = max(waited_s, _FORGOTTEN * self._waited_s)
        return page

    def _count_lost(self, page: Page) -> None:
        """Stop where too many pages ended their workers: others wait for the successors."""
        self._lost += page.has_ended_worker
        if self._lost > _MOST_LOST + (len(self._pages) - self._lost) // _PAGES_PER_LOSS:
            self._stop(_TOO_MANY_LOST)

    def _count_held(self, page: Page) -> None:
        """Stop where the pages hold more than there is room for."""
        self._held_bytes += len(page.content)
        if self._held_bytes > _MOST_HELD_BYTES:
            self._stop(_TOO_MUCH_HELD)

    def _stop(self, why: str) -> None:
        self._stopped = UnprocessableFile(f"{self._document.filename}: {why}")
        self._why = why

    def _left_s(self) -> float:
        """Time in which pages may be read: the rest is for making the document."""
        kept = kept_s(len(self._pages), self._held_bytes, self._waited_s)
        return self._deadline.remaining_s() - min(kept, self._most_kept_s)

    def _left_out(self) -> Iterator[str]:
        """What is said of pages for which there was no time."""
        missing = [number for number in self._paged.pages if number not in self._pages]
        if missing:
            count = f"{len(missing)} of {len(self._paged.pages)}"
            yield f"pages {missing[0]} to {missing[-1]}: not read, {count}: {self._why}"

    def _nothing_read(self, pages: Sequence[Page]) -> Exception:
        name = self._document.filename
        if pages:
            return UnprocessableFile(f"{name}: no page could be read; {pages[0].errors[0]}")
        if isinstance(self._stopped, Overloaded):
            return self._stopped
        return DeadlineExceeded(f"documents: {name}: no page was read in the time allowed; allow more time")

    def _count(self, page: Page) -> None:
        outcome = "failed" if not page.content else "partial" if page.errors else "ok"
        metrics.pages().labels(self._paged.format, outcome).inc()
        metrics.page_seconds().labels(self._paged.format).observe(page.compute_us / 1e6)
