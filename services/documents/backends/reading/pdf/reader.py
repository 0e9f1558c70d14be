"""PDF to document."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from docling.backend.noop_backend import NoOpBackend
from docling.datamodel.base_models import InputFormat
from docling.datamodel.document import ConversionResult, InputDocument
from docling_core.types.doc.common.origin import DocumentOrigin
from docling_core.types.doc.document import DoclingDocument
from pypdfium2 import PdfiumError

from services.common.errors import InvalidRequest, UnprocessableFile
from services.common.telemetry.logs import get_logger
from services.documents.backends.base import Include, Paging
from services.documents.backends.engines.base import Engines
from services.documents.backends.reading.pdf.compose import add_comments, compose
from services.documents.backends.reading.pdf.file import PdfFile
from services.documents.backends.reading.pdf.flow import items
from services.documents.backends.reading.pdf.furniture import mark_furniture
from services.documents.backends.reading.pdf.ocr import OcrOptions
from services.documents.backends.reading.pdf.opening import Locked
from services.documents.backends.reading.pdf.outline import outline
from services.documents.backends.reading.pdf.pages import read_page
from services.documents.backends.reading.pdf.passages import passages, unreadable
from services.documents.backends.reading.pdf.view import SeenPage, to_own_places
from services.documents.backends.reading.reader import Report, Source

log = get_logger()


class PdfReader:
    """See `PagedFile`.

    Args:
        source: the file.

    Raises:
        UnprocessableFile: it has a password, is damaged or has no pages.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        try:
            self._file = PdfFile(source.data)
        except Locked as exc:
            raise UnprocessableFile(f"{source.filename}: {exc}") from exc
        except (PdfiumError, RuntimeError) as exc:
            raise UnprocessableFile(
                f"{source.filename}: it cannot be parsed as pdf; the file is damaged or has no pages"
            ) from exc
        if not self._file.page_count:
            self._file.close()
            raise UnprocessableFile(f"{source.filename}: it has no pages; send the whole file")

    @property
    def page_count(self) -> int:
        """How many pages it has."""
        return self._file.page_count

    @property
    def problems(self) -> Sequence[str]:
        """See `PagedFile`."""
        return self._file.problems

    def read_page(self, number: int, paging: Paging, engines: Engines, report: Report) -> SeenPage:
        """See `PagedFile`."""
        options = OcrOptions(do_ocr=paging.do_ocr, force_ocr=paging.force_ocr, languages=tuple(paging.ocr_languages))
        page = read_page(self._file, number, engines, conversion(self._source), options)
        report.problems += page.problems
        return page

    def assemble(self, pages: Sequence[SeenPage], report: Report) -> DoclingDocument:
        """See `PagedFile`."""
        return assemble(self._source, pages, report)

    def close(self) -> None:
        """Give its memory back."""
        self._file.close()


def read(source: Source, report: Report, engines: Engines) -> DoclingDocument:
    """Read a whole PDF, page by page, in this process. A page that cannot be read is told of, and the others are read.

    Raises:
        UnprocessableFile: see `PdfReader`.
    """
    file = PdfReader(source)
    try:
        pages = []
        for number in range(1, file.page_count + 1):
            try:
                pages.append(file.read_page(number, Paging(), engines, report))
            except (InvalidRequest, MemoryError, SystemError):
                raise
            except Exception as exc:
                log.warning("page_refused", page=number, exc_info=exc)
                report.problems.append(not_read(number))
        return file.assemble(pages, report)
    finally:
        file.close()


def not_read(number: int) -> str:
    """What is said of a page that cannot be read."""
    return f"page {number}: it cannot be read; the file is damaged there"


def conversion(source: Source) -> ConversionResult:
    """What Docling's stages are told of the file."""
    document = InputDocument(
        path_or_stream=io.BytesIO(source.data), format=InputFormat.PDF, backend=NoOpBackend, filename=source.filename
    )
    return ConversionResult(input=document)


def assemble(source: Source, pages: Sequence[SeenPage], report: Report | None = None) -> DoclingDocument:
    """The document of pages that were read: their elements in reading order.

    Args:
        source: the file.
        pages: in order; some may be missing.
        report: gets what could not be kept, and what the pages say.
    """
    report = report if report is not None else Report()
    has_headers = Include.HEADERS in source.include
    found = [page for page in pages if page.assembled is not None]
    mark_furniture(found)
    document = conversion_document(source, found)
    read_items = items(found)
    compose(document, found, read_items, outline=outline(source.data), has_headers=has_headers)
    add_comments(document, found, are_shown=Include.COMMENTS in source.include)
    report.problems.extend(unreadable(found))
    report.passages.extend(passages(found, read_items, has_headers=has_headers))
    to_own_places(document, pages)
    return document


def conversion_document(source: Source, pages: Sequence[SeenPage]) -> DoclingDocument:
    """A document of a file's pages, with nothing in it."""
    name = Path(source.filename)
    origin = DocumentOrigin(
        mimetype="application/pdf", filename=source.filename, binary_hash=int(sha256(source.data).hexdigest()[:16], 16)
    )
    document = DoclingDocument(name=name.stem or "document", origin=origin)
    for page in pages:
        if page.size is not None:
            document.add_page(page_no=page.page_no, size=page.size)
    return document
