"""Tables of a sheet, found by the cells that exist: a sheet may be a million rows high and hold two cells."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

Place = tuple[int, int]
"""Row and column of a cell, from 0."""

MOST_GAPS = 16
"""Empty places per cell that a table may have; with more, its cells are listed with their names. A staircase of
50,000 cells would be a table of 2,500,000,000 places."""
SMALL = 4096
"""Places of a table that is never too sparse."""
MOST_SINGLE_CELLS = 200
"""Cells without a neighbour that are tables of their own, each some 0.2 ms; with more, all are listed."""


_PREFIX = re.compile(r"^\w+:(?==)")
_REFERENCE = re.compile(r"\[([^\]\[]*)\]")


class Cell(NamedTuple):
    """A cell that is shown."""

    text: str
    rows: int = 1
    columns: int = 1
    """What it spans."""


class Region(NamedTuple):
    """Cells that belong together."""

    top: int
    left: int
    bottom: int
    right: int
    cells: Sequence[Place]
    """Those that have text or span others; in reading order."""

    @property
    def is_sparse(self) -> bool:
        """True where a table would be mostly gaps."""
        places = (self.bottom - self.top + 1) * (self.right - self.left + 1)
        return places > SMALL and places > MOST_GAPS * len(self.cells)


class Shown:
    """Where rows or columns stand once the hidden ones are left out.

    Args:
        hidden: the first and the last of each hidden stretch, by the first.
    """

    def __init__(self, hidden: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._before: list[int] = []
        """How many are hidden before each stretch."""
        count = 0
        for first, last in hidden:
            if self._lasts and first <= self._lasts[-1]:
                first = self._lasts[-1] + 1  # noqa: PLW2901 - the rest of it
            if first <= last:
                self._firsts.append(first)
                self._lasts.append(last)
                self._before.append(count)
                count += last - first + 1

    def is_shown(self, index: int) -> bool:
        """True when the row or column is seen."""
        at = bisect_right(self._firsts, index) - 1
        return at < 0 or index > self._lasts[at]

    def at(self, index: int) -> int:
        """Its place among those that are seen."""
        at = bisect_right(self._firsts, index) - 1
        if at < 0:
            return index
        return index - self._before[at] - (min(index - 1, self._lasts[at]) - self._firsts[at] + 1)

    def count(self, first: int, last: int) -> int:
        """How many are seen from the first to the last, both included."""
        return self.at(last + 1) - self.at(first)

    def first(self, first: int, last: int) -> int | None:
        """The first that is seen between the two."""
        while first <= last and not self.is_shown(first):
            first = self._lasts[bisect_right(self._firsts, first) - 1] + 1
        return first if first <= last else None


def name(row: int, column: int) -> str:
    """A cell as people call it: `B3`."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row + 1}"


def regions(cells: Mapping[Place, Cell]) -> list[Region]:
    """The tables of a sheet, by their first cells in reading order; each cell is in one of them.

    A table is what touches, sideways or up and down, with all that stands in the rectangle around it.
    """
    present = _present(cells)
    columns: defaultdict[int, list[int]] = defaultdict(list)
    for row, column in sorted(present):
        columns[row].append(column)
    taken: set[Place] = set()
    found = []
    for place in sorted(cells):
        if place in taken or not cells[place].text:
            continue
        region = _region(place, present, columns, taken, cells)
        found.append(region)
    return _with_single_cells_joined(found)


def _present(cells: Mapping[Place, Cell]) -> set[Place]:
    present = set(cells)
    for (row, column), cell in cells.items():
        if cell.rows > 1 or cell.columns > 1:
            present.update((row + down, column + right) for down in range(cell.rows) for right in range(cell.columns))
    return present


def _region(
    start: Place,
    present: set[Place],
    columns: Mapping[int, list[int]],
    taken: set[Place],
    cells: Mapping[Place, Cell],
) -> Region:
    touched = _touching(start, present, taken)
    top, bottom = min(row for row, _ in touched), max(row for row, _ in touched)
    left, right = min(column for _, column in touched), max(column for _, column in touched)
    inside = []
    for row in range(top, bottom + 1):  # none is empty: what touches has a cell in every row
        of_row = columns[row]
        for column in of_row[bisect_left(of_row, left) : bisect_right(of_row, right)]:
            if (row, column) not in taken:
                taken.add((row, column))
                if (row, column) in cells:
                    inside.append((row, column))
    return Region(top, left, bottom, right, inside)


def _touching(start: Place, present: set[Place], taken: set[Place]) -> set[Place]:
    touched = {start}
    waiting = [start]
    while waiting:
        row, column = waiting.pop()
        for place in ((row, column + 1), (row, column - 1), (row + 1, column), (row - 1, column)):
            if place in present and place not in touched and place not in taken:
                touched.add(place)
                waiting.append(place)
    return touched


def _with_single_cells_joined(found: list[Region]) -> list[Region]:
    single = [region for region in found if len(region.cells) == 1]
    if len(single) <= MOST_SINGLE_CELLS:
        return found
    cells = [place for region in single for place in region.cells]
    joined = Region(
        cells[0][0],
        min(column for _, column in cells),
        cells[-1][0],
        max(column for _, column in cells),
        cells,
    )
    rest = [region for region in found if len(region.cells) != 1]
    return sorted([*rest, joined], key=lambda region: (region.top, region.left))


def listed(names: Iterable[str], most: int = 10) -> str:
    """Names in a sentence: the first ones, and how many more."""
    names = list(names)
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def grid(region: Region, cells: Mapping[Place, Cell], places: Mapping[Place, Place]) -> Iterator[tuple[int, int, Cell]]:
    """The cells of a table with their rows and columns in it, gaps too; a sparse one has two columns, name and text."""
    if region.is_sparse:
        for row, place in enumerate(region.cells):
            yield row, 0, Cell(name(*places[place]))
            yield row, 1, Cell(cells[place].text)
        return
    inside = frozenset(region.cells)
    covered = _present({place: cells[place] for place in region.cells})
    for row in range(region.top, region.bottom + 1):
        for column in range(region.left, region.right + 1):
            if (row, column) in inside:
                yield row - region.top, column - region.left, cells[row, column]
            elif (row, column) not in covered:
                yield row - region.top, column - region.left, Cell("")


def uncomputed(places: Sequence[Place], title: str) -> str:
    """The sentence about formulas that nobody has computed."""
    is_one = len(places) == 1
    names = listed(name(*place) for place in places)
    return (
        f"cell{'' if is_one else 's'} {names} of sheet {title}: no spreadsheet has computed "
        f"{'its formula' if is_one else 'their formulas'}; the answer has the formula in place of the value"
    )


def formula(code: str) -> str:
    """A formula of OpenDocument as people write it: `of:=SUM([.A1:.A3])` is `=SUM(A1:A3)`."""
    code = _PREFIX.sub("", code)
    return _REFERENCE.sub(lambda found: re.sub(r"(^|:)\.", r"\1", found[1]), code)


def clock(duration: str) -> str:
    """A time of OpenDocument as people write it: `PT07H30M00S` is `07:30:00`."""
    parts = re.fullmatch(r"(-?)PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,]\d+)?S)?", duration)
    if not parts:
        return duration
    return parts[1] + ":".join(f"{int(part or 0):02d}" for part in parts.groups()[1:])
