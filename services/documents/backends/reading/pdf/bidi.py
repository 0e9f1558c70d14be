"""Lines that run from right to left: from the order of a page, left to right, to that of reading."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_RIGHT = frozenset({"R", "AL"})
_NUMBER = frozenset({"EN", "AN"})
_SEPARATORS = frozenset(",.:/+-−٫٬")
"""Signs between the digits of one number: 1403/09/19, 47.500."""
_UNITS = frozenset("%٪#$€£°")
"""Signs before or behind a number that belong to it."""
_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")


def is_right_to_left(text: str) -> bool:
    """Whether a text has a letter that is written from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(char) in _RIGHT for char in text)


def logical(pieces: Sequence[str]) -> list[int]:
    """The places of the pieces of a line whose base is right to left, in the order of reading.

    It undoes, for lines without embeddings, what the Unicode Bidirectional Algorithm (UAX 9, rules L2 and N1) does:
    everything is turned around but words from left to right, with what stands between them, and numbers.

    Args:
        pieces: of a line, from left to right: letters and the spaces between them.
    """
    kinds = _kinds(pieces)
    order: list[int] = []
    at = len(pieces) - 1
    while at >= 0:
        start = _run_start(kinds, at)
        order.extend(range(start, at + 1))
        at = start - 1
    return order


def logical_from_left(pieces: Sequence[str]) -> list[int]:
    """The same for a line whose base is left to right: what is turned around is each run from right to left alone."""
    kinds = _kinds(pieces)
    order: list[int] = []
    at = 0
    while at < len(pieces):
        if kinds[at] != "R":
            order.append(at)
            at += 1
            continue
        end = _end_of_right(kinds, at)
        order.extend(at + place for place in logical(pieces[at:end]))
        at = end
    return order


def _end_of_right(kinds: Sequence[str], start: int) -> int:
    """Behind the last letter of a run from right to left, which no letter of the other kind interrupts."""
    end = start + 1
    for at in range(start + 1, len(kinds)):
        if kinds[at] == "L":
            break
        if kinds[at] == "R":
            end = at + 1
    return end


def mirrored(piece: str) -> str:
    """A bracket of a line from right to left, which is drawn as its partner."""
    return piece.translate(_MIRRORED)


def nesting(text: str) -> int:
    """How many brackets of a text are closed in it, less those that are closed before they are opened."""
    opened = score = 0
    for char in text:
        if char in "([{«":
            opened += 1
        elif char in ")]}»":
            score += 1 if opened else -1
            opened = max(0, opened - 1)
    return score - opened


def _kinds(pieces: Sequence[str]) -> list[str]:
    """R, L or D(igit), S(eparator) or U(nit) of numbers, N for what follows its neighbours."""
    return [_kind(piece) for piece in pieces]


def _kind(piece: str) -> str:
    classes = {unicodedata.bidirectional(char) for char in piece}
    if classes & _RIGHT:
        return "R"
    if "L" in classes:
        return "L"
    if classes & _NUMBER:
        return "D"
    return "S" if piece in _SEPARATORS else "U" if piece in _UNITS else "N"


def _run_start(kinds: Sequence[str], end: int) -> int:
    """Where the run from left to right that ends here starts; here, where there is none."""
    if kinds[end] == "U" and end > 0 and kinds[end - 1] == "D":
        return _run_start(kinds, end - 1)
    if kinds[end] not in ("L", "D"):
        return end
    start = end
    holds_letters = kinds[end] == "L"
    for at in range(end - 1, -1, -1):
        if kinds[at] == "R":
            break
        if kinds[at] in ("L", "D"):
            between = kinds[at + 1 : start]
            holds_letters = holds_letters or kinds[at] == "L"
            if between and between != ["S"] and not holds_letters:
                break
            start = at
    return start - 1 if start > 0 and kinds[start] == "D" and kinds[start - 1] == "U" else start
