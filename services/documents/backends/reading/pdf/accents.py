"""Accents and other marks that are letters of their own in a file, over the letters that they belong to."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from services.documents.backends.reading.pdf.letters import Letter

_ACCENTS = {
    "`": "\u0300", "´": "\u0301", "ˆ": "\u0302", "^": "\u0302", "˜": "\u0303", "¯": "\u0304", "˘": "\u0306",
    "˙": "\u0307", "¨": "\u0308", "˚": "\u030a", "˝": "\u030b", "ˇ": "\u030c", "¸": "\u0327", "˛": "\u0328",
}  # fmt: skip
"""Accents that TeX and others draw over a letter as letters of their own, and what combines with it."""


def is_mark(text: str) -> bool:
    """Whether a letter only combines with another one: a vowel of Arabic, an accent."""
    return not text.isascii() and all(unicodedata.category(char) == "Mn" for char in text)


def accented_from_right(pieces: Sequence[Letter]) -> list[Letter]:
    """Marks behind the letters over which they stand."""
    read: list[Letter] = []
    waiting: list[Letter] = []
    for piece in pieces:
        if is_mark(piece.text):
            if read and _is_over(piece, read[-1]):
                read.append(piece)
            else:
                waiting.append(piece)
            continue
        read.append(piece)
        read.extend(waiting)
        waiting.clear()
    return read + waiting


def accented(pieces: Sequence[Letter]) -> list[Letter]:
    """Accents that are drawn over a letter, combined with it."""
    read: list[Letter] = []
    accent: Letter | None = None
    for piece in pieces:
        if piece.text in _ACCENTS:
            if read and _is_under(read[-1], piece):
                read[-1] = _combined(read[-1], piece)
            else:
                read += [accent] if accent is not None else []
                accent = piece
            continue
        if accent is not None and _is_under(piece, accent):
            read.append(_combined(piece, accent))
        else:
            read += [piece] if accent is None else [accent, piece]
        accent = None
    return read if accent is None else [*read, accent]


def _is_under(letter: Letter, accent: Letter) -> bool:
    return letter.text.isalpha() and _is_over(accent, letter)


def _combined(letter: Letter, accent: Letter) -> Letter:
    return letter._replace(text=letter.text[0].replace("ı", "i") + _ACCENTS[accent.text] + letter.text[1:])


def _is_over(mark: Letter, letter: Letter) -> bool:
    """Whether half of a mark at least is over a letter."""
    shared = min(mark.right, letter.right) - max(mark.left, letter.left)
    return (
        shared > 0.5 * min(mark.right - mark.left, letter.right - letter.left)
        if shared > 0
        else (letter.left <= (mark.left + mark.right) / 2 <= letter.right)
    )
