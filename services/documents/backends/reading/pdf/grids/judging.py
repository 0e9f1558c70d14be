"""How well a grid explains the words of a table, and the lines that are drawn in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from services.documents.backends.reading.pdf.grids.grid import Grid, Place, Source
from services.documents.backends.reading.pdf.grids.rulings import Rulings
from services.documents.backends.reading.pdf.grids.words import Phrase, Word, all_phrases, lines_of, phrases_of, size_of

_CUT = 0.2
"""A phrase of which so much is beyond a border is cut by it."""
_UNEVEN = 0.25
"""How much more than another a pitch of lines in a cell can be, in heights of a word."""
_LEVEL = 0.1
"""How far, in heights, what is said to be level is apart."""
_LOOSE = 1.7
"""The widest pitch of lines in a cell, in heights of a word."""
_CLOSE = 0.45
"""Lines of a cell are nearer than this, in heights."""
_NEAR = 3.0
"""How far a line may be from the border that it is. Unit: points."""
_WIDE = 0.9
"""Share of a table's width that a line between two rows has at least."""
_LONG = 0.3
"""Share of a table's height from which on a line is between columns; stripes have cells on every second row."""
_RAGGED = 0.3
"""How far, in heights, cells of a row may be from one level: indices, other sizes of type."""
_APART = 1.3
"""Words of a line farther apart than this, in heights, are seldom of one cell."""


_LEAST_CELLS = 6
_LEAST_ROWS = 3
"""Of what no lines part: pictures side by side have two rows of words under them."""
_LEAST_ABREAST = 2
"""Cells of a row that tell that it is several."""
_MOST_CELLS = 0.6
"""Share of a row's cells that hold the same number of lines where two are enough; else more than `_WRAPPED` are, as
`Subtotal`, `Tax` and `Total` under an invoice's items."""
_WRAPPED = 2
_LEAST_LINED = 2
"""Rows between lines: a table with lines at its head and foot alone has two."""
_FILLED = 0.5
"""Share of a table's cells that hold something."""
_WORDS_PER_CELL = 8
"""On average; columns of running text have more."""
_LEAST_RULES = 3
"""Lines of a table of one column."""
_LONG_CELLS = 30
"""Words in a cell, on average, of what is rather columns of text, if it has few rows."""
_FEW_ROWS = 3
_TEXT_WORDS = 4.5
"""Words in a line of running text, on average, in the narrowest of columns."""
_TEXT_WIDTH = 0.75
"""Share of a column that its lines fill, on average, if it is running text."""
_WITH_DIGITS = 0.25
"""Share of the cells of a small table without lines; names and addresses side by side have fewer."""
_BAD = 0.35
"""The faults of a grid that is taken for a table without the layout model's word."""
_ITEM = re.compile(r"[\W_]|[(\[]?(\d{1,3}|[a-zA-Z]|[ivxIVX]+)[.)\]]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each fault of a grid costs, as a share of its cells, rows or words."""

    cut: float = 3.0
    """Words that a border cuts."""
    crowded: float = 2.0
    """Cells with a hole in a line, as wide as between columns."""
    uneven: float = 2.0
    """Cells with lines that are not all as far apart."""
    ragged: float = 1.0
    """Rows whose cells stand at no common top, middle or bottom."""
    pitched: float = 1.0
    """Cells whose lines are as far apart as rows are."""
    merged: float = 2.0
    """Rows all of whose cells have the same several lines."""
    hollow: float = 1.0
    """Rows and columns without a word."""
    torn: float = 1.5
    """Rows that are the rest of the row before: all their words are in one column, close under others."""
    crossed: float = 3.0
    """Lines as wide as the table that go through a row."""
    guessed: float = 0.06
    """What has no spans and no heads: taken where nothing else is as good."""
    parted: float = 0.04
    """Rows that were parted without the model's word."""


WEIGHTS = Weights()


def badness(grid: Grid, words: Sequence[Word], rules: Rulings, weights: Weights = WEIGHTS) -> float:
    """0 is a grid without a fault."""
    if not words:
        return 0.0
    phrases = all_phrases(words)
    filled = grid.filled(phrases)
    leading = leading_of(filled.values(), size_of(words))
    return (
        weights.cut * sum(_is_cut(grid, phrase) for phrase in phrases) / len(phrases)
        + weights.crowded * sum(map(_is_crowded, filled.values())) / len(filled)
        + weights.uneven * sum(is_uneven(inside, leading) for inside in filled.values()) / len(filled)
        + weights.pitched * _pitched(grid, filled, rules, size_of(words)) / len(filled)
        + weights.ragged * _ragged(grid, filled, size_of(words)) / grid.rows
        + weights.merged * sum(_merged(grid, filled, rules)) / grid.rows
        + weights.hollow * _hollow(grid, filled) / (grid.rows + grid.columns)
        + weights.torn * _torn(grid, filled, rules) / grid.rows
        + weights.crossed * _crossed(grid, filled, rules) / grid.rows
        + weights.crossed * _crossed_columns(grid, filled, rules) / grid.columns
        + (weights.guessed if grid.source is Source.GAPS else 0.0)
        + (weights.parted if grid.is_parted else 0.0)
    )


def is_table(grid: Grid, words: Sequence[Word], rules: Rulings, *, is_picture: bool) -> bool:
    """Whether text is a table: rows and columns of short cells, most of them filled.

    Args:
        grid: the best that it has.
        words: of the text.
        rules: its lines.
        is_picture: the layout model took it for a picture, so that it does not look like running text.
    """
    least = 2 if grid.source is Source.RULES else _LEAST_ROWS
    if grid.columns < 2 or grid.rows < least or grid.rows * grid.columns < _LEAST_CELLS:
        return False
    filled = grid.filled(all_phrases(words))
    covered = sum(place.row_span * place.column_span for place in filled)
    is_short = len(words) <= _WORDS_PER_CELL * len(filled)
    is_full = covered >= _FILLED * grid.rows * grid.columns
    is_data = is_picture or bool(rules.rows) or grid.rows >= 5 or _digits(filled.values()) >= _WITH_DIGITS
    return is_short and is_full and is_data and badness(grid, words, rules) < _BAD and not _is_list(filled)


def is_columns_of_text(grid: Grid, words: Sequence[Word], rules: Rulings) -> bool:
    """Whether what is laid out as a table has one column without lines, or few rows of long text."""
    if grid.columns == 1:
        return len(rules.rows) < _LEAST_RULES
    filled = grid.filled(all_phrases(words))
    if grid.source is not Source.RULES and grid.rows <= _FEW_ROWS and len(words) > _LONG_CELLS * len(filled):
        return True
    return len(rules.rows) < _LEAST_RULES and all(_is_text(filled, column) for column in range(grid.columns))


def _is_text(filled: Mapping[Place, Sequence[Word]], column: int) -> bool:
    """Whether a column is lines of several words, most of them as wide as it is."""
    lines = [line for place, words in filled.items() if place.column == column for line in lines_of(words)]
    if len(lines) <= _FEW_ROWS or sum(map(len, lines)) < _TEXT_WORDS * len(lines):
        return False
    widths = [line[-1].right - line[0].left for line in lines]
    return sum(widths) > _TEXT_WIDTH * max(widths) * len(widths)


def _digits(cells: Iterable[Sequence[Word]]) -> float:
    """Share of cells with a digit."""
    with_digits = [any(character.isdigit() for word in words for character in word.text) for words in cells]
    return sum(with_digits) / max(len(with_digits), 1)


def _is_list(filled: Mapping[Place, Sequence[Word]]) -> bool:
    """Whether columns are the marks of list items: the first of two, or several, each with its texts behind it."""
    columns: dict[int, list[Sequence[Word]]] = defaultdict(list)
    for place, words in filled.items():
        columns[place.column].append(words)
    marks = {column for column, cells in columns.items() if all(map(_is_mark, cells))}
    behind = {column + 1 for column in marks}
    return bool(marks) and not marks & behind and behind <= columns.keys() and (len(columns) == 2 or len(marks) > 1)


def _is_mark(words: Sequence[Word]) -> bool:
    return len(words) == 1 and _ITEM.fullmatch(words[0].text) is not None


def _is_cut(grid: Grid, phrase: Phrase) -> bool:
    left, right = phrase[0].left, phrase[-1].right
    top, bottom = phrase[0].top, phrase[0].bottom
    place = grid.place(grid.row_at((top + bottom) / 2), grid.column_at((left + right) / 2))
    box = grid.box(place)
    wide, high = _CUT * (right - left), _CUT * (bottom - top)
    across = (left < box[0] - wide and place.column > 0) or (
        right > box[2] + wide and place.column + place.column_span < grid.columns
    )
    along = (top < box[1] - high and place.row > 0) or (
        bottom > box[3] + high and place.row + place.row_span < grid.rows
    )
    return across or along


def _is_crowded(words: Sequence[Word]) -> bool:
    return len(words) > 1 and any(len(phrases_of(line, _APART)) > 1 for line in lines_of(words))


def _pitched(grid: Grid, filled: Mapping[Place, Sequence[Word]], rules: Rulings, size: float) -> int:
    """Cells whose lines are as far apart as those of two rows, but for rows with a line above and below."""
    lined = _lined(grid, rules)
    between = sorted(_between_rows(filled))
    if not between:
        return 0
    least = between[len(between) // 4] - _LEVEL * size
    return sum(
        any(pitch > least for pitch in _pitches(words)) for place, words in filled.items() if place.row not in lined
    )


def _lined(grid: Grid, rules: Rulings) -> set[int]:
    """Rows with a line above and below, where more than two have them: not only the head and what is under it."""
    levels = [rule.at for rule in rules.rows]
    found = {row for row in range(grid.rows) if all(_has_level(levels, y) for y in grid.ys[row : row + 2])}
    return found if len(found) > _LEAST_LINED else set()


def _between_rows(filled: Mapping[Place, Sequence[Word]]) -> Iterator[float]:
    """Distances from the last line of a cell to the first of the cell under it. Unit: points."""
    for place, words in filled.items():
        below = filled.get(replace(place, row=place.row + place.row_span))
        if below:
            yield min(word.top for word in below) - max(word.top for word in words)


def leading_of(cells: Iterable[Sequence[Word]], size: float) -> float:
    """The usual distance from line to line in a cell. Unit: points."""
    pitches = sorted(pitch for words in cells for pitch in _pitches(words))
    return min(max(pitches[len(pitches) // 4], size), _LOOSE * size) if pitches else size


def _pitches(words: Sequence[Word]) -> list[float]:
    tops = [line[0].top for line in lines_of(words)]
    return [below - above for above, below in pairwise(tops)]


def is_uneven(words: Sequence[Word], leading: float) -> bool:
    """Whether lines of a cell are too far apart, or not all as far."""
    pitches = _pitches(words)
    return bool(pitches) and (is_loose(words, leading) or max(pitches) - min(pitches) > _UNEVEN * size_of(words))


def is_loose(words: Sequence[Word], leading: float) -> bool:
    """Whether two lines of a cell are too far apart."""
    return any(pitch > min(leading + _UNEVEN * size_of(words), _LOOSE * size_of(words)) for pitch in _pitches(words))


def raggedness(cells: Sequence[Sequence[Word]], size: float) -> tuple[float, float, float]:
    """How far tops, middles and bottoms of the cells of a row are apart, at most 1 each. Unit: heights of a word."""
    if len(cells) < 2:
        return 0.0, 0.0, 0.0
    tops = [min(word.top for word in words) for words in cells]
    bottoms = [max(word.bottom for word in words) for words in cells]
    middles = [(top + bottom) / 2 for top, bottom in zip(tops, bottoms, strict=True)]
    spreads = [(max(levels) - min(levels)) / size for levels in (tops, middles, bottoms)]
    top, middle, bottom = (min(1.0, spread) if spread > _RAGGED else 0.0 for spread in spreads)
    return top, middle, bottom


def _ragged(grid: Grid, filled: Mapping[Place, Sequence[Word]], size: float) -> float:
    """Of all rows, by the level that suits most of them; each row of heads has its own."""
    rows: dict[int, list[Sequence[Word]]] = defaultdict(list)
    for place, words in filled.items():
        if place.row_span == 1:
            rows[place.row].append(words)
    heads = max(grid.heads, 1)
    found = {row: raggedness(cells, size) for row, cells in rows.items()}
    body = [ragged for row, ragged in found.items() if row >= heads]
    return sum(min(ragged) for row, ragged in found.items() if row < heads) + min(
        map(sum, zip(*body, strict=True)), default=0.0
    )


def _merged(grid: Grid, filled: Mapping[Place, Sequence[Word]], rules: Rulings) -> Iterable[bool]:
    """Of each row but a head between lines, whether all its cells have the same two lines of text or more."""
    rows: dict[int, list[Sequence[Word]]] = defaultdict(list)
    for place, words in filled.items():
        if place.row_span == 1:
            rows[place.row].append(words)
    heads = _lined(grid, rules) & {0}
    for row, cells in rows.items():
        if row in heads or len(cells) < _LEAST_ABREAST:
            continue
        lines = lines_of(word for words in cells for word in words)
        is_full = len(cells) >= _MOST_CELLS * grid.columns
        is_merged = len(lines) > (1 if is_full else _WRAPPED)
        yield is_merged and all(len(lines_of(words)) == len(lines) for words in cells)


def _hollow(grid: Grid, filled: Iterable[Place]) -> int:
    """Rows and columns in which no cell of their own holds anything. What lines part may be empty."""
    if grid.source is Source.RULES:
        return 0
    rows = set(range(grid.rows)) - {place.row for place in filled if place.row_span == 1}
    columns = set(range(grid.columns)) - {place.column for place in filled if place.column_span == 1}
    return len(rows) + len(columns)


def _torn(grid: Grid, filled: Mapping[Place, Sequence[Word]], rules: Rulings) -> int:
    """Rows that are close under the row above, as lines of a cell are: closer than others, or with one cell alone."""
    rows: dict[int, list[Place]] = defaultdict(list)
    for place in filled:
        rows[place.row].append(place)
    gaps = {
        row: [gap for gap in (_gap_above(grid, filled, each) for each in places) if gap is not None]
        for row, places in rows.items()
    }
    usual = sorted(gap for found in gaps.values() for gap in found)
    levels = [rule.at for rule in rules.rows]
    under_groups = {span.row + 1 for span in grid.spans if span.row == 0 and span.column_span > 1}
    torn = 0
    for row, found in gaps.items():
        height = filled[rows[row][0]][0].height
        is_alone = len(rows[row]) == 1 and not rows[row][0].is_span and grid.columns > 1
        is_close = (
            bool(found) and max(found) < _CLOSE * height and (is_alone or max(found) < usual[len(usual) // 2] / 2)
        )
        torn += is_close and not _has_level(levels, grid.ys[row]) and row not in under_groups
    return torn


def _gap_above(grid: Grid, filled: Mapping[Place, Sequence[Word]], place: Place) -> float | None:
    """Between a cell and the one above it."""
    above = filled.get(grid.place(place.row - 1, place.column)) if place.row else None
    return min(word.top for word in filled[place]) - max(word.bottom for word in above) if above else None


def _has_level(levels: Sequence[float], y: float) -> bool:
    at = bisect_left(levels, y - _NEAR)
    return at < len(levels) and levels[at] < y + _NEAR


def _crossed(grid: Grid, filled: Mapping[Place, Sequence[Word]], rules: Rulings) -> int:
    """Rows with words above and below a line as wide as the table."""
    wide = _WIDE * (grid.xs[-1] - grid.xs[0])
    inside: dict[int, list[float]] = defaultdict(list)
    for place, words in filled.items():
        if place.row_span == 1:
            inside[place.row] += [word.y for word in words]
    rows = ((grid.row_at(rule.at), rule.at) for rule in rules.rows if rule.end - rule.start >= wide)
    return len({row for row, at in rows if _parts(at, inside[row], grid.ys[row], grid.ys[row + 1])})


def _crossed_columns(grid: Grid, filled: Mapping[Place, Sequence[Word]], rules: Rulings) -> int:
    """Columns with words on both sides of a line along much of the table."""
    lengths: dict[float, float] = defaultdict(float)
    for rule in rules.columns:
        lengths[rule.at] += rule.end - rule.start
    inside: dict[int, list[float]] = defaultdict(list)
    for place, words in filled.items():
        if place.column_span == 1:
            inside[place.column] += [word.x for word in words]
    long = _LONG * (grid.ys[-1] - grid.ys[0])
    columns = ((grid.column_at(at), at) for at, length in lengths.items() if length > long)
    return len({column for column, at in columns if _parts(at, inside[column], grid.xs[column], grid.xs[column + 1])})


def _parts(at: float, middles: Sequence[float], start: float, end: float) -> bool:
    """Whether a line in a band is not at its border, and has something on both sides."""
    return bool(middles) and min(middles) < at < max(middles) and min(at - start, end - at) > _NEAR
