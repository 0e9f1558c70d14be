"""Tables whose cells are known, set on pages in many styles."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from bench.typesetting.sheet import Line, Sheet, text_width

_NOUNS = [
    "river",
    "bridge",
    "harvest",
    "engine",
    "signal",
    "market",
    "forest",
    "copper",
    "window",
    "ledger",
    "harbour",
    "garden",
    "circuit",
    "valley",
    "lantern",
    "meadow",
    "turbine",
    "archive",
    "railway",
    "compass",
    "orchard",
    "quarry",
    "basin",
    "furnace",
    "gallery",
]
_KINDS = [
    "northern",
    "annual",
    "combined",
    "adjusted",
    "primary",
    "seasonal",
    "estimated",
    "regional",
    "total",
    "average",
    "upper",
    "residual",
]
_LONG = [
    "Electroencephalography",
    "Institutionalisation",
    "counterrevolutionary",
    "Telecommunications",
    "Misinterpretation",
]
_PROSE = (
    "The figures of the following pages were gathered in the second half of the year and were checked against the"
    " books of each district before they were added up. Where a district gave no figure the cell is empty."
)
_MARGIN = 60.0
_LEADING = 1.18
"""Distance of baselines in a cell, in type sizes."""


class Rules(StrEnum):
    """Which lines a table has."""

    GRID = "grid"
    BOOK = "book"
    """At the top, under the head and at the bottom."""
    ROWS = "rows"
    """Between all rows."""
    STRIPES = "stripes"
    HEAD = "head"
    """Only under the head."""
    INNER = "inner"
    """Between rows and columns, with no frame."""
    NONE = "none"


class Head(StrEnum):
    """The rows of column heads."""

    NONE = "none"
    ONE = "one"
    TWO = "two"
    """Groups of columns over their columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a table is to be like."""

    rules: Rules
    columns: int
    rows: int
    """Of the body."""
    head: Head = Head.ONE
    groups: int = 0
    """Rows that share a cell of the first column; 0: none do."""
    sections: int = 0
    """So many rows of the body are one cell as wide as the table."""
    wrapped: float = 0.0
    """Share of the columns that hold text of several lines."""
    empty: float = 0.0
    """Share of the cells of the body, but for those of the first column."""
    is_top: bool = False
    """Text begins at the top of its cell and not in its middle."""
    is_centred: bool = False
    """All columns are; if not, words stand left and numbers right."""
    font: str = "Helvetica"
    size: float = 9.0
    gap: float = 10.0
    """Least between the text of two columns. Unit: points."""
    air: float = 4.0
    """Between text and the border of its row, above and below. Unit: points."""
    has_long_words: bool = False
    is_words_only: bool = False
    is_turned: bool = False
    is_alone: bool = False
    """No text before and after it."""
    dpi: int = 0
    """It is a picture with so many dots an inch; 0: it has text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell that is not empty, or has a span."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file of one page with one table."""

    name: str
    recipe: Recipe
    data: bytes
    cells: Sequence[Cell]
    box: tuple[float, float, float, float]
    """Of the table: left, top, right, bottom. Unit: points, on the sheet before it is turned."""
    lines: Sequence[Line]
    """All lines of text of the page."""


_G, _B, _R, _S, _H, _I, _N = Rules.GRID, Rules.BOOK, Rules.ROWS, Rules.STRIPES, Rules.HEAD, Rules.INNER, Rules.NONE
RECIPES: Mapping[str, Recipe] = {
    "grid": Recipe(rules=_G, columns=4, rows=6),
    "grid-two-heads": Recipe(rules=_G, columns=7, rows=8, head=Head.TWO),
    "grid-groups": Recipe(rules=_G, columns=4, rows=9, groups=3, wrapped=0.3),
    "grid-wrapped": Recipe(rules=_G, columns=3, rows=10, wrapped=0.7, is_top=True, font="Times-Roman"),
    "grid-sparse": Recipe(rules=_G, columns=6, rows=12, empty=0.4, is_centred=True),
    "grid-small": Recipe(rules=_G, columns=10, rows=25, size=5.5, gap=5, air=1.5),
    "grid-sections": Recipe(rules=_G, columns=5, rows=12, sections=3),
    "grid-turned": Recipe(rules=_G, columns=6, rows=8, head=Head.TWO, is_turned=True),
    "grid-page": Recipe(rules=_G, columns=5, rows=38, is_alone=True),
    "inner": Recipe(rules=_I, columns=5, rows=7, head=Head.TWO, wrapped=0.2),
    "book": Recipe(rules=_B, columns=5, rows=6, font="Times-Roman", air=2),
    "book-two-heads": Recipe(rules=_B, columns=7, rows=8, head=Head.TWO, font="Times-Roman", air=2),
    "book-wrapped": Recipe(rules=_B, columns=4, rows=7, wrapped=0.5, is_top=True, font="Times-Roman"),
    "book-sparse": Recipe(rules=_B, columns=6, rows=10, empty=0.35, font="Times-Roman", air=2),
    "rows-groups": Recipe(rules=_R, columns=5, rows=9, groups=3, font="Times-Roman"),
    "book-sections": Recipe(rules=_B, columns=5, rows=11, sections=3, font="Times-Roman", air=2),
    "book-dense": Recipe(rules=_B, columns=9, rows=30, size=7, gap=6, air=0.8, font="Times-Roman"),
    "book-turned": Recipe(rules=_B, columns=8, rows=10, font="Times-Roman", is_turned=True),
    "rows": Recipe(rules=_R, columns=5, rows=8, wrapped=0.3),
    "rows-two-heads": Recipe(rules=_R, columns=5, rows=10, head=Head.TWO, is_centred=True),
    "rows-sparse": Recipe(rules=_R, columns=8, rows=14, empty=0.3, size=8),
    "stripes": Recipe(rules=_S, columns=5, rows=12),
    "stripes-wrapped": Recipe(rules=_S, columns=4, rows=9, wrapped=0.5),
    "stripes-words": Recipe(rules=_S, columns=4, rows=10, is_words_only=True, has_long_words=True),
    "head": Recipe(rules=_H, columns=4, rows=10, font="Times-Roman", air=1.5),
    "head-long-words": Recipe(rules=_H, columns=3, rows=8, has_long_words=True, wrapped=0.3),
    "none": Recipe(rules=_N, columns=4, rows=8),
    "none-two": Recipe(rules=_N, columns=2, rows=5, font="Times-Roman", is_words_only=True, gap=30),
    "none-wide": Recipe(rules=_N, columns=10, rows=15, size=7, gap=8, font="Times-Roman", air=2),
    "none-wrapped": Recipe(rules=_N, columns=3, rows=6, wrapped=0.7, is_top=True, air=6),
    "none-sparse": Recipe(rules=_N, columns=6, rows=12, empty=0.3, is_centred=True),
    "none-page": Recipe(rules=_N, columns=6, rows=40, is_alone=True, air=2),
    "scan-grid": Recipe(rules=_G, columns=5, rows=8, dpi=150),
    "scan-grid-wrapped": Recipe(rules=_G, columns=4, rows=8, wrapped=0.5, dpi=200),
    "scan-grid-two-heads": Recipe(rules=_G, columns=7, rows=8, head=Head.TWO, dpi=150),
    "scan-book": Recipe(rules=_B, columns=6, rows=10, font="Times-Roman", dpi=200),
    "scan-book-two-heads": Recipe(rules=_B, columns=7, rows=6, head=Head.TWO, font="Times-Roman", dpi=200),
    "scan-rows": Recipe(rules=_R, columns=5, rows=9, wrapped=0.3, dpi=150),
    "scan-stripes": Recipe(rules=_S, columns=4, rows=12, empty=0.2, dpi=150),
    "scan-none": Recipe(rules=_N, columns=5, rows=10, is_alone=True, dpi=200),
}


def made_tables(seed: int = 1, only: str = "") -> Iterator[Made]:
    """One table of each recipe whose name contains `only`."""
    for name, recipe in RECIPES.items():
        if only in name:
            yield make(name, recipe, random.Random(f"{seed} {name}"))


def make(name: str, recipe: Recipe, chance: random.Random) -> Made:
    """A table of a recipe."""
    kinds = _column_kinds(recipe, chance)
    cells = _cells(recipe, kinds, chance)
    sheet = Sheet(is_turned=recipe.is_turned)
    top = _MARGIN if recipe.is_alone else _prose(sheet, _MARGIN, 3)
    box = _Setter(recipe, kinds, cells, sheet).set(top)
    if not recipe.is_alone:
        _prose(sheet, box[3] + 22, 3)
    data = sheet.scan(recipe.dpi) if recipe.dpi else sheet.pdf()
    kept = [cell for cell in cells if cell.text or cell.row_span > 1 or cell.column_span > 1]
    return Made(name=name, recipe=recipe, data=data, cells=kept, box=box, lines=sheet.lines)


def _prose(sheet: Sheet, top: float, lines: int) -> float:
    words, at, baseline = _PROSE.split(), 0, top
    for _ in range(lines):
        line = ""
        while text_width(line, "Times-Roman", 10) < sheet.width - 2 * _MARGIN - 40:
            line, at = f"{line} {words[at % len(words)]}".strip(), at + 1
        sheet.text(line, _MARGIN, baseline)
        baseline += 12
    return baseline + 10


class _Kind(StrEnum):
    """What a column holds."""

    WORDS = "words"
    NUMBERS = "numbers"
    WRAPPED = "wrapped"


def _column_kinds(recipe: Recipe, chance: random.Random) -> Sequence[_Kind]:
    kinds = [_Kind.WORDS]
    for _ in range(recipe.columns - 1):
        kinds.append(_Kind.WORDS if recipe.is_words_only or chance.random() < 0.15 else _Kind.NUMBERS)
    for column in chance.sample(range(recipe.columns), round(recipe.wrapped * recipe.columns)):
        kinds[column] = _Kind.WRAPPED
    return kinds


def _cells(recipe: Recipe, kinds: Sequence[_Kind], chance: random.Random) -> list[Cell]:
    head = list(_head(recipe, chance))
    first = max((cell.row + cell.row_span for cell in head), default=0)
    return head + list(_body(recipe, kinds, first, chance))


def _head(recipe: Recipe, chance: random.Random) -> Iterator[Cell]:
    if recipe.head is Head.ONE:
        for column in range(recipe.columns):
            yield Cell(row=0, column=column, text=_phrase(chance, 2).capitalize())
    if recipe.head is Head.TWO:
        yield Cell(row=0, column=0, row_span=2, text=_phrase(chance, 2).capitalize())
        column = 1
        while column < recipe.columns:
            span = min(chance.choice((2, 2, 3)), recipe.columns - column)
            if span == 1:
                yield Cell(row=0, column=column, row_span=2, text=_phrase(chance, 1).capitalize())
            else:
                yield Cell(row=0, column=column, column_span=span, text=_phrase(chance, 2).capitalize())
                for below in range(column, column + span):
                    yield Cell(row=1, column=below, text=_phrase(chance, 1).capitalize())
            column += span


def _body(recipe: Recipe, kinds: Sequence[_Kind], first: int, chance: random.Random) -> Iterator[Cell]:
    sections = set(chance.sample(range(0, recipe.rows, 2), recipe.sections))
    for row in range(recipe.rows):
        if row in sections:
            yield Cell(row=first + row, column=0, column_span=recipe.columns, text=f"Part {_phrase(chance, 2)}")
            continue
        for column, kind in enumerate(kinds):
            if column == 0 and recipe.groups:
                if row % recipe.groups == 0:
                    span = min(recipe.groups, recipe.rows - row)
                    yield Cell(row=first + row, column=0, row_span=span, text=_phrase(chance, 2))
                continue
            is_empty = column > 0 and chance.random() < recipe.empty
            text = "" if is_empty else _text(recipe, kind, chance)
            yield Cell(row=first + row, column=column, text=text)


def _text(recipe: Recipe, kind: _Kind, chance: random.Random) -> str:
    if kind is _Kind.NUMBERS:
        return chance.choice(_NUMBERS)(chance)
    if kind is _Kind.WRAPPED:
        return _phrase(chance, chance.choice((2, 6, 9)))
    word = chance.choice(_LONG) if recipe.has_long_words and chance.random() < 0.4 else ""
    return word or _phrase(chance, chance.choice((1, 2, 2, 3)))


_NUMBERS = (
    lambda chance: str(chance.randint(0, 999)),
    lambda chance: f"{chance.random():.3f}",
    lambda chance: f"{chance.randint(1000, 99999):,}",
    lambda chance: f"{chance.random() * 100:.1f}%",
    lambda chance: f"-{chance.random() * 20:.2f}",
)


def _phrase(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(_KINDS if at % 2 == 0 and words > 1 else _NOUNS) for at in range(words))


class _Setter:
    """Sets the cells of a table on a sheet."""

    def __init__(self, recipe: Recipe, kinds: Sequence[_Kind], cells: Sequence[Cell], sheet: Sheet) -> None:
        self._recipe = recipe
        self._kinds = kinds
        self._cells = cells
        self._sheet = sheet
        self._heads = {Head.NONE: 0, Head.ONE: 1, Head.TWO: 2}[recipe.head]
        self._lefts = self._columns()
        self._rows = recipe.rows + self._heads

    def set(self, top: float) -> tuple[float, float, float, float]:
        """Draw it from `top` on, and say where it is."""
        tops = self._tops(top)
        self._decorate(tops)
        for cell in self._cells:
            self._set_cell(cell, tops)
        return self._lefts[0], tops[0], self._lefts[-1], tops[-1]

    def _is_head(self, cell: Cell) -> bool:
        return cell.row < self._heads

    def _font(self, cell: Cell) -> str:
        bold = {"Helvetica": "Helvetica-Bold", "Times-Roman": "Times-Bold"}
        return bold.get(self._recipe.font, self._recipe.font) if self._is_head(cell) else self._recipe.font

    def _wide(self, cell: Cell) -> float:
        return text_width(cell.text, self._font(cell), self._recipe.size)

    def _columns(self) -> list[float]:
        """The borders of columns: as wide as what stands in them, those of several lines no wider than their share."""
        recipe = self._recipe
        room = self._sheet.width - 2 * _MARGIN
        widths = [recipe.size * 1.5] * recipe.columns
        for cell in self._cells:
            wide = self._wide(cell)
            if self._is_head(cell) or self._kinds[cell.column] is _Kind.WRAPPED:
                longest = max(
                    (text_width(word, self._font(cell), recipe.size) for word in cell.text.split()), default=0
                )
                wide = max(longest, min(wide, recipe.size * 12 if self._kinds[cell.column] is _Kind.WRAPPED else 0))
            if cell.column_span == 1:
                widths[cell.column] = max(widths[cell.column], wide)
            elif self._is_head(cell):
                share = self._wide(cell) / cell.column_span
                for column in range(cell.column, cell.column + cell.column_span):
                    widths[column] = max(widths[column], share)
        spare = max(0.0, min(room * 0.8 - sum(widths), 12.0 * recipe.columns)) / recipe.columns
        widths = [width + recipe.gap + (0 if recipe.size < 8 else spare) for width in widths]
        lefts = [_MARGIN]
        for width in widths:
            lefts.append(lefts[-1] + width)
        return lefts

    def _wrap(self, cell: Cell) -> list[str]:
        right = self._lefts[cell.column + cell.column_span]
        return _wrapped(
            cell.text, right - self._lefts[cell.column] - self._recipe.gap + 0.01, self._font(cell), self._recipe.size
        )

    def _tops(self, top: float) -> list[float]:
        """The borders of rows."""
        recipe = self._recipe
        heights = [recipe.size + 2 * recipe.air] * self._rows
        for cell in sorted(self._cells, key=lambda cell: cell.row_span):
            tall = recipe.size * (1 + _LEADING * (len(self._wrap(cell)) - 1)) + 2 * recipe.air
            missing = tall - sum(heights[cell.row : cell.row + cell.row_span])
            if missing > 0:
                heights[cell.row + cell.row_span - 1] += missing
        tops = [top]
        for height in heights:
            tops.append(tops[-1] + height)
        return tops

    def _set_cell(self, cell: Cell, tops: Sequence[float]) -> None:
        recipe, lines = self._recipe, self._wrap(cell)
        top, bottom = tops[cell.row], tops[cell.row + cell.row_span]
        tall = recipe.size * (1 + _LEADING * (len(lines) - 1))
        start = top + recipe.air if recipe.is_top else (top + bottom - tall) / 2
        left, right = (
            self._lefts[cell.column] + recipe.gap / 2,
            self._lefts[cell.column + cell.column_span] - recipe.gap / 2,
        )
        for at, line in enumerate(lines):
            width = text_width(line, self._font(cell), recipe.size)
            spare = {"left": 0.0, "centre": (right - left - width) / 2, "right": right - left - width}[self._side(cell)]
            baseline = start + recipe.size * (0.8 + _LEADING * at)
            self._sheet.text(line, left + spare, baseline, font=self._font(cell), size=recipe.size)

    def _side(self, cell: Cell) -> str:
        if self._recipe.is_centred or (self._is_head(cell) and cell.column_span > 1):
            return "centre"
        is_left = self._kinds[cell.column] is not _Kind.NUMBERS or cell.column_span > 1
        return "left" if is_left else "right"

    def _decorate(self, tops: Sequence[float]) -> None:
        rules, left, right, sheet = self._recipe.rules, self._lefts[0], self._lefts[-1], self._sheet
        if rules is Rules.STRIPES:
            for row in range(self._heads, self._rows, 2):
                sheet.fill(left, tops[row], right, tops[row + 1], grey=0.9)
        elif rules in {Rules.GRID, Rules.INNER}:
            self._borders(tops, has_frame=rules is Rules.GRID)
        elif rules is Rules.ROWS:
            for row in range(self._rows + 1):
                self._under(row, tops)
        elif rules is Rules.BOOK:
            self._book(tops)
        if rules in {Rules.BOOK, Rules.HEAD} and self._heads:
            sheet.rule(left, tops[self._heads], right, tops[self._heads])

    def _book(self, tops: Sequence[float]) -> None:
        """The rules at the top and the bottom, and under groups of columns."""
        for row in (0, self._rows):
            self._sheet.rule(self._lefts[0], tops[row], self._lefts[-1], tops[row], thickness=1)
        for cell in self._cells:
            if self._heads == 2 and cell.row == 0 and cell.column_span > 1:
                start, end = self._lefts[cell.column] + 3, self._lefts[cell.column + cell.column_span] - 3
                self._sheet.rule(start, tops[1], end, tops[1])

    def _under(self, row: int, tops: Sequence[float]) -> None:
        """A rule above a row, but where a cell goes over it."""
        for column in range(len(self._lefts) - 1):
            if not any(self._covers(cell, row, column) and cell.row < row for cell in self._cells):
                self._sheet.rule(self._lefts[column], tops[row], self._lefts[column + 1], tops[row])

    def _borders(self, tops: Sequence[float], *, has_frame: bool) -> None:
        left, top, right, bottom = self._lefts[0], tops[0], self._lefts[-1], tops[-1]
        for cell in self._cells:
            start, end = self._lefts[cell.column], self._lefts[cell.column + cell.column_span]
            above, below = tops[cell.row], tops[cell.row + cell.row_span]
            if end < right or has_frame:
                self._sheet.rule(end, above, end, below)
            if below < bottom or has_frame:
                self._sheet.rule(start, below, end, below)
        if has_frame:
            self._sheet.rule(left, top, right, top)
            self._sheet.rule(left, top, left, bottom)

    @staticmethod
    def _covers(cell: Cell, row: int, column: int) -> bool:
        in_rows = cell.row <= row < cell.row + cell.row_span
        return in_rows and cell.column <= column < cell.column + cell.column_span


def _wrapped(text: str, room: float, font: str, size: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and _width(f"{lines[-1]} {word}", font, size) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


@cache
def _width(text: str, font: str, size: float) -> float:
    return text_width(text, font, size)
