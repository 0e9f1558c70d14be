"""What stays of a parsed page once its elements are made, for what is done when all pages are read.

A page goes to another process as Docling's `Page`, so this is kept in its `parsed_page`: links as they are, comments as
widgets, the text of its lines as one cell, what only PDFium sees as another.
"""

from __future__ import annotations

from collections.abc import Iterator

from docling.datamodel.base_models import Page
from docling_core.types.doc.base import BoundingBox, CoordOrigin
from docling_core.types.doc.page import BoundingRectangle, PdfWidget, SegmentedPdfPage, TextCell

from services.documents.backends.reading.pdf.file import PdfPage
from services.documents.backends.reading.pdf.notes import Note

_NOWHERE = BoundingRectangle(
    r_x0=0, r_y0=0, r_x1=0, r_y1=0, r_x2=0, r_y2=0, r_x3=0, r_y3=0, coord_origin=CoordOrigin.TOPLEFT
)


def remains(page: PdfPage) -> SegmentedPdfPage:
    """Of a page whose text is complete."""
    parsed = page.get_segmented_page()
    return SegmentedPdfPage(
        dimension=parsed.dimension,
        char_cells=[],
        textline_cells=_cells("\n".join(cell.text for cell in parsed.textline_cells)),
        word_cells=_cells(" ".join(page.missing_words())),
        hyperlinks=parsed.hyperlinks,
        widgets=[_widget(at, note) for at, note in enumerate(page.comments)],
    )


def text(page: Page) -> str:
    """The lines of a page."""
    return _text(page.parsed_page.textline_cells) if page.parsed_page is not None else ""


def missing(page: Page) -> str:
    """Words of a page that only its second reading found."""
    return _text(page.parsed_page.word_cells) if page.parsed_page is not None else ""


def comments(page: Page) -> Iterator[Note]:
    """The comments on a page."""
    for widget in page.parsed_page.widgets if page.parsed_page is not None else ():
        yield Note(
            widget.widget_text or "", widget.widget_description or "", widget.rect.to_bounding_box(), is_comment=True
        )


def _cells(content: str) -> list[TextCell]:
    return [TextCell(index=0, rect=_NOWHERE, text=content, orig=content, from_ocr=False)] if content else []


def _text(cells: list[TextCell]) -> str:
    return cells[0].text if cells else ""


def _widget(at: int, note: Note) -> PdfWidget:
    return PdfWidget(index=at, rect=_rectangle(note.box), widget_text=note.text, widget_description=note.author or None)


def _rectangle(box: BoundingBox) -> BoundingRectangle:
    return BoundingRectangle(
        r_x0=box.l, r_y0=box.b, r_x1=box.r, r_y1=box.b, r_x2=box.r, r_y2=box.t, r_x3=box.l, r_y3=box.t,
        coord_origin=CoordOrigin.TOPLEFT,
    )  # fmt: skip
