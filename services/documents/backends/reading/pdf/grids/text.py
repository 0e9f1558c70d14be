"""The words of a page's lines: as the file has them, or as a picture was read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.page import SegmentedPdfPage, TextCell

from services.documents.backends.reading.pdf.grids.words import Frame, Word

_BAND = 16.0
"""Height of the strips of a page in which words are looked for. Unit: points."""

_MOST_IN_BAND = 200
"""Lines that are looked at in a strip: a table of 20 columns has 80. Fields of a form on each other are any number, and
2,000 took half a minute; a line that is not looked at is cut at its spaces."""


class PageText:
    """The words of a page, by the line in which each stands.

    Args:
        parsed: the page.
    """

    def __init__(self, parsed: SegmentedPdfPage) -> None:
        lines: dict[int, list[tuple[TextCell, BoundingBox]]] = defaultdict(list)
        every: Sequence[TextCell] = parsed.textline_cells
        for line in every:
            box = line.rect.to_bounding_box()
            for band in range(int(box.t // _BAND), int(box.b // _BAND) + 1):
                if len(lines[band]) < _MOST_IN_BAND:
                    lines[band].append((line, box))
        self._words: dict[int, list[TextCell]] = defaultdict(list)
        for word in parsed.word_cells:
            around = _line_of(word, lines) if word.text.strip() else None
            if around is not None:
                self._words[id(around)].append(word)

    def words(self, lines: Iterable[TextCell], frame: Frame) -> list[Word]:
        """The words of lines, as the frame has them. A line of which no words are known is cut at its spaces."""
        found: list[Word] = []
        for line in lines:
            found += [_word(cell, frame, line) for cell in self._words.get(id(line), ())] or _split(
                _word(line, frame, line)
            )
        return found


def _line_of(word: TextCell, lines: Mapping[int, Sequence[tuple[TextCell, BoundingBox]]]) -> TextCell | None:
    """The line around a word, the one that is level with it if there are several."""
    box = word.rect.to_bounding_box()
    x, y = (box.l + box.r) / 2, (box.t + box.b) / 2
    best, found = math.inf, None
    for line, around in lines.get(int(y // _BAND), ()):
        if line.from_ocr == word.from_ocr and around.l <= x <= around.r and around.t <= y <= around.b:
            away = abs((around.t + around.b) / 2 - y) + abs((around.l + around.r) / 2 - x) * 1e-3
            if away < best:
                best, found = away, line
    return found


def _word(cell: TextCell, frame: Frame, line: TextCell) -> Word:
    left, top, right, bottom = frame.inside(*cell.rect.to_bounding_box().as_tuple())
    return Word(text=cell.text.strip(), left=left, top=top, right=right, bottom=bottom, line=line)


def _split(line: Word) -> Sequence[Word]:
    """The words of a line of which nothing else is known: each character is taken to be as wide as the others."""
    words = []
    wide, at = (line.right - line.left) / max(len(line.text), 1), 0
    for text in line.text.split():
        at = line.text.index(text, at)
        left = line.left + wide * at
        at += len(text)
        words.append(replace(line, text=text, left=left, right=line.left + wide * at))
    return words
