"""The grid that the gaps between words tell: corridors between columns, and the distances of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import mean

from services.documents.backends.reading.pdf.grids.grid import Grid, Source
from services.documents.backends.reading.pdf.grids.rulings import Rulings
from services.documents.backends.reading.pdf.grids.words import Phrase, Word, lines_of, phrases_of, size_of

_CORRIDOR = 0.5
"""The narrowest gap between columns, in heights of a word."""
_CROSSING = 0.12
"""Share of the lines that may go across a gap between columns: heads of several columns, notes."""
_MOST_JUMPS = 3
_JUMP = 0.2
"""How much farther apart, in heights of a word, lines of two rows are than lines of one cell, where they differ."""
_WITHIN = 0.75
"""The widest gap between two lines of a cell, in heights of a word: their leading is 1.6 then."""
_OVERLAP = 0.2
"""In heights of a word: how much of two cells has to be side by side in one row."""


def gaps(words: Sequence[Word], rules: Rulings) -> Iterator[Grid]:
    """Grids of a table without lines: with a row for each line, and with rows of several lines where gaps differ."""
    if not words:
        return
    size = size_of(words)
    lines = [phrases_of(line) for line in lines_of(words)]
    xs = _columns(lines, size)
    blocks = _columns_of_lines(words, xs)
    for within in _distances(blocks, size):
        rows = _rows(blocks, within, size, rules)
        ys = [rows[0][0], *((above[1] + below[0]) / 2 for above, below in pairwise(rows)), rows[-1][1]]
        yield Grid(source=Source.GAPS, xs=xs, ys=ys)


def _columns(lines: Sequence[Sequence[Phrase]], size: float) -> list[float]:
    """Borders of columns, with both ends."""
    extents = [(phrase[0].left, phrase[-1].right) for line in lines for phrase in line]
    most = int(_CROSSING * len(lines))
    borders = list(_corridors(extents, most, _CORRIDOR * size))
    ends = min(start for start, _ in extents), max(end for _, end in extents)
    return [ends[0], *_needed(lines, borders), ends[1]]


def _corridors(extents: Iterable[tuple[float, float]], most: int, width: float) -> Iterator[float]:
    """The middle of each stretch that few extents cover, where the fewest do."""
    changes = sorted([(start, 1) for start, _ in extents] + [(end, -1) for _, end in extents])
    count, stretch = 0, []
    for (at, change), (after, _) in pairwise(changes):
        count += change
        if after <= at:
            continue
        if count <= most:
            stretch.append((count, at, after))
            continue
        yield from _middle(stretch, width)
        stretch = []
    yield from _middle(stretch, width)


def _middle(stretch: Sequence[tuple[int, float, float]], width: float) -> Iterator[float]:
    if stretch and stretch[-1][2] - stretch[0][1] >= width:
        fewest = min(count for count, _, _ in stretch)
        _, start, end = max((item for item in stretch if item[0] == fewest), key=lambda item: item[2] - item[1])
        yield (start + end) / 2


def _needed(lines: Sequence[Sequence[Phrase]], borders: Sequence[float]) -> list[float]:
    """Without borders between columns that never stand side by side: a head, and numbers to the right of it."""
    kept: list[float] = []
    for at, border in enumerate(borders):
        left = kept[-1] if kept else float("-inf")
        right = borders[at + 1] if at + 1 < len(borders) else float("inf")
        if any(_is_between(line, left, border) and _is_between(line, border, right) for line in lines):
            kept.append(border)
    return kept


def _is_between(line: Iterable[Phrase], left: float, right: float) -> bool:
    return any(left <= (phrase[0].left + phrase[-1].right) / 2 < right for phrase in line)


_Block = tuple[float, float]
"""Top and bottom of a line of a column."""


def _columns_of_lines(words: Iterable[Word], xs: Sequence[float]) -> list[list[_Block]]:
    """The lines of each column, from top to bottom."""
    grid = Grid(source=Source.GAPS, xs=xs, ys=(0.0, 1.0))
    columns: list[list[Word]] = [[] for _ in range(grid.columns)]
    for word in words:
        columns[grid.column_at(word.x)].append(word)
    return [
        [(mean(word.top for word in line), mean(word.bottom for word in line)) for line in lines_of(column)]
        for column in columns
    ]


def _distances(columns: Iterable[Sequence[_Block]], size: float) -> Iterator[float]:
    """Gaps up to which two lines are of one cell: none at all, and where the gaps jump."""
    yield float("-inf")
    found = sorted(below[0] - above[1] for column in columns for above, below in pairwise(column))
    jumps = sorted((after - before, before) for before, after in pairwise(found) if before < _WITHIN * size)
    for jump, before in reversed(jumps[-_MOST_JUMPS:]):
        if jump >= _JUMP * size:
            yield before + jump / 2


def _rows(columns: Sequence[Sequence[_Block]], within: float, size: float, rules: Rulings) -> list[_Block]:
    """Top and bottom of what stands in each row."""
    blocks = sorted(block for column in columns for block in _joined(column, within))
    levels = _levels(rules)
    rows: list[_Block] = []
    for top, bottom in blocks:
        if rows and min(bottom, rows[-1][1]) - top > _OVERLAP * size and not _parted(levels, rows[-1], (top, bottom)):
            rows[-1] = rows[-1][0], max(rows[-1][1], bottom)
        else:
            rows.append((top, bottom))
    return rows


def _joined(lines: Iterable[_Block], within: float) -> Iterator[_Block]:
    block: _Block | None = None
    for top, bottom in lines:
        if block is not None and top - block[1] <= within:
            block = block[0], bottom
            continue
        if block is not None:
            yield block
        block = top, bottom
    if block is not None:
        yield block


def _levels(rules: Rulings) -> list[float]:
    longest = max((rule.end - rule.start for rule in rules.rows), default=0.0)
    return [rule.at for rule in rules.rows if rule.end - rule.start > 0.9 * longest]


def _parted(levels: Sequence[float], above: _Block, below: _Block) -> bool:
    return any((above[0] + above[1]) / 2 < level < (below[0] + below[1]) / 2 for level in levels)
