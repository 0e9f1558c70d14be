"""Lines of a picture as Docling's cells: their text, their words, their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from docling_core.types.doc.base import BoundingBox, CoordOrigin
from docling_core.types.doc.page import BoundingRectangle, TextCell
from PIL import Image

from services.documents.backends.engines.base import Engines, Picture, Quads, Recognized
from services.documents.backends.reading.pdf.spacing import spaced

_CALL_PIXELS = 12_000
"""Of line length, at 48 pixels of height, that are read at a time: 0.4 s on one core, and what waits meanwhile waits so
long at most."""
_LINE_HEIGHT = 48
_SAME_ROW = 0.5
"""Share of the lower line's height that two lines have in common which stand side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that was read."""

    box: BoundingBox
    """In points, from the top left."""
    read: Recognized


def boxes_of(quads: Quads, scale: float) -> list[BoundingBox]:
    """Boxes around lines, in points.

    Args:
        quads: in pixels.
        scale: pixels a point.
    """
    low, high = quads.min(axis=1) / scale, quads.max(axis=1) / scale
    return [
        BoundingBox(l=left, t=top, r=right, b=bottom, coord_origin=CoordOrigin.TOPLEFT)
        for left, top, right, bottom in np.hstack([low, high]).tolist()
    ]


def in_order(boxes: Sequence[BoundingBox]) -> list[BoundingBox]:
    """From top to bottom, and in a row from left to right. A row is as high as the first line of it that was met."""
    rows: list[tuple[BoundingBox, list[BoundingBox]]] = []
    for box in sorted(boxes, key=lambda box: (box.t + box.b, box.l)):
        if rows and _is_beside(rows[-1][0], box):
            rows[-1][1].append(box)
        else:
            rows.append((box, [box]))
    return [box for _, row in rows for box in sorted(row, key=lambda box: box.l)]


def _is_beside(first: BoundingBox, box: BoundingBox) -> bool:
    common = min(first.b, box.b) - max(first.t, box.t)
    return common > _SAME_ROW * min(first.b - first.t, box.b - box.t)


def read_lines(page: Image.Image, boxes: Sequence[BoundingBox], scale: float, engines: Engines) -> list[Line]:
    """Read lines of a picture, a few at a time.

    Args:
        page: the picture.
        boxes: of the lines, in points.
        scale: pixels of the picture a point.
        engines: what reads them.
    """
    cut = [(box, _cut(page, box, scale)) for box in boxes]
    return [
        Line(box=box, read=spaced(picture, read))
        for batch in _batches([(box, picture) for box, picture in cut if picture.size])
        for (box, picture), read in zip(batch, engines.recognize([picture for _, picture in batch]), strict=True)
    ]


def _cut(page: Image.Image, box: BoundingBox, scale: float) -> Picture:
    left, top = max(0, int(box.l * scale)), max(0, int(box.t * scale))
    right, bottom = min(page.width, int(box.r * scale) + 1), min(page.height, int(box.b * scale) + 1)
    if right <= left or bottom <= top:
        return np.empty((0, 0, 3), np.uint8)
    return np.asarray(page.crop((left, top, right, bottom)))


def _batches(cut: Sequence[tuple[BoundingBox, Picture]]) -> Iterator[list[tuple[BoundingBox, Picture]]]:
    batch: list[tuple[BoundingBox, Picture]] = []
    pixels = 0
    for box, picture in cut:
        length = picture.shape[1] * _LINE_HEIGHT // picture.shape[0]
        if batch and pixels + length > _CALL_PIXELS:
            yield batch
            batch, pixels = [], 0
        batch.append((box, picture))
        pixels += length
    if batch:
        yield batch


def line_cell(line: Line, index: int) -> TextCell:
    """A line as a cell."""
    return _cell(line.read.text, line.box, line.read.score, index)


def word_cells(line: Line) -> Iterator[TextCell]:
    """The words of a line as cells: what stands between spaces, from half a letter before to half a letter after."""
    text, places = line.read.text, line.read.places
    if len(places) != len(text):
        return
    width = line.box.r - line.box.l
    start = 0
    for word in text.split(" "):
        end = start + len(word)
        if word:
            half = 0.5 * (places[end - 1] - places[start]) / max(1, len(word) - 1) if len(word) > 1 else 0.0
            half = half or 0.25 * (line.box.b - line.box.t) / width
            box = line.box.model_copy(
                update={
                    "l": line.box.l + width * max(0.0, places[start] - half),
                    "r": line.box.l + width * min(1.0, places[end - 1] + half),
                }
            )
            yield _cell(word, box, line.read.score, 0)
        start = end + 1


def _cell(text: str, box: BoundingBox, score: float, index: int) -> TextCell:
    return TextCell(
        index=index,
        text=text,
        orig=text,
        from_ocr=True,
        confidence=score,
        rect=BoundingRectangle.from_bounding_box(box),
    )
