"""What an OpenDocument file says, read from its XML as it came."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from lxml import etree

from services.documents.backends.base import Include
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.odf.names import (
    ANNOTATION,
    BREAK,
    COVERED,
    MATH,
    NOTE,
    SCRIPT,
    SPACE,
    TAB,
    TEXT,
    H,
    P,
    Styles,
)
from services.documents.backends.reading.odf.tree import is_hidden

_CHANGES = frozenset({f"{TEXT}change", f"{TEXT}change-start", f"{TEXT}change-end"})
_SPACED = frozenset({SPACE, TAB, BREAK})


def passages(root: Any, styles: Styles, include: Set[Include], place: str) -> Iterator[Passage]:
    """The paragraphs of a body in their order, but for those that are switched off.

    Args:
        root: the element, not mended.
        styles: what is hidden.
        include: what is wanted beside the text.
        place: what the element is, for a reader: "slide 4".
    """
    skipped = _skipped(include)
    number = 0
    walk = etree.iterwalk(root, events=("start",))
    for _, element in walk:
        if element.tag in skipped or (Include.HIDDEN not in include and _hides(element, styles)):
            walk.skip_subtree()
        elif element.tag in {P, H}:
            number += 1
            if text := words(element, styles, include).strip():
                yield Passage(f"paragraph {number}{place}", text)


def _skipped(include: Set[Include]) -> frozenset[str]:
    skipped = {f"{TEXT}tracked-changes", COVERED}
    if Include.COMMENTS not in include:
        skipped.add(ANNOTATION)
    if Include.FOOTNOTES not in include:
        skipped.add(f"{TEXT}note-body")
    return frozenset(skipped)


def _hides(element: Any, styles: Styles) -> bool:
    return isinstance(element.tag, str) and is_hidden(element, styles)


def words(paragraph: Any, styles: Styles, include: Set[Include]) -> str:
    """A paragraph's own text; what hangs on it has paragraphs of its own."""
    pieces = []
    inner = {P, H, ANNOTATION, NOTE, SCRIPT, f"{MATH}annotation"}
    walk = etree.iterwalk(paragraph, events=("start", "end"))
    for event, element in walk:
        is_math = isinstance(element.tag, str) and element.tag.startswith(MATH)
        if event == "end":
            if element is not paragraph:
                pieces.append((" " if is_math else "") + (element.tail or ""))
            continue
        is_left_out = element is not paragraph and (element.tag in inner or not isinstance(element.tag, str))
        if is_left_out or (Include.HIDDEN not in include and element is not paragraph and is_hidden(element, styles)):
            walk.skip_subtree()
            if element.tag in {NOTE, P, H}:
                pieces.append(" ")
        elif element.tag in _SPACED or (Include.CHANGES in include and element.tag in _CHANGES):
            pieces.append(" ")
        else:
            pieces.append(element.text or "")
    return "".join(pieces)
