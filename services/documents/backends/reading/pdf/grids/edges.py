"""Text above and below a table that the layout model has taken for a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.documents.backends.reading.pdf.grids.rulings import Rulings
from services.documents.backends.reading.pdf.grids.words import Word, hull, lines_of, phrases_of

_WIDE = 0.8
"""A gap of so many heights of a word parts columns."""
_BEYOND = 2.0
"""How far the middle of a line may be out of a box of lines. Unit: points."""
_LEAST_RULES = 3
"""Lines that stand, at least, of a table in a box: two columns."""
_WORDS = 4
"""Of a line of prose, at least, that stands above or below such a box."""
_LONG_WORDS = 8
"""The same where no box is drawn; notes across the rows of a table are shorter."""
_FULL = 0.7
"""Share of a table's width that such a line has at least."""
_LEAST_LINES = 2
"""What must be left of a table."""


def outside(words: Sequence[Word], rules: Rulings) -> tuple[list[Word], list[Word]]:
    """The words of prose above a table, with all that is above them, and below it.

    Args:
        words: of what is laid out as the table.
        rules: its lines.
    """
    lines = lines_of(words)
    box = _box(rules)
    left, _, right, _ = hull(words)
    width = right - left
    above = _last(_is_prose(line, width, box, is_above=True) for line in lines)
    below = _last(_is_prose(line, width, box, is_above=False) for line in reversed(lines))
    if len(lines) - above - below < _LEAST_LINES:
        return [], []
    return _flat(lines[:above]), _flat(lines[len(lines) - below :])


def _box(rules: Rulings) -> tuple[float, float] | None:
    """Top and bottom of what lines between columns hold together."""
    if len({round(rule.at) for rule in rules.columns}) < _LEAST_RULES:
        return None
    return min(rule.start for rule in rules.columns), max(rule.end for rule in rules.columns)


def _is_prose(line: Sequence[Word], width: float, box: tuple[float, float] | None, *, is_above: bool) -> bool | None:
    """Whether a line is prose; None where it is no more at the table's edge."""
    if box is not None and (line[0].y > box[0] - _BEYOND if is_above else line[0].y < box[1] + _BEYOND):
        return None
    is_whole = len(phrases_of(line, _WIDE)) == 1
    if box is not None:
        return is_whole and len(line) >= _WORDS
    is_wide = line[-1].right - line[0].left > _FULL * width
    return True if is_whole and is_wide and len(line) >= _LONG_WORDS else None


def _last(found: Iterable[bool | None]) -> int:
    """How many lines from the edge on to the last one of prose."""
    count = 0
    for at, is_prose in enumerate(found, start=1):
        if is_prose is None:
            break
        if is_prose:
            count = at
    return count


def _flat(lines: Iterable[Sequence[Word]]) -> list[Word]:
    return [word for line in lines for word in line]
