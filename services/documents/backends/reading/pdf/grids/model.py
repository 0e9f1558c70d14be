"""The grid that the table model sees, put where the words leave room for its borders."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from services.documents.backends.engines.base import TableCell
from services.documents.backends.reading.pdf.grids.grid import Grid, Place, Source, without_overlaps
from services.documents.backends.reading.pdf.grids.rulings import Rule, Rulings
from services.documents.backends.reading.pdf.grids.words import Word

_WINDOW = 0.5
"""How far a border may be moved to where it cuts fewer words, in widths of the narrower neighbour."""
_SHADE = 0.2
"""Share of a word's height, at its top and bottom, that is seldom ink: borders may go through it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """What the model says, in the frame's points.

    Attributes:
        xs: about where borders of columns are, with both ends.
        ys: about where borders of rows are, with both ends.
        places: its cells.
        heads: so many rows from the top are heads.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    places: Sequence[Place]
    heads: int


def sketch(cells: Sequence[TableCell], left: float, top: float, scale: float) -> Sketch | None:
    """What the model says of a picture, if it found cells.

    Args:
        cells: of the picture.
        left: of the picture in the frame. Unit: points.
        top: of it.
        scale: pixels a point.
    """
    if not cells:
        return None
    places = [
        Place(row=cell.row, column=cell.column, row_span=cell.row_span, column_span=cell.column_span) for cell in cells
    ]
    columns = [
        (place.column, place.column_span, cell.box[0], cell.box[2]) for place, cell in zip(places, cells, strict=True)
    ]
    rows = [(place.row, place.row_span, cell.box[1], cell.box[3]) for place, cell in zip(places, cells, strict=True)]
    heads = max(
        (place.row + place.row_span for place, cell in zip(places, cells, strict=True) if cell.is_header), default=0
    )
    return Sketch(
        xs=[left + x / scale for x in _estimates(columns)],
        ys=[top + y / scale for y in _estimates(rows)],
        places=places,
        heads=heads,
    )


def stacked(sketches: Sequence[Sketch]) -> Sketch:
    """Sketches of the parts of a long table, from top to bottom: their columns are those of most rows."""
    counts = dict.fromkeys((len(part.xs) for part in sketches), 0)
    for part in sketches:
        counts[len(part.xs)] += len(part.ys)
    most = max(counts, key=lambda columns: counts[columns])
    alike = [part for part in sketches if len(part.xs) == most]
    xs = [median(values) for values in zip(*(part.xs for part in alike), strict=True)]
    ys, places = [sketches[0].ys[0]], []
    for part in sketches:
        if len(part.xs) == most:
            places += [
                Place(
                    row=place.row + len(ys) - 1,
                    column=place.column,
                    row_span=place.row_span,
                    column_span=place.column_span,
                )
                for place in part.places
            ]
        ys += part.ys[1:]
    return Sketch(xs=xs, ys=ys, places=places, heads=sketches[0].heads)


def alone(found: Sketch) -> Grid:
    """The sketch as it is."""
    spans = without_overlaps(sorted(place for place in found.places if place.is_span))
    return Grid(source=Source.MODEL, xs=found.xs, ys=found.ys, spans=spans, heads=found.heads)


def seen(found: Sketch, words: Sequence[Word], rules: Rulings) -> Grid:
    """The sketch as a grid, its borders moved to where lines are, or where they cut the fewest words."""
    xs = _settled(found.xs, [(word.left, word.right) for word in words], rules.columns)
    cores = [(word.top + _SHADE * word.height, word.bottom - _SHADE * word.height) for word in words]
    ys = _settled(found.ys, cores, rules.rows)
    spans = without_overlaps(sorted(place for place in found.places if place.is_span))
    return Grid(source=Source.MODEL, xs=xs, ys=ys, spans=spans, heads=found.heads)


def _estimates(bands: Iterable[tuple[int, int, float, float]]) -> list[float]:
    """Borders along one axis from cells: their first band, number of bands, start and end."""
    starts: dict[int, list[float]] = {}
    ends: dict[int, list[float]] = {}
    for first, count, start, end in bands:
        starts.setdefault(first, []).append(start)
        ends.setdefault(first + count, []).append(end)
    last = max(ends)
    known = {}
    for at in range(last + 1):
        sides = [median(values) for values in (starts.get(at), ends.get(at)) if values]
        if sides:
            known[at] = sum(sides) / len(sides)
    return _ascending([_between(known, at) for at in range(last + 1)])


def _between(known: dict[int, float], at: int) -> float:
    """The value at a border, from its neighbours if it has none of its own."""
    if at in known:
        return known[at]
    before, after = (
        max((key for key in known if key < at), default=at),
        min((key for key in known if key > at), default=at),
    )
    if at in {before, after}:
        return known[after if before == at else before]
    return known[before] + (known[after] - known[before]) * (at - before) / (after - before)


def _ascending(values: Sequence[float]) -> list[float]:
    borders: list[float] = []
    for value in values:
        borders.append(max(value, borders[-1]) if borders else value)
    return borders


def _settled(borders: Sequence[float], extents: Sequence[tuple[float, float]], rules: Sequence[Rule]) -> list[float]:
    """Inner borders where they cut least, and the middle of the room that is there."""
    coverage = _Coverage(extents)
    widths = [end - start for start, end in pairwise(borders)]
    levels = sorted({rule.at for rule in rules})
    settled = [min([borders[0], *(start for start, _ in extents)])]
    for at in range(1, len(borders) - 1):
        room = _WINDOW * min(widths[at - 1], widths[at])
        first, last = max(borders[at] - room, settled[-1]), borders[at] + room
        near = levels[bisect_left(levels, first) : bisect_right(levels, last)]
        free = coverage.least(first, last, borders[at])
        drawn = (level for level in near if coverage.count(level) <= coverage.count(free))
        settled.append(min(drawn, key=lambda level: abs(level - borders[at]), default=free))
    return _ascending([*settled, max([borders[-1], *(end for _, end in extents)])])


class _Coverage:
    """How many extents cover each place of an axis."""

    def __init__(self, extents: Sequence[tuple[float, float]]) -> None:
        changes: dict[float, int] = {}
        for start, end in extents:
            changes[start] = changes.get(start, 0) + 1
            changes[end] = changes.get(end, 0) - 1
        self._at = sorted(changes)
        self._counts = []
        count = 0
        for at in self._at:
            count += changes[at]
            self._counts.append(count)

    def count(self, at: float) -> int:
        """How many cover a place."""
        index = bisect_right(self._at, at) - 1
        return self._counts[index] if index >= 0 else 0

    def least(self, first: float, last: float, near: float) -> float:
        """The place between two that the fewest extents cover: the middle of the stretch that is nearest to a place."""
        start, end = max(bisect_right(self._at, first) - 1, 0), bisect_right(self._at, last)
        best, found = (len(self._counts) + 1, 0.0), near
        for at in range(start, min(end, len(self._at) - 1)):
            low, high = max(self._at[at], first), min(self._at[at + 1], last)
            if high < low:
                continue
            away = max(low - near, near - high, 0.0)
            if (self._counts[at], away) < best:
                best, found = (self._counts[at], away), (self._at[at] + self._at[at + 1]) / 2
        return min(max(found, first), last)
