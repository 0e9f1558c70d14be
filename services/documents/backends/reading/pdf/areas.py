"""The parts of a page that only a picture shows: those that may hold text that the page does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docling_core.types.doc.base import BoundingBox

_LEAST_SIDE = 24.0
"""Of a picture that is looked at: two lines of 10 points. Logos and marks of lists are smaller. Unit: points."""
_LEAST_AREA = 4000.0
"""As 100 x 40. Unit: square points."""
_MOST_PICTURES = 200
"""Of a page, before they are taken for one: a page of so many is a drawing cut in pieces."""
_TOUCH = 2.0
"""Pictures that are so near are strips or tiles of one. Unit: points."""
_COVERED = 0.5
"""Share of a line's width, and of the lower one's height, that another one covers which says the same."""


def areas(pictures: Iterable[BoundingBox], page: BoundingBox) -> list[BoundingBox]:
    """Where pictures are that are large enough to be looked at; those that touch are one.

    Args:
        pictures: from the top left, in points.
        page: the page.
    """
    seen = [box for picture in pictures if (box := _common(picture, page)) is not None]
    found = _merged(seen) if len(seen) <= _MOST_PICTURES else [_around(seen)]
    return [box for box in found if min(box.width, box.height) >= _LEAST_SIDE and box.area() >= _LEAST_AREA]


def uncovered(lines: Iterable[BoundingBox], held: Sequence[BoundingBox]) -> list[BoundingBox]:
    """The lines that none of those that are held covers; boxes of lines that were found are up to twice as high."""
    return [line for line in lines if sum(_shared_width(line, other) for other in held) <= _COVERED * line.width]


def _merged(boxes: Sequence[BoundingBox]) -> list[BoundingBox]:
    merged: list[BoundingBox] = []
    for box in boxes:
        grown = box
        while touching := [other for other in merged if _touch(grown, other)]:
            merged = [other for other in merged if other not in touching]
            grown = _around([grown, *touching])
        merged.append(grown)
    return merged


def _touch(one: BoundingBox, other: BoundingBox) -> bool:
    across = min(one.r, other.r) - max(one.l, other.l)
    down = min(one.b, other.b) - max(one.t, other.t)
    return across > -_TOUCH and down > -_TOUCH


def _around(boxes: Sequence[BoundingBox]) -> BoundingBox:
    return BoundingBox(
        l=min(box.l for box in boxes),
        t=min(box.t for box in boxes),
        r=max(box.r for box in boxes),
        b=max(box.b for box in boxes),
    )


def _common(one: BoundingBox, other: BoundingBox) -> BoundingBox | None:
    left, top, right, bottom = max(one.l, other.l), max(one.t, other.t), min(one.r, other.r), min(one.b, other.b)
    return BoundingBox(l=left, t=top, r=right, b=bottom) if right > left and bottom > top else None


def _shared_width(one: BoundingBox, other: BoundingBox) -> float:
    """Of two texts that stand in one row."""
    common = _common(one, other)
    if common is None or common.height < _COVERED * min(one.height, other.height):
        return 0.0
    return float(common.width)
