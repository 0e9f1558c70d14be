"""Which regions of the layout model are believed: frames of pages and boxed text mislead it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from docling.datamodel.base_models import Cluster, Page
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import TextCell

from services.documents.backends.reading.pdf.columns import columns
from services.documents.backends.reading.pdf.file import Drawing, PdfPage

_WHOLE_PAGE = 0.7
"""Of a page: a table or a figure that is larger is often the frame around the page."""
_TEXT_IN_FIGURE = 0.4
"""Of a figure: where lines of text cover more of it and no picture does, it is boxed text. Charts have up to 0.2."""
_BARE_POINTS = 30
"""Points of all paths in a figure: one with fewer and with lines of text is that text, perhaps in a box (5 points) or
between lines (2 each). Most drawings and charts have a hundred; of a bar chart of 29 only its words are read."""
_FRAME_LINES = 10
"""More lines of text are not in one figure that is as large as the page."""
_LEAST_GRID = 24.0
"""Height of the smallest grid that is taken for a table. Unit: points."""
_OUT = 2.0
"""How far a drawing may reach out of its figure. Unit: points."""
_FRAMED = 0.8
"""Of a frame: a drawing that is larger is the frame, and no table in it."""
_UNSURE = 0.9
"""Score below which a table may be running text: pages of short paragraphs in two columns get up to 0.85."""
_PROSE_LINES = 10
_PROSE_LETTERS = 35
"""Lines of each column of running text, at least, and letters of a usual one; cells of tables are shorter or fewer."""


def trusted(page: Page, clusters: Sequence[Cluster]) -> list[Cluster]:
    """The clusters that are what they are called; instead of a frame the ruled tables in it."""
    kept = []
    next_id = len(clusters)
    for cluster in clusters:
        if cluster.label is DocItemLabel.PICTURE and _is_text(page, cluster.bbox):
            continue
        if cluster.label is DocItemLabel.TABLE and _is_prose(page, cluster):
            continue
        if cluster.label is DocItemLabel.TABLE and _is_frame(page, cluster.bbox):
            grids = _grids(page, cluster.bbox)
            if grids:
                for grid in grids:
                    kept.append(cluster.model_copy(update={"id": next_id, "bbox": grid}))
                    next_id += 1
                continue
        kept.append(cluster)
    return kept


def _is_prose(page: Page, cluster: Cluster) -> bool:
    if cluster.confidence >= _UNSURE:
        return False
    inside = _cells_in(page, cluster.bbox)
    return bool(inside) and all(
        len(column) >= _PROSE_LINES and median(len(cell.text) for cell in column) >= _PROSE_LETTERS
        for column in columns(inside)
    )


def _cells_in(page: Page, box: BoundingBox) -> list[TextCell]:
    """The lines of which most is in a box."""
    return [cell for cell in page.cells if cell.rect.to_bounding_box().intersection_over_self(box) > 0.5]


def _is_frame(page: Page, box: BoundingBox) -> bool:
    return page.size is not None and box.area() > _WHOLE_PAGE * page.size.width * page.size.height


def _is_text(page: Page, box: BoundingBox) -> bool:
    """Whether a figure is text: it shows no picture, and more text than drawings or no drawings."""
    pictures = page._backend.get_bitmap_rects() if page._backend is not None else []
    if _is_frame(page, box):
        pictures = [picture for picture in pictures if picture.area() > 0.5 * box.area()]
    if any(picture.intersection_over_self(box) > 0.5 and picture.area() > 0.05 * box.area() for picture in pictures):
        return False
    inside = _cells_in(page, box)
    covered = sum(cell.rect.to_bounding_box().area() for cell in inside)
    if covered > _TEXT_IN_FIGURE * box.area() or (_is_frame(page, box) and len(inside) > _FRAME_LINES):
        return True
    if sum(len(cell.text) >= _PROSE_LETTERS for cell in inside) >= _PROSE_LINES:
        return True
    return bool(inside) and not any(cell.from_ocr for cell in inside) and _is_bare(page, box)


def _is_bare(page: Page, box: BoundingBox) -> bool:
    """Whether next to nothing is drawn in a figure."""
    if not isinstance(page._backend, PdfPage):
        return False
    points = 0
    for drawing in page._backend.drawings():
        if drawing.xs and not drawing.is_white and _holds(box, drawing):
            points += len(drawing.xs)
    return points < _BARE_POINTS


def _holds(box: BoundingBox, drawing: Drawing) -> bool:
    return (
        min(drawing.xs) > box.l - _OUT
        and max(drawing.xs) < box.r + _OUT
        and min(drawing.ys) > box.t - _OUT
        and max(drawing.ys) < box.b + _OUT
    )


def _grids(page: Page, frame: BoundingBox) -> list[BoundingBox]:
    """The ruled tables in a frame: drawings that hang together, with text in them."""
    if page._backend is None:
        return []
    found = page._backend.get_connected_shape_bounding_boxes(tolerance=1.0) or []
    texts = [cell.rect.to_bounding_box() for cell in page.cells]
    grids = []
    for box in found:
        if box.height < _LEAST_GRID or box.area() > _FRAMED * frame.area():
            continue
        if sum(text.intersection_over_self(box) > 0.8 for text in texts) >= 2:
            grids.append(box)
    return [
        box for box in grids if not any(box is not other and box.intersection_over_self(other) > 0.9 for other in grids)
    ]
