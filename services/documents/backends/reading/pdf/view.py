"""How a page is looked at: turned until its text is upright and level, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from docling.datamodel.base_models import Page
from docling_core.types.doc.base import BoundingBox, CoordOrigin, Size
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.page import BoundingRectangle
from PIL import Image
from pydantic import Field

_TRANSPOSED = {
    1: Image.Transpose.ROTATE_270,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_90,
}
"""PIL turns the other way."""
_PAPER = (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A page as it is read: first turned by quarters, then by its lean, about its middle; whole, so it may be larger.

    Boxes are from the top left.
    """

    quarters: int = 0
    """Quarters of a turn, clockwise, that bring the page upright: 0 to 3."""
    lean: float = 0.0
    """Degrees, clockwise, that then bring its lines level."""
    zoom: float = 1.0
    """Points of the view for each unit of the page, which for a picture is a pixel."""

    @property
    def is_plain(self) -> bool:
        """The page is neither turned nor levelled."""
        return not self.quarters and not self.lean

    def size(self, own: Size) -> Size:
        """Of the view of a page of that size. Unit: points."""
        width, height = (own.height, own.width) if self.quarters % 2 else (own.width, own.height)
        cosine, sine = math.cos(math.radians(self.lean)), math.sin(math.radians(abs(self.lean)))
        return Size(
            width=self.zoom * (width * cosine + height * sine), height=self.zoom * (width * sine + height * cosine)
        )

    def picture(self, own: Image.Image) -> Image.Image:
        """A page's picture as it is looked at."""
        turned = own.transpose(_TRANSPOSED[self.quarters]) if self.quarters else own
        if not self.lean:
            return turned
        return turned.rotate(-self.lean, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=_PAPER)

    def seen(self, box: BoundingBox, own: Size) -> BoundingBox:
        """Where a box of the page is in the view."""
        if self == PLAIN:
            return box
        size = self.size(own)
        angle = math.radians(90 * self.quarters + self.lean)
        return _turned(box, angle, self.zoom, (own.width / 2, own.height / 2), (size.width / 2, size.height / 2))

    def path(self, points: Iterable[tuple[float, float]], own: Size) -> tuple[list[float], list[float]]:
        """Where points of the page are in the view: their x and their y."""
        if self == PLAIN:
            moved = list(points)
        else:
            size = self.size(own)
            angle = math.radians(90 * self.quarters + self.lean)
            middles = (own.width / 2, own.height / 2), (size.width / 2, size.height / 2)
            moved = [_moved(point, angle, self.zoom, *middles) for point in points]
        return [x for x, _ in moved], [y for _, y in moved]

    def rectangle(self, rect: BoundingRectangle, own: Size) -> BoundingRectangle:
        """Where a rectangle of the page is in the view, corner by corner: the text in it turns along."""
        xs, ys = self.path(rect.to_polygon(), own)
        places = {f"r_{axis}{at}": values[at] for axis, values in (("x", xs), ("y", ys)) for at in range(len(xs))}
        return BoundingRectangle(**places, coord_origin=CoordOrigin.TOPLEFT)

    def own(self, box: BoundingBox, own: Size) -> BoundingBox:
        """Where a box of the view is on the page."""
        if self == PLAIN:
            return box
        size = self.size(own)
        angle = math.radians(-90 * self.quarters - self.lean)
        return _turned(box, angle, 1 / self.zoom, (size.width / 2, size.height / 2), (own.width / 2, own.height / 2))


PLAIN = View()

MOST_SIDE = 10_000
"""Of a picture: lines are looked for in tiles, of which a picture of 4 million pixels has 10, or a million if it is one
pixel high. Unit: pixels."""


def bounded_scale(wanted: float, size: Size | None, *, most_pixels: int) -> float:
    """Pixels a point of a picture of a page: fewer than wanted where a page is so large, or so long, that its picture
    would be too.

    Raises:
        ValueError: the page has no size that can be drawn.
    """
    if size is None or not 0 < size.width * size.height < math.inf:
        raise ValueError(f"a page of {size}")
    return min(wanted, math.sqrt(most_pixels / (size.width * size.height)), MOST_SIDE / max(size.width, size.height))


class SeenPage(Page):
    """A page whose boxes are those of a view of it; `size` is the view's."""

    own_size: Size | None = None
    """The page's own; None for `size`."""
    view: View = PLAIN
    problems: list[str] = Field(default_factory=list)
    """What of it could not be read, one sentence each."""


class _Placed(Protocol):
    """What stands on a page."""

    rect: BoundingRectangle


def see(mark: _Placed, view: View, own: Size) -> None:
    """Move what stands on a page to its place in a view; `rect` keeps its corners in their order."""
    mark.rect = view.rectangle(mark.rect, own)


def to_own_places(document: DoclingDocument, pages: Iterable[Page]) -> None:
    """Give the parts of a document their places on the pages themselves, where it was made of views."""
    views = {page.page_no: page for page in pages if isinstance(page, SeenPage) and page.own_size is not None}
    if not views:
        return
    for number, view in views.items():
        document.pages[number].size = view.own_size or document.pages[number].size
    for item in (*document.texts, *document.tables, *document.pictures, *document.key_value_items):
        for place in item.prov:
            if place.page_no in views:
                place.bbox = _own_place(place.bbox, views[place.page_no])
    for table in document.tables:
        if table.prov and table.prov[0].page_no in views:
            for cell in table.data.table_cells:
                cell.bbox = None if cell.bbox is None else _own_place(cell.bbox, views[table.prov[0].page_no])


def _own_place(box: BoundingBox, page: SeenPage) -> BoundingBox:
    own, size = page.own_size, page.size
    if own is None or size is None:
        return box
    placed = page.view.own(box.to_top_left_origin(size.height), own)
    return placed if box.coord_origin is CoordOrigin.TOPLEFT else placed.to_bottom_left_origin(own.height)


def _turned(
    box: BoundingBox, angle: float, zoom: float, about: tuple[float, float], to: tuple[float, float]
) -> BoundingBox:
    """The box around a box that is turned clockwise by an angle in radians, and zoomed; `about` comes to `to`."""
    corners = [_moved((x, y), angle, zoom, about, to) for x in (box.l, box.r) for y in (box.t, box.b)]
    across, down = zip(*corners, strict=True)
    return BoundingBox(l=min(across), t=min(down), r=max(across), b=max(down), coord_origin=CoordOrigin.TOPLEFT)


def _moved(
    point: tuple[float, float], angle: float, zoom: float, about: tuple[float, float], to: tuple[float, float]
) -> tuple[float, float]:
    x, y = point[0] - about[0], point[1] - about[1]
    cosine, sine = zoom * math.cos(angle), zoom * math.sin(angle)
    return to[0] + x * cosine - y * sine, to[1] + x * sine + y * cosine
