"""Text of a block without the marks for which the library needs time that grows with their square."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

MOST_BLANKS = 200
"""In a row."""
MOST_NOT_LINKS = 200
"""Marks of links in a block that cannot be any; those of more are escaped."""
MOST_PARENTHESES = 32
"""In one another in a link, as CommonMark allows."""

_BLANKS = re.compile(rf"([^\S\n]{{{MOST_BLANKS}}})[^\S\n]+")
_PARENTHESES = re.compile(r"\\.|[()]", re.DOTALL)


class Bounded:
    """A parser of lines that takes such marks for text."""

    def _parse_inline(self, text: str, source: Any, positions: Sequence[int] | None = None) -> list[Any]:
        mended = escaped(text)
        inner: Any = super()
        found: list[Any] = inner._parse_inline(mended, source, positions if mended is text else None)
        return found


def narrowed(text: str) -> str:
    """A text without absurd runs of blanks, which mean what fewer of them mean."""
    return _BLANKS.sub(r"\1", text)


def escaped(text: str) -> str:
    """A block whose marks of links are text where too many of them cannot be links."""
    if text.count("](") <= MOST_NOT_LINKS:
        return text
    marks = _not_links(text)
    if len(marks) <= MOST_NOT_LINKS:
        return text
    ends = [*marks, len(text)]
    pieces = [text[: ends[0]], *(f"\\{text[start:end]}" for start, end in pairwise(ends))]
    return "".join(pieces)


def _not_links(text: str) -> list[int]:
    """Where a parenthesis behind a bracket has no end, or holds too many in one another."""
    found, waiting = [], []
    for match in _PARENTHESES.finditer(text):
        start = match.start()
        if match[0] == "(":
            waiting.append([start, 0])
        elif match[0] == ")" and waiting:
            opened, depth = waiting.pop()
            if waiting:
                waiting[-1][1] = max(waiting[-1][1], depth + 1)
            if depth >= MOST_PARENTHESES and text[opened - 1] == "]":
                found.append(opened)
    found += [start for start, _ in waiting if text[start - 1 : start] == "]"]
    return sorted(found)
