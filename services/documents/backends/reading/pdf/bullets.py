"""Bullets that are no text: browsers print those of lists as little discs and squares, others are glyphs of a font that
does not say what they stand for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile

from docling_core.types.doc.base import BoundingBox

from services.documents.backends.reading.pdf.letters import NO_CHARACTER, Letter
from services.documents.backends.reading.pdf.lines import Line
from services.documents.backends.reading.pdf.signs import BULLET

_LEAST, _MOST = 0.15, 0.75
"""Of the size of the type: how large a bullet is."""
_REACH = 2.5
"""Of the size of the type: how far from its text it stands."""
_BAND = 16.0
"""Height of the strips in which lines are looked for. Unit: points."""


def with_bullets(lines: Sequence[Line], drawings: Iterable[BoundingBox]) -> list[Line]:
    """The lines, those behind a small drawing with a bullet before their first letter, or for a glyph without a name.

    Args:
        lines: of a page.
        drawings: where something is drawn; unit: points from the top left.
    """
    bands: dict[int, list[int]] = defaultdict(list)
    for at, line in enumerate(lines):
        if not line.angle:
            bands[int(_middle(line) // _BAND)].append(at)
    found: dict[int, BoundingBox] = {}
    for box in drawings:
        if not 0.7 < box.width / max(box.height, 0.01) < 1.4:
            continue
        middle = (box.t + box.b) / 2
        band = int(middle // _BAND)
        near = [at for strip in (band - 1, band, band + 1) for at in bands.get(strip, ())]
        fitting = [at for at in near if _is_before(box, lines[at])]
        if fitting:
            found[min(fitting, key=lambda at: abs(_middle(lines[at]) - middle))] = box
    return [_marked(line, found[at]) if at in found else _named(line) for at, line in enumerate(lines)]


def _middle(line: Line) -> float:
    first = line.pieces[0]
    return (first.top + first.bottom) / 2


def _is_before(box: BoundingBox, line: Line) -> bool:
    first = line.pieces[0]
    size = first.height
    if not (_LEAST * size < box.width < _MOST * size and abs(_middle(line) - (box.t + box.b) / 2) < 0.35 * size):
        return False
    is_from_right = first.left > line.pieces[-1].left
    gap = box.l - first.right if is_from_right else first.left - box.r
    return 0 < gap < _REACH * size


def _named(line: Line) -> Line:
    """The line, with one bullet for the glyphs that it starts with, where they stand for nothing else."""
    signs = [*takewhile(lambda piece: piece.text in (NO_CHARACTER, BULLET), line.pieces)]
    rest = line.pieces[len(signs) :]
    if not signs or (rest and rest[0].text != " "):
        return line
    return replace(line, pieces=(signs[0]._replace(text=BULLET), *rest))


def _marked(line: Line, box: BoundingBox) -> Line:
    first = line.pieces[0]
    bullet = Letter(BULLET, box.l, first.top, box.r, first.bottom, BULLET, 0, first.order)
    left, right = sorted((box.r, first.left)) if box.r <= first.left else (first.right, box.l)
    return Line(pieces=(bullet, first._replace(text=" ", left=left, right=right), *line.pieces), angle=0)
