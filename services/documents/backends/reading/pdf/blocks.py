"""The text blocks of a page cut into items, each of the kind that its type and its first words tell."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from docling.datamodel.base_models import Cluster, Page
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import TextCell

from services.documents.backends.reading.pdf import marks
from services.documents.backends.reading.pdf.columns import columns
from services.documents.backends.reading.pdf.paragraphs import Piece, pieces
from services.documents.backends.reading.pdf.rows import TYPEWRITTEN, Row, around, mono_share, rows, usual_height

_TEXTS = frozenset(
    {DocItemLabel.TEXT, DocItemLabel.SECTION_HEADER, DocItemLabel.CAPTION, DocItemLabel.FORMULA,
     DocItemLabel.PAGE_HEADER, DocItemLabel.PAGE_FOOTER}
)  # fmt: skip
_LARGE = 1.15
"""Of the usual height: type that is a heading's by its size alone."""
_LARGE_READ = 1.4
"""The same of lines read from a picture, whose heights are those of what was found."""
_SMALL = 0.93
"""Of the usual height: type of footnotes."""
_RELATION = re.compile(r"(?:^|\s)(?:[=≈≃≅≡≤≥<>∝∈→↦⇒⇔]|:=)(?:\s|$)|\w=\w")
_LONGEST_HEADING = 200
"""Letters."""
_FOOT = 0.5
"""Of the page, from its top: footnotes stand below."""
_MARGIN = 0.09
"""Of the page, on each side: text that is turned there is no part of the text."""
_NEAR = 3.0
"""Of a caption's height: how far from its figure it stands."""


def refined(clusters: Sequence[Cluster], page: Page, *, beside: Sequence[Cluster] = ()) -> list[Cluster]:
    """The clusters of a page, one for each item.

    Args:
        clusters: those to be cut into items.
        page: with its lines.
        beside: others of the page, which stay as they are.
    """
    fresh = count(max((cluster.id for cluster in (*clusters, *beside)), default=0) + 1)
    usual = usual_height(page.cells)
    is_typewritten = mono_share(page.cells) > TYPEWRITTEN
    graphics = [
        cluster.bbox for cluster in (*clusters, *beside) if cluster.label in (DocItemLabel.PICTURE, DocItemLabel.TABLE)
    ]
    found: list[Cluster] = []
    for cluster in clusters:
        if cluster.label not in _TEXTS or not cluster.cells:
            found.append(cluster)
            continue
        if _is_turned(cluster.cells):
            found.append(_turned(cluster, page))
            continue
        for column in columns(cluster.cells):
            for piece in pieces(rows(column), cluster.label, is_typewritten=is_typewritten):
                label = _label(piece, page, usual, graphics)
                if label is DocItemLabel.TEXT and not is_typewritten and all(row.is_mono for row in piece.rows):
                    label = DocItemLabel.CODE
                found.append(_cluster(next(fresh), piece.rows, label, cluster.confidence))
    return sorted(_joined_code(found), key=_place)


def _place(cluster: Cluster) -> tuple[int, float, float]:
    """Its place in the page's content, which Docling's rules of order look at."""
    first = min((cell.index for cell in cluster.cells), default=sys.maxsize)
    return first, cluster.bbox.t, cluster.bbox.l


def _label(  # noqa: PLR0911 - one line for each kind
    piece: Piece, page: Page, usual: float, graphics: Sequence[BoundingBox]
) -> DocItemLabel:
    label, block = piece.label, piece.rows
    text = block[0].text
    if label is DocItemLabel.FORMULA and _is_prose(block):
        label = DocItemLabel.TEXT
    if label in (DocItemLabel.TEXT, DocItemLabel.SECTION_HEADER) and _is_formula(block):
        return DocItemLabel.FORMULA
    if label in (DocItemLabel.TEXT, DocItemLabel.CAPTION, DocItemLabel.SECTION_HEADER) and _is_caption(block, graphics):
        return DocItemLabel.CAPTION
    if label is DocItemLabel.TEXT and _is_footnote(block, page, usual):
        return DocItemLabel.FOOTNOTE
    if label is DocItemLabel.SECTION_HEADER and not _may_be_heading(block, usual):
        return DocItemLabel.LIST_ITEM if (found := block[0].mark) and marks.is_sure(found) else DocItemLabel.TEXT
    if label in (DocItemLabel.TEXT, DocItemLabel.LIST_ITEM) and _is_heading(block, usual):
        return DocItemLabel.SECTION_HEADER
    if label is DocItemLabel.CAPTION and not marks.is_caption(text, is_surely=False) and not _is_near(block, graphics):
        return DocItemLabel.TEXT
    return label


def _is_heading(block: Sequence[Row], usual: float) -> bool:
    """Whether a block that the model takes for text is a heading: a few large or bold words."""
    text = " ".join(row.text for row in block)
    if len(block) > 3 or len(text) > _LONGEST_HEADING or not any(char.isalpha() for char in text):
        return False
    if block[-1].is_led or ((found := block[0].mark) and marks.is_sure(found)):
        return False
    is_large = all(row.height > (_LARGE if row.font else _LARGE_READ) * usual for row in block)
    letters = sum(char.isalpha() for char in text)
    if 2 * letters < len(text.replace(" ", "")):
        return False
    is_bold = all(row.is_bold for row in block) and all(row.height > 0.97 * usual for row in block)
    return (is_large and len(text) > 2) or (
        is_bold and len(block) <= 2 and not text.endswith((".", ":", ",", ";")) and len(text) > 2
    )


def _may_be_heading(block: Sequence[Row], usual: float) -> bool:
    """Whether a block that the model takes for a heading is one."""
    text = " ".join(row.text for row in block)
    if len(text) > _LONGEST_HEADING or len(block) > 4 or block[-1].is_led or not any(map(str.isalnum, text)):
        return False
    is_plain = not any(row.is_bold or row.height > 1.05 * usual for row in block)
    return not (is_plain and (text.endswith((".", ",", ";")) or len(block) > 2) and not marks.depth(text))


def _is_caption(block: Sequence[Row], graphics: Sequence[BoundingBox]) -> bool:
    text = block[0].text
    return marks.is_caption(text, is_surely=True) or (
        marks.is_caption(text, is_surely=False) and _is_near(block, graphics)
    )


def _is_near(block: Sequence[Row], graphics: Sequence[BoundingBox]) -> bool:
    box = around(row.box for row in block)
    reach = _NEAR * block[0].height
    for graphic in graphics:
        gap = max(box.t - graphic.b, graphic.t - box.b)
        if gap < reach and min(box.r, graphic.r) > max(box.l, graphic.l):
            return True
    return False


def _is_footnote(block: Sequence[Row], page: Page, usual: float) -> bool:
    if page.size is None or not all(row.height < _SMALL * usual for row in block):
        return False
    return block[0].box.t > _FOOT * page.size.height and marks.is_footnote(block[0].text)


def _is_prose(block: Sequence[Row]) -> bool:
    """Whether what the model takes for a formula is a sentence."""
    words = [word for row in block for word in row.text.split()]
    return sum(len(word) > 3 and word.strip(".,;:()").isalpha() for word in words) > max(4, 0.6 * len(words))


def _is_formula(block: Sequence[Row]) -> bool:
    """Whether a block is nothing but a formula, with the number that it may have."""
    text = " ".join(row.text for row in block)
    if len(block) > 3 or len(text) > _LONGEST_HEADING or not _RELATION.search(text):
        return False
    return not any(len(word) > 3 and word.strip(".,;:()").isalpha() for word in text.split())


def _is_turned(cells: Sequence[TextCell]) -> bool:
    return all(abs(cell.rect.angle % 3.14159) > 0.1 and len(cell.text) > 1 for cell in cells)


def _turned(cluster: Cluster, page: Page) -> Cluster:
    """Text that runs up or down: in the margin it is no part of the page's text."""
    box, size = cluster.bbox, page.size
    if size is not None and not _MARGIN * size.width < (box.l + box.r) / 2 < (1 - _MARGIN) * size.width:
        return cluster.model_copy(update={"label": DocItemLabel.PAGE_HEADER})
    return cluster


def _cluster(number: int, block: Sequence[Row], label: DocItemLabel, confidence: float) -> Cluster:
    cells = [cell for row in block for cell in row.cells]
    return Cluster(id=number, label=label, bbox=around(row.box for row in block), confidence=confidence, cells=cells)


def _joined_code(clusters: Iterable[Cluster]) -> Iterator[Cluster]:
    """The clusters, code that goes on below as one."""
    codes: list[Cluster] = []
    for cluster in sorted(clusters, key=lambda cluster: cluster.bbox.t):
        if cluster.label is not DocItemLabel.CODE:
            yield cluster
            continue
        above = next((code for code in reversed(codes[-8:]) if _goes_on(code, cluster)), None)
        if above is None:
            codes.append(cluster)
        else:
            above.cells.extend(cluster.cells)
            above.bbox = around([above.bbox, cluster.bbox])
    yield from codes


def _goes_on(above: Cluster, below: Cluster) -> bool:
    height = usual_height(below.cells)
    return below.bbox.t - above.bbox.b < 2 * height and min(above.bbox.r, below.bbox.r) > max(
        above.bbox.l, below.bbox.l
    )
