"""Lines to the text cells of Docling: those of lines, cut where a link starts or ends, and those of words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

from docling_core.types.doc.base import BoundingBox, CoordOrigin
from docling_core.types.doc.page import (
    BoundingRectangle,
    ColorRGBA,
    PdfCellRenderingMode,
    PdfHyperlink,
    PdfTextCell,
    TextDirection,
)

from services.documents.backends.reading.pdf.bidi import is_right_to_left
from services.documents.backends.reading.pdf.letters import Letter
from services.documents.backends.reading.pdf.lines import Line, box_of, font_of, text_of, words

_BLACK = ColorRGBA(r=0, g=0, b=0, a=255)
_BAND = 16.0
"""Height of the strips of a page in which links are looked for. Unit: points."""
_CORNERS: Mapping[int, str] = MappingProxyType(
    {0: "lb rb rt lt", 90: "rb rt lt lb", 180: "rt lt lb rb", 270: "lt lb rb rt"}
)
"""Corners of a text that is turned, from the one where it starts, along its line."""


def line_cells(lines: Sequence[Line], links: Sequence[PdfHyperlink]) -> list[PdfTextCell]:
    """A cell for each line, or each part of one that is a link or is none; spaces at its ends are those of the line.

    Args:
        lines: of a page, in order.
        links: of the page, in the same frame.
    """
    linked = _Links(links)
    pieces = ((part, line.angle) for line in lines for part in linked.parts(line))
    return [_cell(index, part, angle) for index, (part, angle) in enumerate(pieces)]


def word_cells(lines: Iterable[Line]) -> list[PdfTextCell]:
    """A cell for each word."""
    found = ((word, line.angle) for line in lines for word in words(line))
    return [_cell(index, word, angle) for index, (word, angle) in enumerate(found)]


class _Links:
    """Where the links of a page are."""

    def __init__(self, links: Iterable[PdfHyperlink]) -> None:
        self._boxes: dict[int, list[tuple[int, BoundingBox]]] = defaultdict(list)
        for at, link in enumerate(links):
            if link.uri is None:
                continue
            box = link.rect.to_bounding_box()
            for band in range(int(box.t // _BAND), int(box.b // _BAND) + 1):
                self._boxes[band].append((at, box))

    def parts(self, line: Line) -> Iterator[tuple[Letter, ...]]:
        """The pieces of a line, cut where a link starts or ends."""
        first = _bullet(line.pieces)
        if first:
            yield line.pieces[:first]
        if not self._boxes:
            yield line.pieces[first:]
            return
        for _, part in groupby(line.pieces[first:], key=self._at):
            yield tuple(part)

    def _at(self, piece: Letter) -> int:
        """Which link a letter is in; -1 for none."""
        left, top, right, bottom = box_of((piece,))
        x, y = (left + right) / 2, (top + bottom) / 2
        inside = (at for at, box in self._boxes.get(int(y // _BAND), ()) if box.l <= x <= box.r and box.t <= y <= box.b)
        return next(inside, -1)


def _bullet(pieces: Sequence[Letter]) -> int:
    """1 where a line starts with a sign of another font, a space behind it: whatever it stands for, it is a bullet."""
    if len(pieces) < 3 or pieces[0].text.isalnum() or pieces[1].text != " " or pieces[0].text == " ":
        return 0
    return int(pieces[0].font != pieces[2].font and not pieces[0].text.isascii())


def _cell(index: int, pieces: Sequence[Letter], angle: int) -> PdfTextCell:
    """A cell. Its font is in `orig` too: on the way to another process a page's cells keep what any cell has."""
    text = text_of(pieces)
    font = font_of(pieces)
    return PdfTextCell(
        index=index,
        rgba=_BLACK,
        rect=_rectangle(box_of(pieces), angle),
        text=text,
        orig=font,
        text_direction=TextDirection.RIGHT_TO_LEFT if is_right_to_left(text) else TextDirection.LEFT_TO_RIGHT,
        rendering_mode=PdfCellRenderingMode.UNKNOWN,
        widget=any(piece.is_widget for piece in pieces),
        font_key=font,
        font_name=font,
    )


def _rectangle(box: tuple[float, float, float, float], angle: int) -> BoundingRectangle:
    left, top, right, bottom = box
    at = {"l": left, "r": right, "t": top, "b": bottom}
    corners = _CORNERS[round(angle / 90) * 90 % 360].split()
    points = {f"r_{axis}{n}": at[corner[axis == "y"]] for n, corner in enumerate(corners) for axis in "xy"}
    return BoundingRectangle(**points, coord_origin=CoordOrigin.TOPLEFT)
