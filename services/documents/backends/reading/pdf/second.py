"""A page's words read a second time, by PDFium, for the guard: what stands where no letter was found is missing."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import pypdfium2.raw as pdfium
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.page import TextCell

from services.documents.backends.reading.pdf.paper import Paper

_WORD = re.compile(r"[^\W_]{2,}")
_NEAR = 4.0
"""How far from the letters of the first reading a word may be. Unit: points."""
_BAND = 16.0
"""Height of the strips of a page in which letters are looked for. Unit: points."""
_MOST = 50
"""Words of a page that are named."""
_INVISIBLE = pdfium.FPDF_TEXTRENDERMODE_INVISIBLE


def missing(page: Any, paper: Paper, cells: Sequence[TextCell], size: tuple[float, float]) -> list[str]:
    """Words that PDFium sees on a page where the first reading has no letters.

    Args:
        page: PDFium's.
        paper: the page as it is stored.
        cells: of the first reading.
        size: width and height of the page as it is shown. Unit: points.
    """
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_range()
        letters = "".join(unicodedata.normalize("NFKC", cell.text).replace(" ", "") for cell in cells)
        unknown = (
            [word for word in _WORD.finditer(text) if unicodedata.normalize("NFKC", word[0]) not in letters]
            if text.count("\ufffe") < len(text)
            else []
        )
        if not unknown:
            return []
        seen = _Seen(cell.rect.to_bounding_box() for cell in cells)
        return [word[0] for word in unknown[: 20 * _MOST] if _is_unseen(text_page, word, paper, seen, size)][:_MOST]
    finally:
        text_page.close()


class _Seen:
    """Where letters are."""

    def __init__(self, boxes: Iterable[BoundingBox]) -> None:
        self._bands: dict[int, list[BoundingBox]] = {}
        for box in boxes:
            for band in range(int((box.t - _NEAR) // _BAND), int((box.b + _NEAR) // _BAND) + 1):
                self._bands.setdefault(band, []).append(box)

    def __contains__(self, place: tuple[float, float]) -> bool:
        x, y = place
        return any(
            box.l - _NEAR <= x <= box.r + _NEAR and box.t - _NEAR <= y <= box.b + _NEAR
            for box in self._bands.get(int(y // _BAND), ())
        )


def _is_unseen(text_page: Any, word: re.Match[str], paper: Paper, seen: _Seen, size: tuple[float, float]) -> bool:
    """Whether a word is shown on the page, at a place without letters."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    if not pdfium.FPDFText_GetCharBox(text_page, word.start(), left, right, bottom, top):
        return False
    if chr(pdfium.FPDFText_GetUnicode(text_page, word.start())) != word[0][0]:
        return False  # letters that PDFium adds put its text out of step with its boxes
    shown = pdfium.FPDFText_GetTextObject(text_page, word.start())
    if shown and pdfium.FPDFTextObj_GetTextRenderMode(shown) == _INVISIBLE:
        return False
    x, y = paper.shown((left.value + right.value) / 2, (bottom.value + top.value) / 2)
    width, height = size
    return 0 < x < width and 0 < y < height and (x, height - y) not in seen
