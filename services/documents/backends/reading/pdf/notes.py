"""What is written on a page without being in its content: the values of forms, text boxes, comments."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.page import PdfWidget

from services.documents.backends.reading.pdf.letters import Letter
from services.documents.backends.reading.pdf.paper import Paper

_MOST = 2000
"""Annotations of a page that are looked at."""
_LONGEST = 20_000
"""Letters of a comment."""
_COMMENTS = frozenset(
    {
        pdfium.FPDF_ANNOT_TEXT,
        pdfium.FPDF_ANNOT_HIGHLIGHT,
        pdfium.FPDF_ANNOT_UNDERLINE,
        pdfium.FPDF_ANNOT_SQUIGGLY,
        pdfium.FPDF_ANNOT_STRIKEOUT,
        pdfium.FPDF_ANNOT_CARET,
    }
)
_UNSEEN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
_USUAL = 11.0
"""Size of the type of a form's values, which the file leaves to whoever shows them. Unit: points."""
_PUSH_BUTTON = 1 << 16
_WIDTH = 0.5
"""Of the size of the type: how wide a letter is taken to be."""
TICKED, UNTICKED = "☒", "☐"


class Note(NamedTuple):
    """A text of an annotation."""

    text: str
    author: str
    box: BoundingBox
    """Unit: points from the top left."""
    is_comment: bool
    """False for a text box, which is a part of the page."""


def notes(page: Any, paper: Paper, height: float, problems: list[str]) -> Iterator[Note]:
    """The comments and text boxes of a page.

    Args:
        page: PDFium's.
        paper: the page as it is stored.
        height: of the page as it is shown. Unit: points.
        problems: gets a sentence for each that is left out.
    """
    count = pdfium.FPDFPage_GetAnnotCount(page)
    if count > _MOST:
        problems.append(f"only {_MOST} of its {count} annotations are looked at for comments and text boxes")
    for index in range(min(count, _MOST)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            if pdfium.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
                continue
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            is_comment = kind in _COMMENTS
            if not is_comment and kind != pdfium.FPDF_ANNOT_FREETEXT:
                continue
            if (length := _length(annotation, b"Contents")) > _LONGEST:
                problems.append(f"a comment or text box of {length} letters is not in the answer; at most {_LONGEST}")
            elif text := _string(annotation, b"Contents"):
                yield Note(text, _string(annotation, b"T"), _box(annotation, paper, height), is_comment)
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def written(text: str, box: BoundingBox, order: int) -> list[Letter]:
    """A text as letters in a box: its lines from the top, its words side by side."""
    lines = [line for line in text.splitlines() if line.strip()]
    size = min(_USUAL, box.height / max(len(lines), 1))
    found = []
    for at, line in enumerate(lines):
        top = box.t + at * size if len(lines) > 1 else (box.t + box.b - size) / 2
        left = box.l
        for word in line.split():
            right = left + _WIDTH * size * len(word)
            found.append(Letter(word, left, top, right, top + size, "", 0, order, is_widget=True))
            left = right + _WIDTH * size
    return found


def values(widgets: Iterable[PdfWidget]) -> Iterator[tuple[str, BoundingBox]]:
    """The values of a form's fields: text, and whether a box is ticked."""
    for widget in widgets:
        box = widget.rect.to_bounding_box()
        if widget.widget_field_type == "/Btn":
            if not (widget.widget_field_flags or 0) & _PUSH_BUTTON:
                state = (widget.widget_appearance_state or "Off").lstrip("/")
                yield UNTICKED if state == "Off" else TICKED, box
        elif widget.widget_text and widget.widget_text.strip() and widget.widget_field_type in ("/Tx", "/Ch"):
            yield widget.widget_text, box


def _length(annotation: Any, key: bytes) -> int:
    """Letters of a text, which is UTF-16 with two bytes of zeros behind it."""
    return max(0, int(pdfium.FPDFAnnot_GetStringValue(annotation, key, None, 0)) // 2 - 1)


def _string(annotation: Any, key: bytes) -> str:
    if not 0 < (count := _length(annotation, key)) <= _LONGEST:
        return ""
    length = 2 * count + 2
    buffer = ctypes.create_string_buffer(length)
    pdfium.FPDFAnnot_GetStringValue(annotation, key, ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), length)
    return buffer.raw[: length - 2].decode("utf-16-le", "replace").strip()


def _box(annotation: Any, paper: Paper, height: float) -> BoundingBox:
    rectangle = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(annotation, rectangle)
    one, two = paper.shown(rectangle.left, rectangle.bottom), paper.shown(rectangle.right, rectangle.top)
    return BoundingBox(
        l=min(one[0], two[0]), t=height - max(one[1], two[1]), r=max(one[0], two[0]), b=height - min(one[1], two[1])
    )
