"""Borders of rows, moved and added where lines of text show that they are wrong."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from services.documents.backends.reading.pdf.grids.grid import Grid, Place
from services.documents.backends.reading.pdf.grids.judging import is_loose, leading_of, raggedness
from services.documents.backends.reading.pdf.grids.words import Phrase, Word, all_phrases, lines_of, size_of

_GAIN = 0.3
"""How much less ragged two rows become, in heights of a word, before the border between them is moved."""


def aligned(grid: Grid, words: Sequence[Word]) -> Iterator[Grid]:
    """The grid with borders of rows where what stands in a row is level, if that moves one."""
    phrases = sorted(all_phrases(words), key=_top)
    size = size_of(words)
    mode = _mode(grid, phrases, size)
    ys = list(grid.ys)
    for at in range(max(grid.heads, 1) + 1, grid.rows):
        ys[at] = _level(replace(grid, ys=ys, spans=()), at, _between(phrases, ys[at - 1], ys[at + 1]), size, mode)
    if ys != list(grid.ys):
        yield replace(grid, ys=ys)


def _mode(grid: Grid, phrases: Sequence[Phrase], size: float) -> int:
    """What is level in most rows: tops, middles or bottoms."""
    filled = grid.filled(phrases)
    rows = [
        [words for place, words in filled.items() if place.row == row] for row in range(max(grid.heads, 1), grid.rows)
    ]
    totals = [sum(level) for level in zip(*(raggedness(cells, size) for cells in rows), strict=True)]
    return totals.index(min(totals)) if totals else 0


def _top(phrase: Phrase) -> float:
    return phrase[0].top


def _between(phrases: Sequence[Phrase], first: float, last: float) -> Sequence[Phrase]:
    """Phrases in two rows."""
    start = bisect_left(phrases, first - 50, key=_top)
    return [phrase for phrase in phrases[start:] if first < phrase[0].y < last] if start < len(phrases) else []


def _level(grid: Grid, at: int, phrases: Sequence[Phrase], size: float, mode: int) -> float:
    """Where the border above a row leaves what is above and below it most level."""
    best, found = _ragged(grid, at, grid.ys[at], phrases, size, mode) - _GAIN, grid.ys[at]
    middles = sorted({round(phrase[0].y, 1) for phrase in phrases})
    for above, below in pairwise(middles):
        y = (above + below) / 2
        if below - above < 0.5 * size or not grid.ys[at - 1] < y < grid.ys[at + 1]:
            continue
        ragged = _ragged(grid, at, y, phrases, size, mode)
        if ragged < best:
            best, found = ragged, y
    return found


def _ragged(grid: Grid, at: int, y: float, phrases: Sequence[Phrase], size: float, mode: int) -> float:
    ys = [*grid.ys[:at], y, *grid.ys[at + 1 :]]
    filled = replace(grid, ys=ys, spans=()).filled(phrases)
    rows = [[words for place, words in filled.items() if place.row == row] for row in (at - 1, at)]
    if not all(rows):
        return float("inf")
    return sum(raggedness(cells, size)[mode] for cells in rows)


def split(grid: Grid, words: Sequence[Word]) -> Iterator[Grid]:
    """The grid with rows parted where lines of a cell are too far apart to be of one, and with its first row parted."""
    filled = grid.filled(all_phrases(words))
    leading = leading_of(filled.values(), size_of(words))
    loose = {
        place.row: _widest(inside)
        for place, inside in filled.items()
        if place.row_span == 1 and is_loose(inside, leading)
    }
    head = [inside for place, inside in filled.items() if place.row == 0 and place.row_span == 1]
    several = [_widest(inside) for inside in head if len(lines_of(inside)) > 1]
    for parted in (loose, {**loose, 0: several[0]} if several else {}):
        if parted:
            spans = [_moved(span, sorted(parted)) for span in grid.spans]
            yield replace(grid, ys=sorted([*grid.ys, *parted.values()]), spans=spans, is_parted=True)


def _widest(words: Sequence[Word]) -> float:
    """The middle of the widest gap between lines."""
    lines = pairwise(lines_of(words))
    return max((below[0].top - above[0].bottom, (below[0].top + above[0].bottom) / 2) for above, below in lines)[1]


def _moved(span: Place, rows: Sequence[int]) -> Place:
    """A span where some of the rows are two."""
    above = bisect_left(rows, span.row)
    within = bisect_left(rows, span.row + span.row_span) - above if span.row_span > 1 else 0
    return replace(span, row=span.row + above, row_span=span.row_span + within)
