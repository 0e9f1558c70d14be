"""The straight lines that a page draws: rules, borders of boxes, edges of stripes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from services.documents.backends.reading.pdf.file import Drawing
from services.documents.backends.reading.pdf.grids.grid import Box
from services.documents.backends.reading.pdf.grids.words import Frame

_STRAIGHT = 0.5
"""How far the ends of a line may be out of its direction. Unit: points."""
_APART = 1.5
"""Lines nearer than this are one: the two edges of a thin rectangle, the borders of two cells. Unit: points."""
_THICK = 3.0
"""What is thicker is no line. Unit: points."""
_MOST_POINTS = 6
"""A shape of more is a drawing."""
_MOST_SHAPES = 50_000
"""More are not looked at: a page with so many is a drawing, and each costs 5 microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rule:
    """A line along one axis.

    Attributes:
        at: where it is on the other axis. Unit: points in the frame.
        start: where it begins, as `end`.
    """

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulings:
    """The lines of a page or of a part of it, each in order."""

    rows: Sequence[Rule] = ()
    """Those that lie."""
    columns: Sequence[Rule] = ()
    """Those that stand."""

    def within(self, box: Box, margin: float = 3.0) -> Rulings:
        """What of them is in a box."""
        left, top, right, bottom = box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin
        return Rulings(
            rows=_cut(self.rows, top, bottom, left, right), columns=_cut(self.columns, left, right, top, bottom)
        )


def rulings(drawings: Iterable[Drawing], frame: Frame) -> Rulings:
    """The lines of a page's paths."""
    lying: list[Rule] = []
    standing: list[Rule] = []
    for drawing in islice(drawings, _MOST_SHAPES):
        if len(drawing.xs) > _MOST_POINTS or _is_background(drawing):
            continue
        points = zip(drawing.xs, drawing.ys, strict=True)
        for (x0, y0), (x1, y1) in pairwise(points):
            left, top, right, bottom = frame.inside(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            if bottom - top < _STRAIGHT and right - left > 2 * _STRAIGHT:
                lying.append(Rule(at=(top + bottom) / 2, start=left, end=right))
            elif right - left < _STRAIGHT and bottom - top > 2 * _STRAIGHT:
                standing.append(Rule(at=(left + right) / 2, start=top, end=bottom))
    return Rulings(rows=_merged(lying), columns=_merged(standing))


def _is_background(drawing: Drawing) -> bool:
    """A white box, which is not seen on white paper; a white line between coloured cells is."""
    wide, high = max(drawing.xs) - min(drawing.xs), max(drawing.ys) - min(drawing.ys)
    return drawing.is_white and len(drawing.xs) > 2 and min(wide, high) > _THICK


def _cut(rules: Iterable[Rule], first: float, last: float, start: float, end: float) -> list[Rule]:
    return [
        Rule(at=rule.at, start=max(rule.start, start), end=min(rule.end, end))
        for rule in rules
        if first <= rule.at <= last and rule.start < end and rule.end > start
    ]


def _merged(rules: list[Rule]) -> list[Rule]:
    """Lines at one place, joined where they touch."""
    levels: list[list[Rule]] = []
    for rule in sorted(rules):
        if levels and rule.at - levels[-1][0].at < _APART:
            levels[-1].append(rule)
        else:
            levels.append([rule])
    return [rule for level in levels for rule in _joined(level)]


def _joined(level: Sequence[Rule]) -> Iterable[Rule]:
    at = sum(rule.at for rule in level) / len(level)
    start, end = None, 0.0
    for rule in sorted(level, key=lambda rule: rule.start):
        if start is None:
            start, end = rule.start, rule.end
        elif rule.start <= end + _APART:
            end = max(end, rule.end)
        else:
            yield Rule(at=at, start=start, end=end)
            start, end = rule.start, rule.end
    if start is not None:
        yield Rule(at=at, start=start, end=end)
