"""What an OpenDocument file holds and nobody here can read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.documents.backends.reading.odf.names import DRAW, FRAME, HREF, MATH, OBJECT, OFFICE, H, P
from services.documents.backends.reading.odf.tree import Load

_OLE = f"{DRAW}object-ole"


def unread(root: Any, load: Load, place: str) -> Iterator[str]:
    """A sentence for each embedded document that is neither a formula nor a chart.

    Args:
        root: what holds them, not mended.
        load: gives the content of an embedded object.
        place: what the root is, for a reader: " of slide 4".
    """
    number = 0
    for element in root.iter(P, H, OBJECT, _OLE):
        if element.tag in {P, H}:
            number += 1
        elif element.tag == _OLE or not _is_read(element, load):
            name = f" ({own})" if (own := _name(element)) else ""
            yield f"{_where(element, number, place)}: an embedded object{name} is not in the answer"


def _where(held: Any, number: int, place: str) -> str:
    if next(held.iterancestors(P, H), None) is not None:
        return f"paragraph {number}{place}"
    return place.removeprefix(" of ") or (f"behind paragraph {number}" if number else "the beginning")


def _is_read(held: Any, load: Load) -> bool:
    inner = next(held.iterchildren("*"), None)
    content = inner if inner is not None else load(held.get(HREF, ""))
    if content is None:
        return False
    return content.tag == f"{MATH}math" or next(content.iter(f"{OFFICE}chart"), None) is not None


def _name(held: Any) -> str:
    frame = held.getparent()
    own = frame.get(f"{DRAW}name", "") if frame.tag == FRAME else ""
    return str(own or held.get(HREF, "").rpartition("/")[2])
