"""The grid that ruling lines draw: exact where every cell has its border."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from services.documents.backends.reading.pdf.grids.grid import Box, Grid, Place, Source, without_overlaps
from services.documents.backends.reading.pdf.grids.judging import is_uneven, leading_of
from services.documents.backends.reading.pdf.grids.rulings import Rule, Rulings
from services.documents.backends.reading.pdf.grids.words import Word, all_phrases, size_of

_COVERED = 0.6
"""Share of a cell's side that a rule has to cover to be its border."""
_THIN = 0.45
"""A row or column of less, in heights of a word, is the room between two lines of a double rule."""
_WIDE = 0.9
"""Share of a table's width that a line between two rows has at least."""
_LEAST_BANDS = 3
"""Fewer are the frame of a table, and the line under its head."""
_MOST_CELLS = 40_000
"""More is a drawing, not a table; the time is linear in them."""


@dataclass(frozen=True, slots=True)
class _Levels:
    """The lines of one direction, by where they are."""

    at: Sequence[float]
    rules: Mapping[float, Sequence[Rule]]


def lattice(rules: Rulings, words: Sequence[Word]) -> Grid | None:
    """The grid of the lines in a table, if they draw one of at least two cells."""
    if not words:
        return None
    size = size_of(words)
    lying, standing = _levels(rules.rows), _levels(rules.columns)
    left, top, right, bottom = _frame(rules, words)
    xs, ys = _borders(standing.at, left, right, _THIN * size), _borders(lying.at, top, bottom, _THIN * size)
    rows, columns = len(ys) - 1, len(xs) - 1
    if not 2 <= rows * columns <= _MOST_CELLS:
        return None
    groups = _Groups(rows, columns)
    for row, (above, below) in enumerate(pairwise(ys)):
        for column, x in enumerate(xs[1:-1]):
            if not _covers(standing, x, above, below, _THIN * size):
                groups.join((row, column), (row, column + 1))
    for column, (start, end) in enumerate(pairwise(xs)):
        for row, y in enumerate(ys[1:-1]):
            if not _covers(lying, y, start, end, _THIN * size):
                groups.join((row, column), (row + 1, column))
    return Grid(source=Source.RULES, xs=xs, ys=ys, spans=without_overlaps(groups.rectangles()))


def banded(grid: Grid, words: Sequence[Word], rules: Rulings) -> Iterator[Grid]:
    """The grid with the rows that lines as wide as the table part.

    Between two of them it keeps its own rows where one does not do.
    """
    wide = _WIDE * (grid.xs[-1] - grid.xs[0])
    levels = sorted({rule.at for rule in rules.rows if rule.end - rule.start >= wide})
    ys = _borders(levels, grid.ys[0], grid.ys[-1], _THIN * size_of(words))
    if len(ys) <= _LEAST_BANDS:
        return
    bands = replace(grid, ys=ys, spans=())
    filled = bands.filled(all_phrases(words))
    leading = leading_of(filled.values(), size_of(words))
    poor = {place.row for place, inside in filled.items() if is_uneven(inside, leading)}
    rows = [ys[0]]
    for row, (above, below) in enumerate(pairwise(ys)):
        if row in poor:
            rows += [y for y in grid.ys if above + 1 < y < below - 1]
        rows.append(below)
    if rows != list(grid.ys):
        spans = grid.spans if len(rows) == len(grid.ys) else ()
        yield replace(grid, ys=rows, spans=spans)


def _levels(rules: Iterable[Rule]) -> _Levels:
    levels: dict[float, list[Rule]] = defaultdict(list)
    for rule in rules:
        levels[rule.at].append(rule)
    return _Levels(sorted(levels), levels)


def _frame(rules: Rulings, words: Sequence[Word]) -> Box:
    """The outermost lines and words."""
    return (
        min([word.left for word in words] + [rule.start for rule in rules.rows]),
        min([word.top for word in words] + [rule.start for rule in rules.columns]),
        max([word.right for word in words] + [rule.end for rule in rules.rows]),
        max([word.bottom for word in words] + [rule.end for rule in rules.columns]),
    )


def _borders(levels: Iterable[float], first: float, last: float, thin: float) -> list[float]:
    """The levels with both ends of the table, without the second of two that are as good as one."""
    borders = [first]
    for level in sorted(levels):
        if borders[-1] + thin < level < last - thin:
            borders.append(level)
    return [*borders, last]


def _covers(levels: _Levels, at: float, start: float, end: float, thin: float) -> bool:
    keys = levels.at[bisect_left(levels.at, at - thin) : bisect_right(levels.at, at + thin)]
    near = (rule for level in keys for rule in levels.rules[level])
    covered = sum(max(0.0, min(rule.end, end) - max(rule.start, start)) for rule in near)
    return covered >= _COVERED * (end - start)


class _Groups:
    """Positions that no line parts."""

    def __init__(self, rows: int, columns: int) -> None:
        self._above = {(row, column): (row, column) for row in range(rows) for column in range(columns)}

    def join(self, one: tuple[int, int], other: tuple[int, int]) -> None:
        """Say that no line is between the two."""
        self._above[self._top(other)] = self._top(one)

    def rectangles(self) -> Iterator[Place]:
        """The groups of several positions that are rectangles; the others are as good as not joined."""
        groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for position in self._above:
            groups[self._top(position)].append(position)
        for positions in groups.values():
            row, column = min(row for row, _ in positions), min(column for _, column in positions)
            tall, wide = max(row for row, _ in positions) - row + 1, max(column for _, column in positions) - column + 1
            if len(positions) == tall * wide > 1:
                yield Place(row=row, column=column, row_span=tall, column_span=wide)

    def _top(self, position: tuple[int, int]) -> tuple[int, int]:
        while self._above[position] != position:
            self._above[position] = self._above[self._above[position]]
            position = self._above[position]
        return position
