"""Files to documents, by the readers of their formats."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from docling.backend.csv_backend import CsvDocumentBackend
from docling.backend.epub_backend import EpubDocumentBackend
from docling.backend.html_backend import HTMLDocumentBackend
from docling.backend.md_backend import MarkdownDocumentBackend
from docling.backend.msexcel_backend import MsExcelDocumentBackend
from docling.backend.mspowerpoint_backend import MsPowerpointDocumentBackend
from docling.backend.msword_backend import MsWordDocumentBackend
from docling.backend.opendocument_backend import OdpDocumentBackend, OdsDocumentBackend, OdtDocumentBackend
from docling.datamodel.base_models import InputFormat

from services.common.errors import InvalidRequest, TooLarge, UnprocessableFile
from services.common.telemetry.logs import get_logger
from services.documents.backends.base import Document, Output, Parsed
from services.documents.backends.formats import detect
from services.documents.backends.nesting import MOST_LEVELS, is_too_deep
from services.documents.backends.reading import asciidoc, glue, guard, jats, latex, text, vtt
from services.documents.backends.reading.reader import Read, Report, Source, by_docling
from services.documents.backends.reading.rendering import render

READERS: Mapping[str, Read] = MappingProxyType(
    {
        "asciidoc": asciidoc.read,
        "csv": text.by_docling(InputFormat.CSV, CsvDocumentBackend),
        "docx": by_docling(InputFormat.DOCX, MsWordDocumentBackend),
        "epub": by_docling(InputFormat.EPUB, EpubDocumentBackend),
        "html": text.by_docling(InputFormat.HTML, HTMLDocumentBackend),
        "latex": latex.read,
        "md": text.by_docling(InputFormat.MD, MarkdownDocumentBackend),
        "odp": by_docling(InputFormat.ODP, OdpDocumentBackend),
        "ods": by_docling(InputFormat.ODS, OdsDocumentBackend),
        "odt": by_docling(InputFormat.ODT, OdtDocumentBackend),
        "pptx": by_docling(InputFormat.PPTX, MsPowerpointDocumentBackend),
        "txt": text.read,
        "vtt": vtt.read,
        "xlsx": by_docling(InputFormat.XLSX, MsExcelDocumentBackend),
        "xml_jats": jats.read,
    }
)
"""The reader of each format of `formats.FORMATS`."""

_WARM_UP = Document(
    filename="warm-up.html",
    data=b"<h1>a</h1><ul><li>b</ul><table><tr><td>c</table>",
    outputs=list(Output),
)

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
        format_ = detect(document.filename, document.data, max_unpacked_bytes=self._max_unpacked_bytes)
        if format_ == "html" and is_too_deep(text.decode(document.data)):
            raise UnprocessableFile(f"{document.filename}: nested more than {MOST_LEVELS} levels deep; flatten it")
        try:
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
    source = Source(filename=document.filename, data=document.data, include=frozenset(document.include))
    report = Report()
    parsed = READERS[format_](source, report)
    glue.keep_at_ends(parsed)
    outputs = {output: render(parsed, output) for output in document.outputs}
    return outputs, [*report.problems, *guard.lost(report.passages, outputs)]


def _translated(error: Exception, document: Document, format_: str) -> Exception:
    """What an exception from Docling says about the file."""
    causes = list(_chain(error))
    # Extension modules that run out of memory often raise SystemError ("error return without exception set").
    if any(isinstance(cause, MemoryError | SystemError) for cause in causes):
        return MemoryError()
    if any(isinstance(cause, RecursionError) for cause in causes):
        return UnprocessableFile(f"{document.filename}: nested too deeply; flatten it")
    log.warning("file_refused", format=format_, exc_info=error)
    return UnprocessableFile(
        f"{document.filename}: it cannot be parsed as {format_}; the file is damaged or uses something unknown"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: Docling wraps what stopped it, more than once."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
