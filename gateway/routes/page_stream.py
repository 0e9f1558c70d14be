"""A conversion as a stream of lines: its pages as they are read, then the document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import copy_context
from weakref import finalize

import msgspec

from gateway.clients.documents import PageDone, Progress
from gateway.errors.failure import failure_of
from gateway.schemas.convert import ConvertResponse, DocumentRead, PageRead, ReadingFailed
from services.common import call
from services.common.telemetry import request_id

NDJSON = "application/x-ndjson"

Convert = Callable[[Progress], Awaitable[ConvertResponse]]
"""Converts and tells of each page."""


class PageStream:
    """Starts to convert when it is made.

    Args:
        convert: what is streamed.
    """

    def __init__(self, convert: Convert) -> None:
        # Not bounded: its pages are no more than the document holds, which is bounded.
        self._pages = asyncio.Queue[PageDone | None]()
        self._converting = asyncio.ensure_future(convert(self._pages.put_nowait))
        self._converting.add_done_callback(lambda _: self._pages.put_nowait(None))
        self._first: PageDone | None = None
        self._asked = copy_context()
        """Of the request: whoever ends the lines, as the garbage collector, may be in another."""

    async def begun(self) -> None:
        """Wait for the first page, or the document: what fails before has an answer with a status of its own.

        Raises:
            RequestError: it failed.
        """
        try:
            self._first = await self._pages.get()
        except BaseException:
            self._converting.cancel()
            raise
        if self._first is None:
            self._converting.result()

    def lines(self) -> AsyncGenerator[bytes, None]:
        """The lines; whoever leaves ends the work."""
        lines = self._lines()
        # A client that leaves before the first line is sent: a generator that was never begun runs no `finally`.
        finalize(lines, self._converting.cancel).atexit = False
        return lines

    async def _lines(self) -> AsyncGenerator[bytes, None]:
        try:
            done = self._first
            while done is not None:
                yield _line(_page(done))
                done = await self._pages.get()
            yield _line(await self._last())
        finally:
            if not self._converting.done():
                self._asked.run(call.note, code="cancelled")
            self._converting.cancel()
            await asyncio.gather(self._converting, return_exceptions=True)

    async def _last(self) -> DocumentRead | ReadingFailed:
        try:
            return DocumentRead(result=await self._converting)
        except Exception as exc:  # noqa: BLE001 - the status is out, so the stream has to tell
            failure = failure_of(exc)
            call.note(**failure.notes())
            return ReadingFailed(status=failure.status, detail=failure.detail, request_id=request_id.current.get())


def _page(done: PageDone) -> PageRead:
    return PageRead(number=done.number, done=done.done, total=done.total, text=done.text, errors=list(done.errors))


def _line(event: PageRead | DocumentRead | ReadingFailed) -> bytes:
    return msgspec.json.encode(event) + b"\n"
