"""Fonts of signs: files often say of their bullets only that they are the letter `n` or a control of such a font."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

BULLET = "•"
_SIGNS = re.compile(r"wingdings|webdings|dingbats", re.IGNORECASE)
_WINGDINGS = re.compile(r"wingdings(?!.?[23])", re.IGNORECASE)
_OF_WINGDINGS: Mapping[str, str] = MappingProxyType(
    {
        "l": "●", "n": "■", "o": "□", "q": "□", "r": "□", "u": "◆", "v": "❖", "w": "◆", "x": "☒",
        "§": "▪", "¨": "□", "Ø": "➢", "à": "→", "ß": "←", "á": "↑", "â": "↓", "ä": "↗",
        "è": "→", "ð": "→", "û": "✗", "ü": "✓", "ý": "☒", "þ": "☑",
    }
)  # fmt: skip
"""What its letters look like, where lists and forms use them."""


def sign(text: str, font: str) -> str:
    """What a letter of a font looks like: itself, but for fonts of signs.

    Args:
        text: that the file says of it.
        font: its name.
    """
    if len(text) != 1 or text > "\xff" or text in " \t\r\n\xa0" or not _SIGNS.search(font):
        return text
    if _WINGDINGS.search(font):
        return _OF_WINGDINGS.get(text, BULLET)
    return BULLET if unicodedata.category(text) == "Cc" else text
