"""A deterministic documents backend without Docling: the same file always gives the same document."""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from services.documents.backends.base import Document, Format, Output, Parsed
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

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed:
        """See `DocumentBackend`."""
        queued_s = time.monotonic()
        async with self._free:
            begun()
            started_s = time.monotonic()
            await asyncio.sleep(self._parse_s)
            return Parsed(
                format=detect(document.filename, document.data, max_unpacked_bytes=self._max_unpacked_bytes),
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
