"""Files to documents, by the readers of their formats."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from docling_core.types.doc.document import DoclingDocument

from services.common.errors import InvalidRequest, TooLarge, UnprocessableFile
from services.common.telemetry.logs import get_logger
from services.documents import problems
from services.documents.backends.base import Document, Output, Page, Paged, Parsed, no_pages
from services.documents.backends.engines.base import Engines
from services.documents.backends.engines.calls import EnginesFailed
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
from services.documents.backends.reading.paged import Open, PagedFile, packed, text_of, unpacked
from services.documents.backends.reading.pdf import file as pdf_file
from services.documents.backends.reading.pdf.languages import require
from services.documents.backends.reading.pdf.pictures import PictureReader
from services.documents.backends.reading.pdf.reader import PdfReader
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

log = get_logger()


PAGED: Mapping[str, Open] = MappingProxyType({"image": PictureReader, "pdf": PdfReader})
"""What opens a file of each format in pages."""


class DoclingParser:
    """Parses one file at a time, in this process.

    It calls Docling's backends and stages itself: `DocumentConverter` would import every pipeline, and with them torch.

    Args:
        engines: the models that look at pages.
        max_unpacked_bytes: see `detect`.
        max_output_bytes: largest result, all forms together.
    """

    def __init__(self, *, engines: Engines, max_unpacked_bytes: int, max_output_bytes: int) -> None:
        self._engines = engines
        self._max_unpacked_bytes = max_unpacked_bytes
        self._max_output_bytes = max_output_bytes
        self._file: PagedFile | None = None
        """The last file in pages, until it is closed."""

    def warm_up(self) -> None:
        """Load what is loaded on first use, so that the first file is as fast as the second."""
        mimetypes.init()  # reads system files, which a confined worker may not
        self.parse(_WARM_UP)
        pdf_file.warm_up()

    def parse(self, document: Document) -> Parsed | Paged:
        """Parse a file, or open it when it is one in pages.

        Raises:
            UnsupportedFormat, UnprocessableFile, TooLarge, InvalidRequest: see `DocumentBackend.parse`.
        """
        format_ = "a document"
        try:
            format_ = detect(document.filename, document.data, max_unpacked_bytes=self._max_unpacked_bytes)
            if format_ in PAGED:
                file = self._opened(document)
                return Paged(format=format_, pages=_wanted(document, file), errors=file.problems)
            return self._read(document, format_)
        except InvalidRequest:
            raise
        except Exception as exc:
            raise _translated(exc, document, format_) from exc

    def read_page(self, document: Document, number: int) -> Page:
        """Read a page.

        Raises:
            UnprocessableFile: see `DocumentBackend.read_page`.
        """
        report = Report()
        try:
            page = self._opened(document).read_page(number, document.paging, self._engines, report)
            return Page(
                number=number,
                content=packed(page),
                text=glue.clean(text_of(page)),
                errors=[f"page {number}: {problem}" for problem in problems.bounded(report.problems)],
            )
        except InvalidRequest:
            raise
        except EnginesFailed as exc:
            raise UnprocessableFile(
                f"page {number}: it cannot be read: the models that look at pages have failed ({exc}); send it again"
            ) from exc
        except Exception as exc:
            if _is_out_of_memory(exc):
                raise MemoryError from exc
            log.warning("page_refused", page=number, exc_info=exc)
            raise UnprocessableFile(
                f"page {number}: it cannot be read; it is damaged or uses something unknown"
            ) from exc

    def assemble(self, document: Document, pages: Sequence[Page]) -> Parsed:
        """Make the document of its pages, and close the file.

        Raises:
            UnprocessableFile, TooLarge: see `DocumentBackend.assemble`.
        """
        format_ = detect(document.filename, document.data, max_unpacked_bytes=self._max_unpacked_bytes)
        report = Report()
        try:
            made = self._opened(document).assemble([unpacked(page.content) for page in pages], report)
            return self._parsed(document, format_, made, report)
        except InvalidRequest:
            raise
        except Exception as exc:
            raise _translated(exc, document, format_) from exc
        finally:
            self.close()

    def parse_whole(self, document: Document) -> Parsed:
        """Parse a file, all its pages one after the other if it is in pages.

        Raises:
            UnsupportedFormat, UnprocessableFile, TooLarge, InvalidRequest: see `DocumentBackend`.
        """
        made = self.parse(document)
        if isinstance(made, Parsed):
            return made
        pages = [self.read_page(document, number) for number in made.pages]
        parsed = self.assemble(document, pages)
        return replace(parsed, errors=[*(error for page in pages for error in page.errors), *parsed.errors])

    def close(self) -> None:
        """Let go of the file in pages that is still open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, document: Document, format_: str) -> Parsed:
        """A file that is read at once."""
        if document.paging.has_range:
            raise no_pages(document)
        source, report = _source(document), Report()
        return self._parsed(document, format_, READERS[format_](source, report), report)

    def _opened(self, document: Document) -> PagedFile:
        """The file, which may be open already: whoever comes with another one has closed it."""
        if self._file is None:
            format_ = detect(document.filename, document.data, max_unpacked_bytes=self._max_unpacked_bytes)
            self._file = PAGED[format_](_source(document))
        return self._file

    def _parsed(self, document: Document, format_: str, made: DoclingDocument, report: Report) -> Parsed:
        """The forms asked for, and what could not be kept of the file."""
        glue.keep_at_ends(made)
        outputs = {output: render(made, output) for output in document.outputs}
        told = [*problems.bounded(report.problems), *map(problems.cut, guard.lost(report.passages, outputs))]
        encoded = {output: glue.clean(content).encode(errors="replace") for output, content in outputs.items()}
        if (size := sum(map(len, encoded.values()))) > self._max_output_bytes:
            raise TooLarge(
                f"{document.filename}: the result has {size} bytes; at most {self._max_output_bytes}; "
                "ask for fewer forms or split the file"
            )
        return Parsed(format=format_, outputs=encoded, errors=told)


def _source(document: Document) -> Source:
    return Source(filename=document.filename, data=packages.usual(document.data), include=frozenset(document.include))


def _wanted(document: Document, file: PagedFile) -> range:
    """The pages that are asked for and there.

    Raises:
        InvalidRequest: there are none of them, or a language is asked for that cannot be read from pictures.
    """
    paging, count = document.paging, file.page_count
    require(paging.ocr_languages)
    pages = range(paging.first, min(count, paging.last or count) + 1)
    if not pages:
        raise InvalidRequest(
            f"page_range: it begins at page {paging.first}, and {document.filename} has {count} pages; correct it",
            param="page_range",
        )
    return pages


def _translated(error: Exception, document: Document, format_: str) -> Exception:
    """What an exception from Docling says about the file."""
    if _is_out_of_memory(error):
        return MemoryError()
    causes = list(_chain(error))
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


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ended what was done: extension modules often raise SystemError ("error return without exception
    set") where it does.
    """
    return any(isinstance(cause, MemoryError | SystemError) for cause in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: Docling wraps what stopped it, more than once."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
