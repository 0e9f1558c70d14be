"""Tables whose text runs from right to left: the words of a cell, and the columns, in the order of reading."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from docling_core.types.doc.page import TextDirection

from services.documents.backends.reading.pdf.bidi import is_right_to_left, logical
from services.documents.backends.reading.pdf.grids.words import Word


def line_text(line: Sequence[Word]) -> str:
    """The text of a line of words that stand from left to right, as it is read."""
    texts = [word.text for word in line]
    if not any(map(is_right_to_left, texts)):
        return " ".join(texts)
    pieces = [*chain.from_iterable((text, " ") for text in texts)][:-1]
    return "".join(pieces[at] for at in logical(pieces))


def is_mirrored(words: Sequence[Word]) -> bool:
    """Whether most of a table's lines run from right to left, so that its first column is on the right."""
    lines = {id(word.line): word.line for word in words if word.line is not None}.values()
    to_left = sum(len(line.text) for line in lines if line.text_direction is TextDirection.RIGHT_TO_LEFT)
    return 2 * to_left > sum(len(line.text) for line in lines if any(char.isalpha() for char in line.text))
