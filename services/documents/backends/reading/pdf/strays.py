"""Lines that no region holds: given to the block they belong to, or made blocks of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from docling.datamodel.base_models import Cluster
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import TextCell

from services.documents.backends.reading.pdf.rows import around, font_name

_BESIDE = 3.0
"""Of a line's height: how far from its text the number of a heading or the mark of an item may stand."""
_SAME_LINE = 0.95
"""Of a line's height: the widest space of justified text; narrow gutters are 1.0."""
_SAME_READ_LINE = 0.5
"""The same of lines read from a picture, which are found whole."""
_BELOW = 0.75
"""Of a line's height: the distance of lines that belong together; word processors have 0.2, double spacing 0.7."""
_SAME_SIZE = 0.12
"""Of a line's height: how much lines of one block differ."""
_SAME_READ_SIZE = 0.35
"""The same of lines read from a picture: theirs is the height of what was found, with tails of letters or without."""
_SHORT = 8
"""Letters of a mark or a number, which is given to what stands beside it."""
_LEADERS = ("..", ". .", "…", "· ·")
"""Beginnings of what leads from a title to the number of a page: it belongs to what is before it."""
_ALIGNED = 1.5
"""Of a line's height: edges or middles that are so near to each other are one."""
_TURNED = 3
"""Letters of a text that is high and narrow without being turned, at most."""
_HIGH, _WIDE = 24.0, 96.0
"""The squares of a page in which neighbours are looked for. Unit: points."""
_FURNITURE = frozenset({DocItemLabel.PAGE_HEADER, DocItemLabel.PAGE_FOOTER})
"""They are given what stands beside them, as the number of a heading at the top of its page, and nothing below."""
_STRAYS = frozenset({DocItemLabel.TEXT, DocItemLabel.SECTION_HEADER})
_ADOPTING = frozenset({DocItemLabel.TEXT, DocItemLabel.SECTION_HEADER, DocItemLabel.LIST_ITEM, DocItemLabel.CAPTION})


def adopted(clusters: Sequence[Cluster], lines: Collection[int]) -> list[Cluster]:
    """The clusters, each stray line with those it belongs to.

    Args:
        clusters: of a page, a stray line being a cluster of its own.
        lines: ids of those that may be strays.
    """
    strays = sorted((c for c in clusters if c.id in lines and _is_line(c)), key=lambda c: (c.bbox.t, c.bbox.l))
    kept = [cluster for cluster in clusters if not (cluster.id in lines and _is_line(cluster))]
    homes = _Homes(cluster for cluster in kept if cluster.label in (_ADOPTING | _FURNITURE) and cluster.cells)
    for stray in strays:
        home = homes.of(stray)
        if home is None:
            kept.append(stray)
            homes.add(stray, stray.cells)
            continue
        home.cells.extend(stray.cells)
        home.bbox = around([home.bbox, stray.bbox])
        homes.add(home, stray.cells)
    return kept


def _is_line(cluster: Cluster) -> bool:
    return cluster.label in _STRAYS and len(cluster.cells) == 1 and not cluster.children


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a block."""

    box: BoundingBox
    text: str
    font: str
    block: Cluster


class _Homes:
    """Lines of blocks by the squares of the page that they touch."""

    def __init__(self, clusters: Iterable[Cluster]) -> None:
        self._squares: dict[tuple[int, int], list[_Line]] = defaultdict(list)
        for cluster in clusters:
            self.add(cluster, cluster.cells)

    def add(self, cluster: Cluster, cells: Iterable[TextCell]) -> None:
        """Remember lines of a block."""
        for cell in cells:
            line = _Line(cell.rect.to_bounding_box(), cell.text.strip(), font_name(cell), cluster)
            for square in _squares(line.box):
                self._squares[square].append(line)

    def of(self, stray: Cluster) -> Cluster | None:
        """The block that a line belongs to."""
        [cell] = stray.cells
        line = _Line(stray.bbox, cell.text.strip(), font_name(cell), stray)
        if line.box.height > 2 * line.box.width and len(line.text) > _TURNED:
            return None
        reach = _BESIDE * line.box.height
        wide = BoundingBox(l=line.box.l - reach, t=line.box.t - reach, r=line.box.r + reach, b=line.box.b + reach)
        near = {id(other): other for square in _squares(wide) for other in self._squares.get(square, ())}
        scored = [
            (apart, -len(other.text), other.block)
            for other in near.values()
            if (apart := _apart(line, other)) and not (apart[0] and other.block.label in _FURNITURE)
        ]
        return min(scored, key=lambda found: found[:2])[2] if scored else None


def _squares(box: BoundingBox) -> Iterator[tuple[int, int]]:
    for row in range(int(box.t // _HIGH), int(box.b // _HIGH) + 1):
        for column in range(int(box.l // _WIDE), int(box.r // _WIDE) + 1):
            yield row, column


def _apart(line: _Line, other: _Line) -> tuple[bool, float] | None:
    """How far a line is from one of a block that it belongs to, those in its row before all others; None for others."""
    box, block = other.box, other.block.bbox
    height = line.box.height
    shared_rows = min(line.box.b, box.b) - max(line.box.t, box.t)
    if shared_rows >= 0.5 * min(height, box.height):
        gap = max(box.l - line.box.r, line.box.l - box.r, 0.0)
        reach = _SAME_LINE if line.font else _SAME_READ_LINE
        if min(len(line.text), len(other.text)) <= _SHORT or line.text.startswith(_LEADERS):
            reach = _BESIDE
        return (False, gap) if gap < reach * max(height, box.height) else None
    differing = _SAME_SIZE if line.font else _SAME_READ_SIZE
    if abs(box.height - height) > differing * max(box.height, height) or other.font != line.font:
        return None
    gap = max(line.box.t - box.b, box.t - line.box.b, 0.0)
    shared = min(line.box.r, block.r) - max(line.box.l, block.l)
    edges = (line.box.l - block.l, line.box.r - block.r, (line.box.l + line.box.r - block.l - block.r) / 2)
    is_aligned = any(abs(distance) < _ALIGNED * height for distance in edges)
    if gap > _BELOW * height or shared < 0.8 * min(line.box.width, block.width):
        return None
    return (True, gap) if is_aligned or shared > 0.9 * line.box.width else None
