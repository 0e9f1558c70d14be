"""How deep HTML is nested: Docling needs time that grows with the square of the depth, and then gives up."""

from __future__ import annotations

from html.parser import HTMLParser

MOST_LEVELS = 500
"""Docling's own limit is a little above; pages made by hand or by tools stay below 100."""

_VOID = "area base br col embed hr img input link meta source track wbr"
_END_TAG_OPTIONAL = "body colgroup dd dt head html li optgroup option p rp rt tbody td tfoot th thead tr"
_NOT_NESTING = frozenset([*_VOID.split(), *_END_TAG_OPTIONAL.split()])


def is_too_deep(html: str) -> bool:
    """True when elements are nested more than `MOST_LEVELS` deep; stops reading there."""
    levels = _Levels()
    try:
        levels.feed(html)
    except _TooDeep:
        return True
    return False


class _TooDeep(Exception):
    """Enough was read."""


class _Levels(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._open = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the library's
        if tag not in _NOT_NESTING:
            self._open += 1
        if self._open > MOST_LEVELS:
            raise _TooDeep

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that closes itself opens nothing."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in _NOT_NESTING:
            self._open = max(0, self._open - 1)
