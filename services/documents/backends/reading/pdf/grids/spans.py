"""Spans of a grid, set right by what stands in them and by the lines between cells; and how many rows are heads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from services.documents.backends.reading.pdf.grids.grid import Grid, Place, without_overlaps
from services.documents.backends.reading.pdf.grids.rulings import Rule, Rulings
from services.documents.backends.reading.pdf.grids.words import Phrase, Word, all_phrases, lines_of, phrases_of

_APART = 1.3
"""Words of a line farther apart than this, in heights, are seldom of one cell."""
_OVER = 0.5
"""How far, in heights, text reaches into the next column before it spans it."""
_BETWEEN = 0.25
"""How far from the middle between two rows, as a share of their distance, text is of both."""
_LEVEL = 0.25
"""How far, in heights, what is level may be apart."""
_CLOSE = 0.75
"""Share of the distance of two rows that lines of one cell are apart at most."""
_CENTRED = 0.12
"""How far from the middle of several columns, as a share of their width, text is of all of them."""
_RULED = 0.6
"""Share of a cell's side that a rule has to cover to be its border."""
_MOST_HEADS = 4
_WIDE = 0.9
"""Share of a table's width that a line under its head has at least."""
_NEAR = 0.25
"""How far, as a share of a row, that line may be from the border of a row."""
_NUMBERS = 0.4
"""Share of the cells of a first row that hold numbers if it is no head; years stand in heads too."""

Filled = Mapping[Place, Sequence[Word]]


def spanned(grid: Grid, others: Iterable[Grid], words: Sequence[Word], rules: Rulings) -> Grid:
    """The grid with the spans that its words and lines show.

    Args:
        grid: with the spans it was found with.
        others: grids that may have more, where they have as many rows and columns.
        words: of the table.
        rules: lines of the table.
    """
    phrases = all_phrases(words)
    filled = replace(grid, spans=()).filled(phrases)
    alike = [other for other in others if (other.rows, other.columns) == (grid.rows, grid.columns)]
    known = [span for other in [grid, *alike] for span in other.spans]
    known = [span for span in known if _is_one_cell(span, filled) and not _is_ruled(grid, span, rules)]
    centred = [span for span in known if _is_centred(grid, span, filled)]
    found = [
        *centred,
        *_over_columns(grid, filled),
        *(_whole(grid, span, filled) for span in known),
        *_reaching(grid, filled, phrases),
        *_between_rows(grid, filled, rules),
    ]
    heads = max([grid.heads, *(other.heads for other in alike)])
    result = replace(grid, spans=without_overlaps(found))
    return replace(result, heads=heads or _heads(result, filled, rules))


def _is_one_cell(span: Place, filled: Filled) -> bool:
    """Whether a span holds one text and not several side by side, or one above the other in several rows."""
    inside = [place for place in map(_single, span.positions()) if filled.get(place)]
    if len(inside) < 2:
        return True
    lines = lines_of(word for place in inside for word in filled[place])
    return all(len(phrases_of(line, _APART)) == 1 for line in lines)


def _is_centred(grid: Grid, span: Place, filled: Filled) -> bool:
    """Whether a head over several columns stands in their middle."""
    words = [word for place in map(_single, span.positions()) for word in filled.get(place, ())]
    is_over = span.row == 0 and span.row_span == 1 and bool(words)
    return is_over and _off_centre(grid, span, words, filled) < _CENTRED


def _whole(grid: Grid, span: Place, filled: Filled) -> Place:
    """A span over most of a row that holds nothing else, as the whole row."""
    others = [column for column in range(grid.columns) if not span.column <= column < span.column + span.column_span]
    if span.row_span > 1 or 2 * span.column_span < grid.columns or not _is_free(filled, span.row, others):
        return span
    return replace(span, column=0, column_span=grid.columns)


def _single(position: tuple[int, int]) -> Place:
    return Place(row=position[0], column=position[1])


def _is_ruled(grid: Grid, span: Place, rules: Rulings) -> bool:
    """Whether a line goes through a span, all along one of its rows or columns."""
    left, top, right, bottom = grid.box(span)
    for row in range(span.row + 1, span.row + span.row_span):
        if _share(rules.rows, grid.ys[row], left, right) > _RULED:
            return True
    return any(
        _share(rules.columns, grid.xs[column], top, bottom) > _RULED
        for column in range(span.column + 1, span.column + span.column_span)
    )


def _share(rules: Iterable[Rule], at: float, start: float, end: float, near: float = 2.0) -> float:
    covered = sum(max(0.0, min(rule.end, end) - max(rule.start, start)) for rule in rules if abs(rule.at - at) < near)
    return covered / max(end - start, 1e-6)


def _reaching(grid: Grid, filled: Filled, phrases: Iterable[Phrase]) -> Iterator[Place]:
    """Text that reaches into columns beside its own that are empty."""
    for phrase in phrases:
        if len(phrase) == 0:
            continue
        row = grid.row_at(phrase[0].y)
        over = _OVER * phrase[0].height
        first, last = grid.column_at(phrase[0].left + over), grid.column_at(phrase[-1].right - over)
        own = grid.column_at((phrase[0].left + phrase[-1].right) / 2)
        while first < own and not _is_free(filled, row, range(first, own)):
            first += 1
        while last > own and not _is_free(filled, row, range(own + 1, last + 1)):
            last -= 1
        if first < last and _is_free(filled, row, [*range(own), *range(own + 1, grid.columns)]):
            first, last = 0, grid.columns - 1
        if first < last:
            yield Place(row=row, column=first, column_span=last - first + 1)


def _is_free(filled: Filled, row: int, columns: Iterable[int]) -> bool:
    return not any(filled.get(Place(row=row, column=column)) for column in columns)


def _between_rows(grid: Grid, filled: Filled, rules: Rulings) -> Iterator[Place]:
    """Text that stands between the levels of two rows, and text under which a line stops that goes on beside it."""
    for place, words in filled.items():
        row, level = place.row, _level(words)
        for other in (row - 1, row + 1):
            if not 0 <= other < grid.rows or filled.get(Place(row=other, column=place.column)):
                continue
            first, last = min(row, other), max(row, other)
            levels = [_levels(filled, grid, at, place.column) for at in (first, last)]
            if not all(levels):
                continue
            above, below = median(levels[0]), median(levels[1])
            is_between = below > above and abs(level - (above + below) / 2) < _BETWEEN * (below - above)
            if is_between and _goes_on(words, above, below):
                continue
            if is_between and not _is_ruled(grid, Place(row=first, column=place.column, row_span=2), rules):
                yield Place(row=first, column=place.column, row_span=2)


def _goes_on(words: Sequence[Word], above: float, below: float) -> bool:
    """Whether text begins level with a row and its lines are nearer than the next row: it is of that row alone."""
    tops = [_level(line) for line in lines_of(words)]
    if len(tops) == 1:
        return False
    return abs(tops[0] - above) < _LEVEL * words[0].height and tops[1] - tops[0] < _CLOSE * (below - above)


def _level(words: Sequence[Word]) -> float:
    return sum(word.y for word in words) / len(words)


def _levels(filled: Filled, grid: Grid, row: int, but: int) -> list[float]:
    """Of the cells of a row, but for one."""
    cells = (filled.get(Place(row=row, column=column)) for column in range(grid.columns) if column != but)
    return [_level(words) for words in cells if words]


def _over_columns(grid: Grid, filled: Filled) -> Iterator[Place]:
    """Heads in the middle of several columns that are empty but for them, with something in each column below."""
    for place, words in filled.items():
        if place.row > 0 or grid.rows < 2:
            continue
        free = {column for column in range(grid.columns) if _is_free(filled, 0, [column])} | {place.column}
        below = {column for column in range(grid.columns) if filled.get(Place(row=1, column=column))}
        first = last = place.column
        while first - 1 in free & below:
            first -= 1
        while last + 1 in free & below:
            last += 1
        spans = [
            Place(row=0, column=start, column_span=end - start + 1)
            for start in range(first, place.column + 1)
            for end in range(place.column, last + 1)
            if place.column in below
        ]
        best = min(spans, key=lambda span: _off_centre(grid, span, words, filled), default=place)
        if best.is_span and _off_centre(grid, best, words, filled) < _CENTRED:
            yield best


def _off_centre(grid: Grid, span: Place, words: Sequence[Word], filled: Filled) -> float:
    """How far text is from the middle of a span or of what stands under it, as a share of its width."""
    middle = (min(word.left for word in words) + max(word.right for word in words)) / 2
    left, _, right, _ = grid.box(span)
    under = [
        word
        for column in range(span.column, span.column + span.column_span)
        for word in filled.get(Place(row=span.row + 1, column=column), ())
    ]
    off = abs(middle - (left + right) / 2)
    if under:
        off = min(off, abs(middle - (min(word.left for word in under) + max(word.right for word in under)) / 2))
    return off / (right - left)


def _heads(grid: Grid, filled: Filled, rules: Rulings) -> int:
    """Rows of heads, where the model tells none: those above the only line in the table, or the first and its spans."""
    if _is_body(filled):
        return 0
    wide = _WIDE * (grid.xs[-1] - grid.xs[0])
    levels = [rule.at for rule in rules.rows if rule.end - rule.start > wide]
    near = _NEAR * median(below - above for above, below in pairwise(grid.ys))
    ruled = [row for row in range(1, grid.rows) if any(abs(grid.ys[row] - level) < near for level in levels)]
    most = min(_MOST_HEADS, grid.rows // 2)
    if len(ruled) == 1 and ruled[0] <= most:
        return ruled[0]
    spans = [span for span in grid.spans if span.row == 0 and span.column_span < grid.columns]
    has_groups = any(span.column_span > 1 for span in spans)
    return min(max([1, 1 + has_groups, *(span.row_span for span in spans)]), max(most, 1))


def _is_body(filled: Filled) -> bool:
    """Whether the first row holds numbers, as rows under a head do."""
    first = [words for place, words in filled.items() if place.row == 0]
    numbers = sum(any(character.isdigit() for word in words for character in word.text) for words in first)
    return numbers > _NUMBERS * len(first)
