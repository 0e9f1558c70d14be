"""What is where on a page: the layout model's regions as Docling's clusters, one for each item."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import numpy as np
from docling.datamodel.base_models import Cluster, LayoutPrediction, Page
from docling.datamodel.pipeline_options import LayoutPostprocessorOptions
from docling.utils.layout_postprocessor import LayoutPostprocessor
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.engines.base import Engines, Region, RegionKind
from services.documents.backends.reading.pdf import blocks, strays, trust, view

_LABELS: Mapping[RegionKind, DocItemLabel] = MappingProxyType(
    {
        RegionKind.TEXT: DocItemLabel.TEXT,
        RegionKind.TITLE: DocItemLabel.SECTION_HEADER,
        RegionKind.FIGURE: DocItemLabel.PICTURE,
        RegionKind.FIGURE_CAPTION: DocItemLabel.CAPTION,
        RegionKind.TABLE: DocItemLabel.TABLE,
        RegionKind.TABLE_CAPTION: DocItemLabel.CAPTION,
        RegionKind.HEADER: DocItemLabel.PAGE_HEADER,
        RegionKind.FOOTER: DocItemLabel.PAGE_FOOTER,
        RegionKind.REFERENCE: DocItemLabel.TEXT,
        RegionKind.EQUATION: DocItemLabel.FORMULA,
        RegionKind.LIST_ITEM: DocItemLabel.LIST_ITEM,
        RegionKind.CODE: DocItemLabel.CODE,
        RegionKind.FOOTNOTE: DocItemLabel.FOOTNOTE,
        RegionKind.INDEX: DocItemLabel.DOCUMENT_INDEX,
        RegionKind.TICKED_BOX: DocItemLabel.CHECKBOX_SELECTED,
        RegionKind.EMPTY_BOX: DocItemLabel.CHECKBOX_UNSELECTED,
    }
)
_SCALE = 1.0
"""Pixels a point of a page's picture: the model makes it smaller by itself. With 1.25 it finds more unruled tables
(cells of 40 made tables: F1 0.998, not 0.959), and grids of forms are cut (words of one in order: 0.43, not 0.98)."""
_LEAST_SIDE = 792
"""Pixels of the longer side, as a page of US letter has: smaller pages, and scans that say so, are drawn larger."""
_MOST_PIXELS = 4_000_000
"""Of a page's picture; the model sees half a million. A poster of 2 x 2 m has 32 million at a pixel a point."""
_NUMBER = re.compile(r"(?:\d{1,2}|[A-Z])(?:\.\d{1,2})*\.?")
_OPTIONS = LayoutPostprocessorOptions()


_INSIDE = 0.5
"""Of a line: how much of it is in a region that it belongs to. What is less so is a stray, which may be adopted."""


class _Postprocessor(LayoutPostprocessor):
    """Settles what overlaps; a line that only reaches into a region is left to `strays`."""

    def _assign_cells_to_clusters(self, clusters: list[Cluster], min_overlap: float = _INSIDE) -> list[Cluster]:
        return super()._assign_cells_to_clusters(clusters, min_overlap)


def lay_out(page: Page, engines: Engines) -> None:
    """Find the clusters of a page whose text is known, and give each its lines."""
    size = page.size
    wanted = max(_SCALE, _LEAST_SIDE / max(size.width, size.height, 1.0)) if size is not None else _SCALE
    scale = view.bounded_scale(wanted, size, most_pixels=_MOST_PIXELS)
    image = page.get_image(scale=scale)
    if image is None:
        raise RuntimeError("the page cannot be drawn")
    regions = engines.regions(np.asarray(image))
    found = trust.trusted(page, list(_clusters(regions, scale)))
    regions_end = max((cluster.id for cluster in found), default=0)
    clusters = _Postprocessor(page, found, _OPTIONS).postprocess()
    clusters = strays.adopted(clusters, {c.id for c in clusters if c.id > regions_end or _is_number(c)})
    page.predictions.layout = LayoutPrediction(clusters=blocks.refined(clusters, page))


def settle(page: Page, known: Collection[int]) -> None:
    """Give the lines that are in no picture any more, once the tables are found, the blocks that they belong to.

    Args:
        page: with its tables.
        known: ids of the clusters before.
    """
    if page.predictions.layout is None:
        return
    clusters = page.predictions.layout.clusters
    loose = {cluster.id for cluster in clusters if cluster.id not in known and cluster.label is DocItemLabel.TEXT}
    if not loose:
        return
    sizes = {cluster.id: len(cluster.cells) for cluster in clusters}
    adopted = strays.adopted(clusters, loose)
    changed = [c for c in adopted if c.id in loose or len(c.cells) != sizes[c.id]]
    others = [cluster for cluster in adopted if not any(cluster is one for one in changed)]
    page.predictions.layout.clusters = [*others, *blocks.refined(changed, page, beside=others)]


def _is_number(cluster: Cluster) -> bool:
    """Whether a region is a number alone, as the model may see that of a heading apart from its words."""
    return len(cluster.cells) == 1 and _NUMBER.fullmatch(cluster.cells[0].text.strip()) is not None


def _clusters(regions: Iterable[Region], scale: float) -> Iterable[Cluster]:
    for at, region in enumerate(regions):
        left, top, right, bottom = (edge / scale for edge in region.box)
        box = BoundingBox(l=left, t=top, r=right, b=bottom)
        yield Cluster(id=at, label=_LABELS[region.kind], bbox=box, confidence=region.score)
