"""A page of a PDF: from its content to elements in boxes."""

from __future__ import annotations

from docling.datamodel.document import ConversionResult
from docling.models.stages.page_assemble.page_assemble_model import PageAssembleModel, PageAssembleOptions

from services.documents.backends.engines.base import Engines
from services.documents.backends.reading.pdf import layout, ocr, tables
from services.documents.backends.reading.pdf.file import PdfFile
from services.documents.backends.reading.pdf.ocr import NOTHING_ASKED, OcrOptions
from services.documents.backends.reading.pdf.remains import remains
from services.documents.backends.reading.pdf.upright import upright_text
from services.documents.backends.reading.pdf.view import SeenPage

_ASSEMBLE = PageAssembleModel(PageAssembleOptions())


def read_page(
    file: PdfFile,
    number: int,
    engines: Engines,
    result: ConversionResult,
    options: OcrOptions = NOTHING_ASKED,
) -> SeenPage:
    """Read a page; what it was made of is let go.

    Args:
        file: an open one.
        number: of the page, from 1 on.
        engines: the models.
        result: where Docling's stages note their times.
        options: what is read from pictures.
    """
    backend = file.page(number)
    if backend.is_unparsed and not (options.do_ocr or options.force_ocr):
        raise ValueError("its text cannot be parsed, and its picture is not to be read")
    if not (view := upright_text(backend.get_segmented_page().textline_cells)).is_plain:
        backend.look(view)
    page = SeenPage(page_no=number, size=backend.get_size(), own_size=backend.own_size, view=backend.view)
    page._backend = backend
    page.parsed_page = backend.get_segmented_page()
    page.problems += backend.problems
    if backend.is_unparsed:
        page.problems.append(ocr.FROM_PICTURE)
    page.problems += ocr.read_pictures(page, engines, options)
    layout.lay_out(page, engines)
    known = {cluster.id for cluster in page.predictions.layout.clusters} if page.predictions.layout else set()
    tables.read_tables(page, engines)
    layout.settle(page, known)
    list(_ASSEMBLE(result, [page]))  # it is lazy
    page._image_cache = {}
    page._backend = None
    page.parsed_page = remains(backend)
    backend.unload()
    return page
