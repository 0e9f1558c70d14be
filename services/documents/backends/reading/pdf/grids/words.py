"""The words of a table, in a frame in which its text runs from left to right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.page import TextCell

_GLUE = 0.42
"""Words of a line that are nearer than this, in heights of a word, are read as one phrase. Spaces are 0.25 to 0.35
heights wide; the columns of dense tables are 0.5 apart."""
_BASELINES = 0.35
"""Words whose bottoms are nearer than this, in heights of a word, stand on one line; indices are up to 0.3 away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word, or as much of one as nothing cuts.

    Attributes:
        text: as the page has it.
        left: of its box, as `top`, `right` and `bottom`. Unit: points in the frame.
        line: the cell of the page's line in which it stands.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    line: TextCell | None = field(default=None, compare=False, repr=False)

    @property
    def height(self) -> float:
        """Unit: points."""
        return self.bottom - self.top

    @property
    def x(self) -> float:
        """The middle."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """The middle."""
        return (self.top + self.bottom) / 2


Phrase = Sequence[Word]
"""Words of a line with nothing wider than a space between them, from left to right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """How the text of a table runs on its page.

    Attributes:
        turns: quarters of a turn against the clock that the text is turned by.
        width: of the page. Unit: points.
        height: of the page. Unit: points.
    """

    turns: int
    width: float
    height: float

    @classmethod
    def of(cls, cells: Iterable[TextCell], width: float, height: float) -> Frame:
        """In which most of the cells are upright."""
        turns = Counter(round(cell.rect.angle / (math.pi / 2)) % 4 for cell in cells if cell.text.strip())
        return cls(turns=turns.most_common(1)[0][0] if turns else 0, width=width, height=height)

    def inside(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        """A box of the page, as the frame has it."""
        match self.turns:
            case 1:
                return self.height - bottom, left, self.height - top, right
            case 2:
                return self.width - right, self.height - bottom, self.width - left, self.height - top
            case 3:
                return top, self.width - right, bottom, self.width - left
        return left, top, right, bottom

    def outside(self, left: float, top: float, right: float, bottom: float) -> BoundingBox:
        """A box of the frame, as the page has it."""
        match self.turns:
            case 1:
                left, top, right, bottom = top, self.height - right, bottom, self.height - left
            case 2:
                left, top, right, bottom = (
                    self.width - right,
                    self.height - bottom,
                    self.width - left,
                    self.height - top,
                )
            case 3:
                left, top, right, bottom = self.width - bottom, left, self.width - top, right
        return BoundingBox(l=left, t=top, r=right, b=bottom)


def lines_of(words: Iterable[Word]) -> list[list[Word]]:
    """Lines from top to bottom, each from left to right."""
    lines: list[list[Word]] = []
    level = -math.inf
    for word in sorted(words, key=lambda word: word.y):
        if lines and word.y - level < _BASELINES * min(word.height, lines[-1][0].height):
            lines[-1].append(word)
        else:
            lines.append([word])
            level = word.y
    return [sorted(line, key=lambda word: word.left) for line in lines]


def phrases_of(line: Iterable[Word], glue: float = _GLUE) -> list[list[Word]]:
    """Of a line from left to right."""
    phrases: list[list[Word]] = []
    for word in line:
        if phrases and word.left - phrases[-1][-1].right < glue * min(word.height, phrases[-1][-1].height):
            phrases[-1].append(word)
        else:
            phrases.append([word])
    return phrases


def all_phrases(words: Iterable[Word]) -> list[list[Word]]:
    """The phrases of all lines."""
    return [phrase for line in lines_of(words) for phrase in phrases_of(line)]


def size_of(words: Sequence[Word]) -> float:
    """How high a word usually is. Unit: points."""
    return median(word.height for word in words) if words else 10.0


def hull(words: Sequence[Word]) -> tuple[float, float, float, float]:
    """The box around words."""
    return (
        min(word.left for word in words),
        min(word.top for word in words),
        max(word.right for word in words),
        max(word.bottom for word in words),
    )
