"""The elements of a page in the order of reading, by Docling's rules; pages from right to left as in a mirror."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from docling.datamodel.base_models import Page, PageElement
from docling.models.postprocessing.reading_order_rb import PageElement as Box
from docling.models.postprocessing.reading_order_rb import ReadingOrderPredictor
from docling_core.types.doc.base import CoordOrigin, Size
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import TextDirection

from services.documents.backends.reading.pdf.gutters import columns

Floats = npt.NDArray[np.float64]

_PREDICTOR = ReadingOrderPredictor()  # type: ignore[no-untyped-call]
_FURNITURE = frozenset({DocItemLabel.PAGE_HEADER, DocItemLabel.PAGE_FOOTER})
_TOUCH = 3.0
"""Boxes that overlap by less stand beside each other. Unit: points."""
_ABREAST = 0.5
"""Of the lower of two boxes: how much of their heights is shared side by side."""
_MOST = 200
"""Elements of a page: the rules compare each with each, 0.4 s for so many. More are read from top to bottom."""


def ordered(page: Page) -> list[PageElement]:
    """The elements of a page: headers first, footers last."""
    elements = list(page.assembled.elements) if page.assembled is not None else []
    if page.size is None or len(elements) < 2:
        return elements
    is_mirrored = is_right_to_left(page)
    if len(elements) > _MOST:
        return sorted(elements, key=lambda element: (element.cluster.bbox.t, element.cluster.bbox.l))
    boxes = [_box(at, element, page.size, is_mirrored=is_mirrored) for at, element in enumerate(elements)]
    parts = [part for band in _bands(boxes) for part in columns(band)]
    order = [box.cid for part in parts for box in _PREDICTOR.predict_reading_order(page_elements=part)]
    left = sorted(set(range(len(elements))) - set(order))
    return [elements[at] for at in [*order, *left]]


def _bands(boxes: Sequence[Box]) -> list[list[Box]]:
    """The boxes above, in and below each that spans columns: a title, a wide figure. What is beside it stops it."""
    body = sorted((box for box in boxes if box.label not in _FURNITURE), key=lambda box: -box.t)
    alone = _alone(body)
    bands = [*([box] for box in body[:alone]), body[alone:]]
    for wide in sorted(_spanning(bands[-1]), key=lambda box: -box.t):
        last = bands.pop()
        above = [box for box in last if box.b >= wide.t - _TOUCH]
        below = [box for box in last if box.t <= wide.b + _TOUCH and box is not wide]
        if len(above) + len(below) + 1 == len(last):
            bands += [above, [wide], below]
        else:
            bands.append(last)
    bands[0] = [*(box for box in boxes if box.label is DocItemLabel.PAGE_HEADER), *bands[0]]
    bands[-1] += [box for box in boxes if box.label is DocItemLabel.PAGE_FOOTER]
    return [band for band in bands if band]


def _alone(boxes: Sequence[Box]) -> int:
    """How many boxes at the top have nothing beside them: each stands before all below it, on whichever side it is, as
    the sender's address on the right of a letter does.
    """
    count = 0
    while count < len(boxes) and (count + 1 == len(boxes) or boxes[count + 1].t <= boxes[count].b + _TOUCH):
        count += 1
    return count


def _spanning(boxes: Sequence[Box]) -> list[Box]:
    """Those with two others above, or below, that stand side by side: they span columns."""
    left, right = _edges(boxes, "l"), _edges(boxes, "r")
    bottom, top = _edges(boxes, "b"), _edges(boxes, "t")
    shared = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom)
    lower = np.minimum.outer(top - bottom, top - bottom)
    are_abreast = (np.less_equal.outer(right, left)) & (shared > _ABREAST * lower)
    is_over = np.minimum.outer(right, right) - np.maximum.outer(left, left) > _TOUCH
    is_apart = np.less_equal.outer(top, bottom + _TOUCH)
    under = is_over & (is_apart | is_apart.T)
    np.fill_diagonal(under, val=False)
    return [box for box, mask in zip(boxes, under, strict=True) if are_abreast[np.ix_(mask, mask)].any()]


def _edges(boxes: Sequence[Box], name: str) -> Floats:
    return np.array([getattr(box, name) for box in boxes], np.float64)


def is_right_to_left(page: Page) -> bool:
    """Whether most of a page's letters are in lines from right to left."""
    to_left = to_right = 0
    for element in page.assembled.elements if page.assembled is not None else []:
        for cell in element.cluster.cells:
            if cell.text_direction is TextDirection.RIGHT_TO_LEFT:
                to_left += len(cell.text)
            else:
                to_right += len(cell.text)
    return to_left > to_right


def _box(at: int, element: PageElement, size: Size, *, is_mirrored: bool) -> Box:
    box = element.cluster.bbox.to_bottom_left_origin(size.height)
    left, right = (size.width - box.r, size.width - box.l) if is_mirrored else (box.l, box.r)
    label = DocItemLabel.TEXT if element.label is DocItemLabel.FOOTNOTE else element.label
    return Box(
        cid=at, page_no=element.page_no, page_size=size, label=label, text=element.text or "",
        l=left, r=right, b=box.b, t=box.t, coord_origin=CoordOrigin.BOTTOMLEFT,
    )  # fmt: skip
