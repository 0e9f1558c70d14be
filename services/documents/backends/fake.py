"""A deterministic documents backend without Docling: the same file always gives the same document."""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from services.common.errors import UnprocessableFile
from services.documents.backends.base import Document, Format, Output, Page, Paged, Parsed, no_pages
from services.documents.backends.formats import FORMATS, detect


class FakeDocumentBackend:
    """Tells the format as the real one does, and returns the file's name, size and hash as the document.

    Args:
        workers: files parsed at a time.
        max_unpacked_bytes: see `detect`.
        parse_s: how long a file takes. Unit: seconds.
    """

    def __init__(self, *, workers: int, max_unpacked_bytes: int, parse_s: float = 0.0) -> None:
        self._free = asyncio.Semaphore(workers)
        self._max_unpacked_bytes = max_unpacked_bytes
        self._parse_s = parse_s

    async def __aenter__(self) -> Self:
        """Ready at once."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to free."""

    @property
    def formats(self) -> Sequence[Format]:
        """The formats of the real one."""
        return FORMATS

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed | Paged:
        """See `DocumentBackend`; a PDF has as many pages as its form feeds part."""
        queued_s = time.monotonic()
        async with self._free:
            begun()
            started_s = time.monotonic()
            format_ = detect(document.filename, document.data, max_unpacked_bytes=self._max_unpacked_bytes)
            if format_ == "pdf":
                paging, count = document.paging, document.data.count(b"\f") + 1
                return Paged(format=format_, pages=range(paging.first, min(count, paging.last or count) + 1))
            if document.paging.has_range:
                raise no_pages(document)
            await asyncio.sleep(self._parse_s)
            return self._parsed(document, format_, queued_s, started_s)

    async def read_page(self, document: Document, number: int, begun: Callable[[], None]) -> Page:
        """See `DocumentBackend`."""
        async with self._free:
            begun()
            await asyncio.sleep(self._parse_s)
            content = document.data.split(b"\f")[number - 1]
            if b"damaged" in content:
                raise UnprocessableFile(f"page {number}: it cannot be read; it is damaged")
            return Page(number=number, content=content, text=content.decode(errors="replace"))

    async def assemble(self, document: Document, pages: Sequence[Page], begun: Callable[[], None]) -> Parsed:
        """See `DocumentBackend`; the document tells how many pages it was made of."""
        async with self._free:
            begun()
            now_s = time.monotonic()
            texts = {output: f"{len(pages)} pages".encode() for output in document.outputs}
            return replace(self._parsed(document, "pdf", now_s, now_s), outputs=texts)

    def _parsed(self, document: Document, format_: str, queued_s: float, started_s: float) -> Parsed:
        return Parsed(
            format=format_,
            outputs={output: _render(document, output).encode() for output in document.outputs},
            queue_us=round((started_s - queued_s) * 1e6),
            compute_us=round((time.monotonic() - started_s) * 1e6),
        )

    async def run(self) -> None:
        """Nothing to keep alive."""
        await asyncio.Event().wait()


def _render(document: Document, output: Output) -> str:
    content = f"{len(document.data)} bytes, SHA-256 {hashlib.sha256(document.data).hexdigest()}"
    match output:
        case Output.MARKDOWN:
            return f"# {document.filename}\n\n{content}"
        case Output.JSON:
            return json.dumps({"name": document.filename, "texts": [{"text": content}]})
        case Output.HTML:
            return f"<h1>{html.escape(document.filename)}</h1><p>{content}</p>"
        case Output.TEXT:
            return f"{document.filename}\n\n{content}"
