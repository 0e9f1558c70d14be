"""Columns of a page that stand beside each other with a gutter between, which nothing crosses."""

from __future__ import annotations

from collections.abc import Sequence

from docling.models.postprocessing.reading_order_rb import PageElement as Box
from docling_core.types.doc.labels import DocItemLabel

_OVER = 0.2
"""Of a box's width: how far it may reach over the gutter, as a heading of the first column does, or a badly cut line
of a scan. What reaches further spans columns."""
_ALL_OVER = 0.01
"""The same of all boxes together, of their area."""
_FEWEST = 2
"""Boxes of a column."""
_BESIDE = 0.5
"""Of the lower column's height: how much of it is beside the other."""


def columns(boxes: Sequence[Box]) -> list[list[Box]]:
    """The boxes of each column from left to right, headers with the first and footers with the last; all without any.

    Docling's rules widen boxes to those above them, and where paragraphs are of many widths they come to reach into the
    next column: then they read half of one column, the other, and the rest.
    """
    first = [box for box in boxes if box.label is DocItemLabel.PAGE_HEADER]
    last = [box for box in boxes if box.label is DocItemLabel.PAGE_FOOTER]
    groups = _groups([box for box in boxes if box not in first and box not in last])
    if len(groups) < 2:
        return [list(boxes)]
    groups[0] = [*first, *groups[0]]
    groups[-1] = [*groups[-1], *last]
    return groups


def _groups(boxes: Sequence[Box]) -> list[list[Box]]:
    """The columns, found one by one from the left."""
    for cut in sorted(box.l for box in boxes)[_FEWEST:]:
        left = [box for box in boxes if (box.l + box.r) / 2 < cut]
        right = [box for box in boxes if (box.l + box.r) / 2 >= cut]
        if _is_gutter(cut, left, right) and _are_columns(left, right):
            return [left, *_groups(right)]
    return [list(boxes)]


def _is_gutter(cut: float, left: Sequence[Box], right: Sequence[Box]) -> bool:
    over = [(box, box.r - cut) for box in left if box.r > cut] + [(box, cut - box.l) for box in right if box.l < cut]
    if any(reach > _OVER * box.width for box, reach in over):
        return False
    area = sum(box.width * box.height for box in (*left, *right))
    return bool(sum(reach * box.height for box, reach in over) <= _ALL_OVER * area)


def _are_columns(one: Sequence[Box], other: Sequence[Box]) -> bool:
    if min(len(one), len(other)) < _FEWEST:
        return False
    top, bottom = min(_top(one), _top(other)), max(_bottom(one), _bottom(other))
    lower = min(_top(one) - _bottom(one), _top(other) - _bottom(other))
    return top - bottom > _BESIDE * lower


def _top(boxes: Sequence[Box]) -> float:
    return max(box.t for box in boxes)


def _bottom(boxes: Sequence[Box]) -> float:
    return min(box.b for box in boxes)
