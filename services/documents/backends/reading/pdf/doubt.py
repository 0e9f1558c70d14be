"""Whether the text that a page holds is text: fonts without a map to characters, or with a wrong one, give none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_NAMES = re.compile(r"GLYPH<[^>]*>|/?\(?cid:\d+\)?|(?:/[A-Za-z]{0,2}\d{1,4}){2,}")
"""Names of glyphs, as parsers write them where a font tells no character: `GLYPH<12>`, `(cid:12)`, `/G12/G13`."""
_WORD = re.compile(r"[A-Za-z]{4,}")
_VOWELS = frozenset("aeiouyAEIOUY")
_FEWEST_WORDS = 25
"""That tell whether they are of any language."""
_FEWEST_SIGNS = 3
"""Of a line that is read from its picture: fewer are bullets and arrows."""
_MOSTLY = 0.5
_LONGEST_CONSONANTS = re.compile(r"[^aeiouyAEIOUY]{5,}")
"""`Rechtschreibung` has 5, but few words have."""
_DOUBTFUL = 0.8
"""Quality below which a page is read from its picture to compare. Text of European languages has 0.95 or more, fonts
whose letters are shifted in the alphabet 0.47 to 0.77."""
_BETTER = 0.1
"""Quality by which what is read from the picture must be better: a page of part numbers is poor both ways."""
_AS_MUCH = 0.3
"""Share of a text's length that what replaces it has at least."""


def is_doubtful(texts: Sequence[str]) -> bool:
    """Whether what the lines of a page say may be no text."""
    return quality(texts) < _DOUBTFUL


def is_better(read: Sequence[str], held: Sequence[str]) -> bool:
    """Whether lines that were read from a picture tell more than those that a page holds."""
    is_as_much = sum(map(len, read)) > _AS_MUCH * sum(len(_plain(text)) for text in held)
    return is_as_much and quality(read) > quality(held) + _BETTER


def quality(texts: Sequence[str]) -> float:
    """0 to 1: the share of the signs that is known, times that of the words that look like words."""
    words = [word for text in texts for word in _WORD.findall(_plain(text))]
    wordlike = sum(map(_is_wordlike, words)) / len(words) if len(words) >= _FEWEST_WORDS else 1.0
    return (1 - _unknown_share(texts)) * wordlike


def is_unknown(text: str) -> bool:
    """Whether most of a line's signs stand for nothing known, while the rest of its page may be good."""
    return len(text) >= _FEWEST_SIGNS and _unknown_share([text]) > _MOSTLY


def _unknown_share(texts: Iterable[str]) -> float:
    signs = [letter for text in texts for letter in _plain(text) if not letter.isspace()]
    return sum(map(_is_unknown, signs)) / max(1, len(signs))


def _plain(text: str) -> str:
    """With one unknown sign for each name of a glyph."""
    return _NAMES.sub("\ufffd", text)


def _is_unknown(letter: str) -> bool:
    return letter == "\ufffd" or unicodedata.category(letter) in ("Co", "Cn", "Cs")


def _is_wordlike(word: str) -> bool:
    vowels = sum(letter in _VOWELS for letter in word)
    return 0 < vowels < len(word) and not _LONGEST_CONSONANTS.search(word)
