"""A page of which nothing but its size is known: a picture, or what docling-parse cannot read."""

from __future__ import annotations

from docling_core.types.doc.base import BoundingBox, CoordOrigin
from docling_core.types.doc.page import BoundingRectangle, PdfPageBoundaryType, PdfPageGeometry, SegmentedPdfPage


def blank(width: float, height: float) -> SegmentedPdfPage:
    """A page without text, of that size in its own units."""
    box = BoundingBox(l=0, t=height, r=width, b=0, coord_origin=CoordOrigin.BOTTOMLEFT)
    geometry = PdfPageGeometry(
        angle=0.0,
        rect=BoundingRectangle.from_bounding_box(box),
        boundary_type=PdfPageBoundaryType.CROP_BOX,
        art_bbox=box,
        bleed_bbox=box,
        crop_bbox=box,
        media_bbox=box,
        trim_bbox=box,
    )
    return SegmentedPdfPage(dimension=geometry, char_cells=[], word_cells=[], textline_cells=[])
