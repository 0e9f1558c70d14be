"""The `DocumentBackend` port and its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


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
class Document:
    """A file to parse."""

    filename: str
    data: bytes = field(repr=False)
    outputs: Sequence[Output]
    """The forms wanted, each once."""
    include: Sequence[Include] = ()
    """What is wanted beside the text, each once."""


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

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed:
        """Parse a file. Cancelled, it stops the work at once.

        Args:
            document: the file.
            begun: called when a parser has it, which may have had to be started.

        Raises:
            UnsupportedFormat: the content is of a format that is not in `formats`.
            UnprocessableFile: the content is damaged, takes more memory than allowed, or crashed the parser.
            TooLarge: the content unpacked, or the result, passes a limit.
        """
        ...

    async def run(self) -> None:
        """Keep the parsers alive until cancelled; the process supervises it."""
        ...
