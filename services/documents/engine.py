"""Files to documents: check, admit, parse in turn and within the deadline, count."""

from __future__ import annotations

import asyncio
import codecs
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from types import TracebackType
from typing import Self, TypeVar

from services.common import caller
from services.common.caller import Caller
from services.common.deadline import Clock, Deadline
from services.common.errors import Cancelled, DeadlineExceeded, InvalidRequest, Overloaded, RequestError, TooLarge
from services.common.filenames import MAX_BYTES, is_filename
from services.common.places import Places
from services.common.reply import Backlog
from services.documents import metrics
from services.documents.backends.base import Document, DocumentBackend, Format, Page, Paged, Parsed
from services.documents.estimates import Estimates
from services.documents.paging import Progress, Reading, unheard
from services.documents.settings import DocumentsSettings
from services.scheduler.policy import Policy
from services.scheduler.scheduler import Scheduler
from services.scheduler.speed import Speed
from services.scheduler.work import Batch, NotTaken, Request, Work

_EMPTY = (b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
"""A byte-order mark is no content."""
_POLICY = Policy(least_tokens=1, margin=0.25)
"""Costs are milliseconds of a worker, and a batch is one file. Files of one size and format may take ten times as long
as each other: one is refused for what is before it only if even a quarter of that would take too long."""
_MILLISECONDS = Speed(per_token=1e-3)
_UNBOUNDED = 2**53
"""What waits is bounded by number, as each file is held in memory."""
_MOST_PREDICTED = 0.5
"""Of the time that a file's deadline leaves: a file that may take longer than it seems is still tried."""

_START_MS = 2_500
"""What a client pays where it ends a worker: the start of the next takes 2 to 4 s of a core."""

_ASSEMBLY_S = 0.01
"""Time to make a document, for each of its pages: 5 to 15 ms."""

_Made = TypeVar("_Made")
Do = Callable[[Callable[[], None]], Awaitable[_Made]]
"""Has a worker do something; calls what it is given when a worker has it."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Turn(Request):
    """A file, or a page of one, that waits for a worker."""

    document: Document
    came: asyncio.Future[None]
    charged: int
    """What its client has paid. Unit: milliseconds of a worker."""
    begun_s: float = math.inf
    """When a worker had it."""
    given_s: float = math.inf
    """When it was its turn."""
    is_given_up: bool = False
    """In the middle, which ends its worker."""

    @property
    def waited_us(self) -> int:
        """How long it waited for its turn."""
        return round((self.given_s - self.submitted_s) * 1e6)

    def had_s(self, now_s: float) -> float:
        """How long a worker has had it."""
        return max(0.0, now_s - self.begun_s)


class DocumentsEngine:
    """A backend behind an admission that bounds who waits. Enter it to start the backend.

    Args:
        settings: limits.
        backend: what parses.
        clock: monotonic seconds.
    """

    def __init__(self, settings: DocumentsSettings, backend: DocumentBackend, *, clock: Clock = time.monotonic) -> None:
        self._settings = settings
        self._backend = backend
        self._clock = clock
        self._places = Places(settings.workers + settings.max_queued, "files")
        self._estimates = Estimates(_POLICY)
        self._scheduler = Scheduler(
            _POLICY, most_queued=_UNBOUNDED, most_batched=_UNBOUNDED, replicas=settings.workers, unit="ms of work"
        )
        self._scheduler.note_batch(_MILLISECONDS, padded_tokens=0, now_s=-math.inf)  # never sure: files differ
        self._running: dict[_Turn, Batch] = {}
        """Whose files are parsed; each is a batch of its own."""
        self._shown = metrics.in_flight()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start the backend."""
        await self._stack.enter_async_context(self._backend)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the backend."""
        await self._stack.aclose()

    async def run(self) -> None:
        """Keep the backend alive until cancelled."""
        await self._backend.run()

    @property
    def formats(self) -> Sequence[Format]:
        """What is parsed, by name ascending."""
        return self._backend.formats

    def backlog(self) -> Backlog:
        """Files that wait, and how long the next one would."""
        is_free = len(self._running) < self._settings.workers
        wait_s = 0.0 if is_free else self._scheduler.backlog().predicted_wait_s
        parsed = {id(turn.document) for turn in self._running}  # pages of one file may have several workers
        return Backlog(queued_cost=self._places.taken - len(parsed), predicted_wait_s=wait_s)

    async def parse(self, document: Document, deadline: Deadline, progress: Progress = unheard) -> Parsed:
        """Parse a file.

        Args:
            document: the file.
            deadline: of the call.
            progress: told of each page of a file in pages, in the order in which they are read.

        Raises:
            InvalidRequest, TooLarge: the request is wrong.
            Overloaded: too many files wait already, or the answer would come after the deadline; nothing was done.
            DeadlineExceeded: the deadline passed; the work was ended.
            RequestError: see `DocumentBackend.parse`.
        """
        try:
            self._check(document)
            deadline.check("documents: parse")
            with self._admitted():
                async with deadline.enforce(f"documents: parse {document.filename}"):
                    parsed = await self._parse(document, deadline, progress)
        except (RequestError, asyncio.CancelledError) as exc:
            code = exc.code if isinstance(exc, RequestError) else Cancelled.code
            metrics.files().labels(self._estimates.claimed(document) or "unknown", code).inc()
            raise
        _count(parsed)
        return parsed

    async def _parse(self, document: Document, deadline: Deadline, progress: Progress) -> Parsed:
        """Parse a file in one turn, or in one for each of its pages."""
        most_s = _MOST_PREDICTED * deadline.remaining_s()
        cost_s = min(self._estimates.seconds(document), most_s)
        turn, made = await self._in_turn(document, deadline, cost_s, partial(self._backend.parse, document))
        if isinstance(made, Paged):
            self._estimates.learn(document, turn.had_s(self._clock()), made.format)  # it was only opened
            self._check_pages(document, made)
            at_once = self._settings.workers
            reading = Reading(document, made, deadline, progress, self._page_turn, self._assembling_turn, at_once)
            made = await reading.parsed()
        else:
            self._estimates.learn(document, made.compute_us / 1e6, made.format)
        return replace(made, queue_us=made.queue_us + turn.waited_us)

    async def _page_turn(self, document: Document, number: int, deadline: Deadline, format_: str) -> Page:
        """Read a page, in a turn of its own: a file of 300 pages does not stand before one of a single page."""
        cost_s = self._estimates.page_seconds(format_)
        read = partial(self._backend.read_page, document, number)
        turn, page = await self._in_turn(document, deadline, cost_s, read)
        if page.has_ended_worker:
            self._charge(turn, turn.charged + _START_MS)
        else:
            self._estimates.learn_page(format_, page.compute_us / 1e6)
        return page

    async def _assembling_turn(self, document: Document, pages: Sequence[Page], deadline: Deadline) -> Parsed:
        """Make the document of its pages."""
        cost_s = _ASSEMBLY_S * len(pages)
        _, made = await self._in_turn(document, deadline, cost_s, partial(self._backend.assemble, document, pages))
        return made

    async def _in_turn(
        self, document: Document, deadline: Deadline, cost_s: float, do: Do[_Made]
    ) -> tuple[_Turn, _Made]:
        """Have a worker do something once it is the client's turn at one: by what its work takes, interactive work
        before bulk.
        """
        now_s = self._clock()
        cost = max(1, math.ceil(cost_s * 1e3))
        turn = _Turn(
            caller=caller.current.get(),
            deadline_s=deadline.at_s,
            submitted_s=now_s,
            document=document,
            came=asyncio.get_running_loop().create_future(),
            charged=cost,
        )
        refused = self._scheduler.submit(turn, [(0, Work(payload=document, cost=cost))], now_s)
        if isinstance(refused, NotTaken):
            raise refused.error
        try:
            self._give_turns()
            await turn.came
            turn.given_s = self._clock()
            return turn, await self._done(turn, document, do)
        finally:
            self._end(turn)
            self._give_turns()

    async def _done(self, turn: _Turn, document: Document, do: Do[_Made]) -> _Made:
        """Have it done, now that it is its turn."""

        def begin() -> None:
            turn.begun_s = self._clock()

        try:
            return await do(begin)
        except BaseException as exc:
            turn.is_given_up = isinstance(exc, asyncio.CancelledError)
            self._estimates.learn_at_least(document, turn.had_s(self._clock()))
            raise

    def _give_turns(self) -> None:
        """Let the next files have the workers that are free."""
        now_s = self._clock()
        for turn in self._running:
            self._charge(turn, max(turn.charged, round(turn.had_s(now_s) * 1e3)))
        while self._scheduler.is_waiting and self._has_worker(self._scheduler.next_caller()):
            batch = self._scheduler.take(now_s)
            self._scheduler.begin(batch, now_s)
            for turn in _turns(batch.requests):
                self._running[turn] = batch
                if not turn.came.done():
                    turn.came.set_result(None)
            for turn in _turns(batch.late):
                if not turn.came.done():
                    turn.came.set_exception(_too_late(turn))

    def _has_worker(self, asking: Caller) -> bool:
        """Whether there is a worker for a caller's file.

        A spare one parses too where all others have files of one client, or of one origin, that is not the caller's:
        two files of a quarter of a minute then do not keep everybody else waiting for as long.
        """
        parsing, settings = len(self._running), self._settings
        if parsing < settings.workers:
            return True
        if parsing >= settings.workers + settings.spare_workers:
            return False
        for whose in (attrgetter("identity"), attrgetter("origin")):
            holders = {whose(turn.caller) for turn in self._running}
            if len(holders) == 1 and whose(asking) not in holders:
                return True
        return False

    def _charge(self, turn: _Turn, milliseconds: int) -> None:
        """Let the client of a file pay so much for it, in all."""
        self._scheduler.settle(turn.caller, milliseconds - turn.charged)
        turn.charged = milliseconds

    def _end(self, turn: _Turn) -> None:
        """The file of a turn is parsed, or given up: its client pays for the time that a worker had it, and for the
        start of another worker where it ended that one.
        """
        turn.came.cancel()
        if (batch := self._running.pop(turn, None)) is None:
            self._scheduler.cancel(turn)
            return
        now_s = self._clock()
        self._scheduler.finish(batch, now_s)
        start_ms = _START_MS if turn.is_given_up and turn.had_s(now_s) else 0
        self._charge(turn, round(turn.had_s(now_s) * 1e3) + start_ms)

    def _check(self, document: Document) -> None:
        name = document.filename
        if not is_filename(name):
            raise InvalidRequest(
                f"filename: it needs 1 to {MAX_BYTES} bytes without path separators and control characters",
                param="filename",
            )
        if document.data in _EMPTY:
            raise InvalidRequest(f"{name}: the file is empty; send its content", param="data")
        if (size := len(document.data)) > self._settings.max_file_bytes:
            raise TooLarge(f"{name}: {size} bytes; at most {self._settings.max_file_bytes}; split it", param="data")

    def _check_pages(self, document: Document, paged: Paged) -> None:
        most = self._settings.max_pages
        if (count := len(paged.pages)) > most:
            raise TooLarge(
                f"{document.filename}: {count} pages; at most {most} are read at once; ask for a part of them by "
                "page_range",
                param="page_range",
            )

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Count the file while it is here; refuse it when too many wait, or too many of its client."""
        asking = caller.current.get()
        if problem := self._places.problem(asking):
            wait_s = max(1.0, self.backlog().predicted_wait_s)
            raise Overloaded(f"documents: {problem}; try again in {wait_s:.0f} s", retry_after_s=wait_s)
        self._shown.inc()
        try:
            with self._places.hold(asking):
                yield
        finally:
            self._shown.dec()


def _count(parsed: Parsed) -> None:
    metrics.files().labels(parsed.format, "partial" if parsed.errors else "ok").inc()
    metrics.parse_seconds().labels(parsed.format).observe(parsed.compute_us / 1e6)


def _turns(requests: Iterable[Request]) -> Iterator[_Turn]:
    return (request for request in requests if isinstance(request, _Turn))


def _too_late(turn: _Turn) -> DeadlineExceeded:
    text = "there is too little time left to parse it; allow more time"
    return DeadlineExceeded(f"documents: {turn.document.filename}: {text}")
