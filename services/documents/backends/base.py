"""The `DocumentBackend` port and its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from services.common.errors import InvalidRequest


class Output(StrEnum):
    """A form in which a parsed document is returned."""

    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"
    TEXT = "text"


class Include(StrEnum):
    """What a document holds beside its text; returned only where it is asked for."""

    FOOTNOTES = "footnotes"
    """Footnotes and endnotes."""
    HEADERS = "headers"
    """What is repeated on pages: headers and footers."""
    COMMENTS = "comments"
    SPEAKER_NOTES = "speaker_notes"
    HIDDEN = "hidden"
    """Slides, sheets, rows, columns and text that are not shown."""
    CHANGES = "changes"
    """Tracked changes, marked; without it they are all accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of file."""

    name: str
    extensions: tuple[str, ...]
    """Lower case, without the dot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How a file in pages is read."""

    first: int = 1
    """Number of the first page that is wanted, from 1 on."""
    last: int | None = None
    """Number of the last one; None for the file's."""
    do_ocr: bool = True
    """Read what only pictures show."""
    force_ocr: bool = False
    """Read everything from pictures, also where there is text."""
    ocr_languages: Sequence[str] = ()
    """Languages of pictures, as tags; none for whatever the letters are."""

    @property
    def has_range(self) -> bool:
        """True when not all pages are wanted."""
        return self.first != 1 or self.last is not None


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Document:
    """A file to parse."""

    filename: str
    data: bytes = field(repr=False)
    outputs: Sequence[Output]
    """The forms wanted, each once."""
    include: Sequence[Include] = ()
    """What is wanted beside the text, each once."""
    paging: Paging = Paging()
    """For files in pages."""


def no_pages(document: Document) -> InvalidRequest:
    """What is said where pages of a file are asked for that has none."""
    return InvalidRequest(f"page_range: {document.filename} has no pages; leave it out", param="page_range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """What is known of a file in pages once it is open."""

    format: str
    """Name of the format that the content was found to be."""
    pages: range
    """Numbers of the pages that are wanted and there, ascending."""
    errors: Sequence[str] = ()
    """What is wrong with the file as a whole, one sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that was read, or could not be."""

    number: int
    """From 1 on."""
    content: bytes = field(default=b"", repr=False)
    """What the parser put together of it, for the parser alone; empty for a page that could not be read."""
    text: str = field(default="", repr=False)
    """Its text, as far as one page tells it."""
    errors: Sequence[str] = ()
    """What could not be read, one sentence each."""
    has_ended_worker: bool = False
    """True when it crashed its worker, or took too long or too much memory."""
    compute_us: int = 0
    """Time with the worker. Unit: microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What came of a file."""

    format: str
    """Name of the format that the content was found to be."""
    outputs: Mapping[Output, bytes] = field(repr=False)
    """The forms asked for, each in UTF-8."""
    errors: Sequence[str] = ()
    """What could not be parsed, one sentence each; empty when the whole file was."""
    queue_us: int = 0
    """Wait for a worker. Unit: microseconds."""
    compute_us: int = 0
    """Time with the worker. Unit: microseconds."""


class DocumentBackend(AbstractAsyncContextManager[Any], Protocol):
    """Parses files, a fixed number at a time; the others wait. Entered, it is ready for the first."""

    @property
    def formats(self) -> Sequence[Format]:
        """What it parses, by name ascending."""
        ...

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed | Paged:
        """Parse a file, or open it when it is one in pages. Cancelled, it stops the work at once, as all others do.

        Args:
            document: the file.
            begun: called when a parser has it, which may have had to be started.

        Raises:
            UnsupportedFormat: the content is of a format that is not in `formats`.
            UnprocessableFile: the content is damaged, takes more memory than allowed, or crashed the parser.
            TooLarge: the content unpacked, or the result, passes a limit.
            InvalidRequest: what was asked for is not there.
        """
        ...

    async def read_page(self, document: Document, number: int, begun: Callable[[], None]) -> Page:
        """Read a page of a file that is in pages. One that ends its worker is a page without content.

        Args:
            document: the file.
            number: of the page, from 1 on.
            begun: see `parse`.

        Raises:
            UnprocessableFile: this page cannot be read.
        """
        ...

    async def assemble(self, document: Document, pages: Sequence[Page], begun: Callable[[], None]) -> Parsed:
        """Make the document of its pages.

        Args:
            document: the file.
            pages: those that were read, ascending.
            begun: see `parse`.

        Raises:
            UnprocessableFile, TooLarge: see `parse`.
        """
        ...

    async def run(self) -> None:
        """Keep the parsers alive until cancelled; the process supervises it."""
        ...
