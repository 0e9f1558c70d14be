"""Files to documents, by the readers of their formats."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from services.common.errors import InvalidRequest, TooLarge, UnprocessableFile
from services.common.telemetry.logs import get_logger
from services.documents.backends.base import Document, Output, Parsed
from services.documents.backends.formats import detect
from services.documents.backends.reading import (
    asciidoc,
    csv,
    epub,
    glue,
    guard,
    html,
    jats,
    latex,
    markdown,
    packages,
    pptx,
    text,
    vtt,
    xlsx,
)
from services.documents.backends.reading.docx import reader as docx
from services.documents.backends.reading.odf import odp, ods, odt
from services.documents.backends.reading.reader import Read, Report, Source
from services.documents.backends.reading.rendering import render

READERS: Mapping[str, Read] = MappingProxyType(
    {
        "asciidoc": asciidoc.read,
        "csv": csv.read,
        "docx": docx.read,
        "epub": epub.read,
        "html": html.read,
        "latex": latex.read,
        "md": markdown.read,
        "odp": odp.read,
        "ods": ods.read,
        "odt": odt.read,
        "pptx": pptx.read,
        "txt": text.read,
        "vtt": vtt.read,
        "xlsx": xlsx.read,
        "xml_jats": jats.read,
    }
)
"""The reader of each format of `formats.FORMATS`."""

_WARM_UP = Document(
    filename="warm-up.html",
    data=b"<h1>a</h1><ul><li>b</ul><table><tr><td>c</table>",
    outputs=list(Output),
)

_CELLS = re.compile(r"Table of (\d+)x(\d+) cells exceeds the limit of (\d+) cells")
"""What Docling says of a table that it does not hold."""

_MOST_PROBLEMS = 100
_LONGEST_PROBLEM = 400
"""Letters: with the guard's 21 these are 50 KB of Latin, 200 KB of rarer letters."""

log = get_logger()


class DoclingParser:
    """Parses one file at a time, in this process.

    It calls Docling's backends itself: `DocumentConverter` would import every pipeline, and with them torch.

    Args:
        max_unpacked_bytes: see `detect`.
        max_output_bytes: largest result, all forms together.
    """

    def __init__(self, *, max_unpacked_bytes: int, max_output_bytes: int) -> None:
        self._max_unpacked_bytes = max_unpacked_bytes
        self._max_output_bytes = max_output_bytes

    def warm_up(self) -> None:
        """Load what is loaded on first use, so that the first file is as fast as the second."""
        mimetypes.init()  # reads system files, which a confined worker may not
        self.parse(_WARM_UP)

    def parse(self, document: Document) -> Parsed:
        """Parse a file.

        Raises:
            UnsupportedFormat, UnprocessableFile, TooLarge: see `DocumentBackend.parse`.
        """
        format_ = "a document"
        try:
            format_ = detect(document.filename, document.data, max_unpacked_bytes=self._max_unpacked_bytes)
            outputs, problems = _read(document, format_)
        except InvalidRequest:
            raise
        except Exception as exc:
            raise _translated(exc, document, format_) from exc
        encoded = {output: content.encode(errors="replace") for output, content in outputs.items()}
        if (size := sum(map(len, encoded.values()))) > self._max_output_bytes:
            raise TooLarge(
                f"{document.filename}: the result has {size} bytes; at most {self._max_output_bytes}; "
                "ask for fewer forms or split the file"
            )
        return Parsed(format=format_, outputs=encoded, errors=problems)


def _read(document: Document, format_: str) -> tuple[dict[Output, str], list[str]]:
    """The forms asked for, and what could not be kept of the file."""
    source = Source(filename=document.filename, data=packages.usual(document.data), include=frozenset(document.include))
    report = Report()
    parsed = READERS[format_](source, report)
    glue.keep_at_ends(parsed)
    outputs = {output: render(parsed, output) for output in document.outputs}
    problems = [*_bounded(report.problems), *map(_cut, guard.lost(report.passages, outputs))]
    return {output: glue.clean(content) for output, content in outputs.items()}, problems


def _bounded(problems: Sequence[str]) -> Iterator[str]:
    """What an answer has room for, whatever the file is made of."""
    yield from map(_cut, problems[:_MOST_PROBLEMS])
    if (more := len(problems) - _MOST_PROBLEMS) > 0:
        yield f"{more} more of such problems"


def _cut(problem: str) -> str:
    return problem if len(problem) <= _LONGEST_PROBLEM else f"{problem[:_LONGEST_PROBLEM]} ..."


def _translated(error: Exception, document: Document, format_: str) -> Exception:
    """What an exception from Docling says about the file."""
    causes = list(_chain(error))
    # Extension modules that run out of memory often raise SystemError ("error return without exception set").
    if any(isinstance(cause, MemoryError | SystemError) for cause in causes):
        return MemoryError()
    if any(isinstance(cause, RecursionError) for cause in causes):
        return UnprocessableFile(f"{document.filename}: nested too deeply; flatten it")
    if too_large := next(filter(None, (_CELLS.search(str(cause)) for cause in causes)), None):
        rows, columns, most = too_large.groups()
        return TooLarge(
            f"{document.filename}: a table of {rows} rows and {columns} columns; "
            f"at most {most} cells are read; split it"
        )
    log.warning("file_refused", format=format_, exc_info=error)
    return UnprocessableFile(
        f"{document.filename}: it cannot be parsed as {format_}; the file is damaged or uses something unknown"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: Docling wraps what stopped it, more than once."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
