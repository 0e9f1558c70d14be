"""Rows and columns of a table, and which words stand where."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from services.documents.backends.reading.pdf.grids.words import Phrase, Word

Box = tuple[float, float, float, float]
"""Left, top, right, bottom. Unit: points in the frame."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """A cell, by what it covers."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1

    @property
    def is_span(self) -> bool:
        """More than one row or column."""
        return self.row_span * self.column_span > 1

    def positions(self) -> Iterable[tuple[int, int]]:
        """The rows and columns that it covers."""
        for row in range(self.row, self.row + self.row_span):
            for column in range(self.column, self.column + self.column_span):
                yield row, column


class Source(StrEnum):
    """What a grid was made from."""

    RULES = "rules"
    MODEL = "model"
    GAPS = "gaps"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The borders of rows and columns; every word is in one of each.

    Attributes:
        xs: borders of columns from left to right, with both ends of the table. Unit: points in the frame.
        ys: borders of rows from top to bottom, with both ends.
        spans: the cells of more than one row or column; they do not overlap.
        heads: so many rows, from the top, hold the heads of columns.
        source: what it was made from.
        is_parted: rows were parted that it did not have before.
    """

    source: Source
    xs: Sequence[float]
    ys: Sequence[float]
    spans: Sequence[Place] = ()
    heads: int = 0
    is_parted: bool = False

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.xs) - 1

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.ys) - 1

    @cached_property
    def covered(self) -> Mapping[tuple[int, int], Place]:
        """The span that covers a row and column, if one does."""
        return {position: span for span in self.spans for position in span.positions()}

    def column_at(self, x: float) -> int:
        """The column at a place, the nearest outside the table."""
        return min(max(bisect_right(self.xs, x) - 1, 0), self.columns - 1)

    def row_at(self, y: float) -> int:
        """The row at a place, the nearest outside the table."""
        return min(max(bisect_right(self.ys, y) - 1, 0), self.rows - 1)

    def place(self, row: int, column: int) -> Place:
        """The cell at a row and column."""
        return self.covered.get((row, column)) or Place(row=row, column=column)

    def places(self) -> list[Place]:
        """All cells, row by row."""
        return sorted({self.place(row, column) for row in range(self.rows) for column in range(self.columns)})

    def box(self, place: Place) -> Box:
        """Of a cell."""
        bottom, right = self.ys[place.row + place.row_span], self.xs[place.column + place.column_span]
        return self.xs[place.column], self.ys[place.row], right, bottom

    def filled(self, phrases: Iterable[Phrase]) -> dict[Place, list[Word]]:
        """The words of each cell that has any; words that a space parts stay together."""
        found: dict[Place, list[Word]] = defaultdict(list)
        for phrase in phrases:
            y = sum(word.y for word in phrase) / len(phrase)
            place = self.place(self.row_at(y), self.column_at((phrase[0].left + phrase[-1].right) / 2))
            found[place].extend(phrase)
        return found


def without_overlaps(spans: Iterable[Place]) -> list[Place]:
    """The spans, but for those that reach into one before them."""
    taken: set[tuple[int, int]] = set()
    kept = []
    for span in spans:
        positions = set(span.positions())
        if span.is_span and not positions & taken:
            taken |= positions
            kept.append(span)
    return kept
