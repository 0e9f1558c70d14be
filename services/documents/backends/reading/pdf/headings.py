"""Which headings are a document's title, its chapters and their sections: by the outline, the numbers and the type."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.documents.backends.reading.pdf import marks

_SAME_SIZE = 0.05
"""Of the larger of two heights: type of one size. Headings of one kind measure alike, as the height is the font's."""
_DEEPEST = 6
_NUMBER = re.compile(
    r"^\W*(?:(?i:chapter|part|section|kapitel|teil|chapitre)\s+[\dA-Z]+[.:)]*\s*|\d+(?:\.\d+)*[.):]*\s+|[A-Z][.)]\s+|[IVXLC]+[.)]\s+)"
)
"""The number of a heading, which an outline may leave out."""
_SPACES = re.compile(r"\W+")


class Heading(NamedTuple):
    """A heading as it is set."""

    text: str
    page: int
    height: float
    """Of its type. Unit: points."""
    is_bold: bool


class Entry(NamedTuple):
    """An entry of the file's outline (bookmarks)."""

    text: str
    page: int
    """From 1 on; 0 where it is not known."""
    level: int
    """From 1 on."""


def levels(headings: Sequence[Heading], outline: Sequence[Entry] = ()) -> list[int]:
    """The level of each heading, from 1 on; 0 for the document's title.

    What the outline says comes first, then the number (2 for `1.1`), then the type: larger and bolder is higher.
    """
    if not headings:
        return []
    title = _title(headings)
    styles = _styles(headings)
    named = _Outline(outline)
    by_style = _by_style([at for at in range(len(headings)) if at != title], headings, styles, named)
    found = []
    for at, heading in enumerate(headings):
        if at == title:
            found.append(0)
            continue
        level = named.level(heading) or _depth(heading) or by_style[styles[at]]
        found.append(min(level, _DEEPEST))
    found[0] = min(found[0], *found[1:]) if len(found) > 1 and found[0] else found[0]
    return _from_one(found)


def _depth(heading: Heading) -> int:
    return marks.depth(heading.text)


def _title(headings: Sequence[Heading]) -> int | None:
    """The first heading, where it is on the first page and set larger than all others."""
    first = headings[0]
    if first.page != 1 or len(headings) < 2 or _depth(first):
        return None
    others = max(heading.height for heading in headings[1:])
    return 0 if first.height > (1 + 2 * _SAME_SIZE) * others else None


def _styles(headings: Sequence[Heading]) -> list[tuple[int, bool]]:
    """The rank of each heading's size, 0 for the largest, and whether it is not bold."""
    sizes: dict[float, int] = {}
    last = None
    for height in sorted({heading.height for heading in headings}, reverse=True):
        rank = sizes[last] if last is not None else 0
        sizes[height] = rank if last is None or last - height <= _SAME_SIZE * last else rank + 1
        last = height
    return [(sizes[heading.height], not heading.is_bold) for heading in headings]


def _by_style(
    places: Sequence[int], headings: Sequence[Heading], styles: Sequence[tuple[int, bool]], named: _Outline
) -> Mapping[tuple[int, bool], int]:
    """The level of each style: that of its numbered headings, else one below the style above it."""
    known: dict[tuple[int, bool], Counter[int]] = defaultdict(Counter)
    for at in places:
        if level := named.level(headings[at]) or _depth(headings[at]):
            known[styles[at]][level] += 1
    result: dict[tuple[int, bool], int] = {}
    above = 0
    for style in sorted({styles[at] for at in places}):
        level = known[style].most_common(1)[0][0] if style in known else above + 1
        result[style] = level
        above = max(above, level) if style in known else level
    return result


def _from_one(found: Sequence[int]) -> list[int]:
    """Levels without one that nothing has, as a document whose headings all are `1.1` has."""
    used = sorted({level for level in found if level})
    places = {level: at for at, level in enumerate(used, 1)}
    return [places.get(level, 0) for level in found]


class _Outline:
    """Levels by the words of headings."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._levels: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._levels[_key(entry.text)].append(entry)

    def level(self, heading: Heading) -> int:
        """0 where the outline does not name it."""
        entries = self._levels.get(_key(heading.text), ())
        return next((entry.level for entry in entries if entry.page in (0, heading.page)), 0)


def _key(text: str) -> str:
    return _SPACES.sub(" ", _NUMBER.sub("", text)).strip().lower() or _SPACES.sub(" ", text).strip().lower()
