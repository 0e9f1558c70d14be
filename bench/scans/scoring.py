"""How many words of a text came back: edits of words, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

_WORST_WORDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What became of a text."""

    words: int
    """Of the text."""
    errors: int
    """Fewest words to change, leave out or put in to get from one to the other."""
    worst: str
    """The stretch with the most of them: `expected -> found`."""

    @property
    def error(self) -> float:
        """Word error rate."""
        return self.errors / max(1, self.words)


def score(expected: Sequence[str], found: Sequence[str]) -> Score:
    """Compare words."""
    return Score(words=len(expected), errors=distance(expected, found), worst=_worst(expected, found))


def distance(expected: Sequence[str], found: Sequence[str]) -> int:
    """Levenshtein's, of words: one row of the table at a time, insertions by a running minimum."""
    numbers: dict[str, int] = {}
    rows = [numbers.setdefault(word, len(numbers)) for word in expected]
    columns = np.array([numbers.setdefault(word, len(numbers)) for word in found], np.int64)
    steps = np.arange(len(found) + 1)
    row = steps.copy()
    for at, word in enumerate(rows, start=1):
        kept = np.minimum(row[1:] + 1, row[:-1] + (columns != word))
        row = np.minimum.accumulate(np.concatenate(([at], kept)) - steps) + steps
    return int(row[-1])


def _worst(expected: Sequence[str], found: Sequence[str]) -> str:
    blocks = SequenceMatcher(None, expected, found, autojunk=False).get_opcodes()
    wrong = [(first, last, start, end) for kind, first, last, start, end in blocks if kind != "equal"]
    if not wrong:
        return ""
    first, last, start, end = max(wrong, key=lambda each: max(each[1] - each[0], each[3] - each[2]))
    return f"{_cut(expected[first:last])} -> {_cut(found[start:end])}"


def _cut(words: Sequence[str]) -> str:
    return " ".join(words[:_WORST_WORDS]) + (" ..." if len(words) > _WORST_WORDS else "")
