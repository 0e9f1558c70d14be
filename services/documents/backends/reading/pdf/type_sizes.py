"""What PDFium knows of letters: the size of their type, their baseline, and characters that docling-parse lacks.

The boxes of docling-parse are as high as the font says, or as the ink, so they tell neither.
"""

from __future__ import annotations

import ctypes
import math
import unicodedata
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from services.documents.backends.reading.pdf.paper import Paper

_WINDOW = 12
"""PDFium's letters in which the next one is looked for: it adds spaces and ends of lines, and leaves some out."""
_NEAR = 0.6
"""How far apart the starts of one letter may be in the two libraries. Unit: points."""
_ABOVE = 0.5
"""Of the type's size: how far below a box its baseline may be, where a font says its depth wrongly. One that is further
down is the next line's, 0.6 away in text without leading: its letter would be taken for this one drawn twice."""
_UNKNOWN = frozenset({0xFFFD, 0xFFFE, 0xFFFF, 2})
"""What PDFium has for letters without a character, and for hyphens."""
_DASHES = frozenset("\u2012\u2013\u2014\u2015\u2212")
"""What docling-parse shows as `-`; of a minus or a dash between words that would be taken for a cut word's hyphen."""
_MOST_WALKED = 20_000_000
"""Letters that PDFium may walk through on a page to find those that are out of order, as all are from right to left:
some 0.1 s. Beyond it, letters have the size of the last one of their font."""


class Size(NamedTuple):
    """Of a letter. Unit: points."""

    height: float
    """Of its type (10-point type: 10)."""
    below: float
    """From the baseline down to the edge of docling-parse's box."""


class TypeSizes:
    """The sizes of the type of a page; its letters are best asked for in their order.

    Args:
        page: PDFium's.
        paper: the page as it is stored.
    """

    def __init__(self, page: Any, paper: Paper) -> None:
        self._text = page.get_textpage()
        self._count = self._text.count_chars()
        self._paper = paper
        self._has_dashes = not _DASHES.isdisjoint(self._text.get_text_range())
        self._next = 0
        self._walked = 0
        self._last: dict[str, Size] = {}
        self._x, self._y, self._matrix = ctypes.c_double(), ctypes.c_double(), pdfium.FS_MATRIX()

    def of(self, cell: Any) -> Size | None:
        """The size of a letter of docling-parse; None where it is not known."""
        if cell.text.isspace():
            return self._last.get(cell.font_name)
        edge = self._paper.stored(cell.r_x0, cell.r_y0)
        along = self._paper.stored(cell.r_x1, cell.r_y1)
        letter = ord(cell.text[0])
        for at in range(self._next, min(self._next + _WINDOW, self._count)):
            if pdfium.FPDFText_GetUnicode(self._text, at) != letter:
                continue
            if (size := self._fitting(at, edge, along)) is not None:
                self._next = at + 1
                break
        else:
            size = self._searched(cell, edge, along)
        if size is None:
            return self._last.get(cell.font_name)
        self._last[cell.font_name] = size
        return size

    def character(self, cell: Any) -> str:
        """What PDFium takes a letter for that docling-parse does not know; "" where it does not know either."""
        self._walked += self._count
        if self._walked > _MOST_WALKED:
            return ""
        return self._known(self._index(cell))

    def decoded(self, cell: Any) -> str:
        """A letter as PDFium decodes it, if that is another one in the same place; else as docling-parse does.

        docling-parse reads the upper half of the Macintosh's encoding as that of Latin-1: a bullet is `¥` to it. Dashes
        of all lengths are hyphens to it, which cut words at ends of lines.
        """
        letter = str(cell.text)
        if not (self._has_dashes if letter == "-" else _is_latin_1(letter)):
            return letter
        self._walked += self._count
        edge, along = self._paper.stored(cell.r_x0, cell.r_y0), self._paper.stored(cell.r_x1, cell.r_y1)
        if self._walked > _MOST_WALKED or (at := self._index(cell)) < 0 or self._fitting(at, edge, along) is None:
            return letter
        known = self._known(at)
        return letter if not known or (letter == "-" and known not in _DASHES) else known

    def close(self) -> None:
        """Give its memory back."""
        self._text.close()

    def _index(self, cell: Any) -> int:
        """PDFium's letter in the middle of one of docling-parse; below 0 where there is none."""
        x, y = self._paper.stored((cell.r_x0 + cell.r_x2) / 2, (cell.r_y0 + cell.r_y2) / 2)
        return int(pdfium.FPDFText_GetCharIndexAtPos(self._text, x, y, 1.0, 1.0))

    def _known(self, at: int) -> str:
        code = pdfium.FPDFText_GetUnicode(self._text, at) if at >= 0 else 0
        return chr(code) if code and code not in _UNKNOWN else ""

    def _searched(self, cell: Any, edge: tuple[float, float], along: tuple[float, float]) -> Size | None:
        self._walked += self._count
        if self._walked > _MOST_WALKED:
            return None
        at = self._index(cell)
        if at < 0 or (size := self._fitting(at, edge, along, reach=math.inf)) is None:
            return None
        self._next = at + 1
        return size

    def _fitting(
        self,
        at: int,
        edge: tuple[float, float],
        along: tuple[float, float],
        reach: float = _NEAR,
    ) -> Size | None:
        """The size of one of PDFium's letters, if it starts where the box does."""
        if not pdfium.FPDFText_GetCharOrigin(self._text, at, self._x, self._y):
            return None
        dx, dy = self._x.value - edge[0], self._y.value - edge[1]
        width = math.hypot(along[0] - edge[0], along[1] - edge[1])
        if width < 0.01:  # a mark
            return None
        ux, uy = (along[0] - edge[0]) / width, (along[1] - edge[1]) / width
        if abs(dx * ux + dy * uy) > reach or not pdfium.FPDFText_GetMatrix(self._text, at, self._matrix):
            return None
        height = pdfium.FPDFText_GetFontSize(self._text, at) * math.hypot(self._matrix.c, self._matrix.d)
        below = dy * ux - dx * uy
        return Size(height, below) if -_ABOVE * height < below < height else None


def _is_latin_1(letter: str) -> bool:
    """Whether a letter is one beyond ASCII; accents that are drawn apart stand over others, which would be found."""
    return len(letter) == 1 and "\xa0" < letter <= "\xff" and unicodedata.category(letter) != "Sk"
