"""The elements of all pages as the items of one document: captions with their figures, paragraphs over pages joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from docling.datamodel.base_models import Page, PageElement, Table
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.pdf import forms
from services.documents.backends.reading.pdf.order import ordered
from services.documents.backends.reading.pdf.paragraphs import pieces
from services.documents.backends.reading.pdf.rows import Row, around, rows

_GRAPHICS = frozenset({DocItemLabel.PICTURE, DocItemLabel.TABLE, DocItemLabel.CODE, DocItemLabel.DOCUMENT_INDEX})
_TABLES = frozenset({DocItemLabel.TABLE, DocItemLabel.DOCUMENT_INDEX})
_BETWEEN = _GRAPHICS | {
    DocItemLabel.PAGE_HEADER, DocItemLabel.PAGE_FOOTER, DocItemLabel.FOOTNOTE, DocItemLabel.CAPTION,
}  # fmt: skip
"""What may stand between the parts of a paragraph."""
_FLOWING = frozenset({DocItemLabel.TEXT, DocItemLabel.LIST_ITEM})
_REACH = 4.0
"""Of a caption's height: how far its figure may be."""
_FULL = 3.0
"""Of the height: a last row that ends so near to the edge is full."""
_CLOSE = 0.6
"""Of the height: the distance of rows of one paragraph."""
_ENDS = (".", "!", "?", ":", "؟", "。", "！", "？", '."', ".”", ".)", "…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of an item, on one page."""

    page: int
    box: BoundingBox
    rows: Sequence[Row]


@dataclass(slots=True, kw_only=True)
class Item:
    """A piece of a document."""

    element: PageElement
    label: DocItemLabel
    parts: list[Part]
    captions: list[Item] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """All of them, in order."""
        return [row for part in self.parts for row in part.rows]


def items(pages: Iterable[Page]) -> list[Item]:
    """The items of a document in the order of reading."""
    found: list[Item] = []
    for page in pages:
        found.extend(_with_captions([item for element in ordered(page) for item in _items(element)]))
    return list(_joined(found))


def _items(element: PageElement) -> Iterator[Item]:
    """An element as an item; what is no table, or a table whose cells are not known, as the lines that it has."""
    boxes = forms.parts(element) if isinstance(element, Table) and element.num_rows and element.num_cols else None
    if boxes is not None:
        for box in boxes:
            yield _item(element, DocItemLabel.TEXT, rows(box))
        return
    found = rows(element.cluster.cells)
    if element.label in _TABLES and not (isinstance(element, Table) and element.num_rows and element.num_cols):
        for piece in pieces(found, DocItemLabel.TEXT):
            yield _item(element, piece.label, piece.rows)
    else:
        yield _item(element, element.label, found)


def _item(element: PageElement, label: DocItemLabel, found: Sequence[Row]) -> Item:
    is_whole = label is element.label or not found
    box = element.cluster.bbox if is_whole else around(row.box for row in found)
    return Item(element=element, label=label, parts=[Part(page=element.page_no, box=box, rows=found)])


def _with_captions(page: Sequence[Item]) -> Iterator[Item]:
    """The items of a page, each caption with the nearest figure, table or code that has none nearer."""
    captions = [item for item in page if item.label is DocItemLabel.CAPTION]
    graphics = [item for item in page if item.label in _GRAPHICS]
    pairs = [
        (apart, at, caption, graphic)
        for at, caption in enumerate(captions)
        for graphic in graphics
        if (apart := _apart(caption, graphic)) is not None
    ]
    taken: set[int] = set()
    for _, _, caption, graphic in sorted(pairs, key=lambda pair: pair[:2]):
        if id(caption) in taken or graphic.captions:
            continue
        graphic.captions.append(caption)
        taken.add(id(caption))
    return (item for item in page if id(item) not in taken)


def _apart(caption: Item, graphic: Item) -> float | None:
    """How far a caption is from what it may belong to; None where it cannot. Unit: points."""
    box, other = caption.parts[0].box, graphic.parts[0].box
    gap = max(box.t - other.b, other.t - box.b, 0.0)
    height = caption.rows[0].height if caption.rows else 10.0
    beside = max(box.l - other.r, other.l - box.r, 0.0)
    if gap > _REACH * height or beside > _REACH * height:
        return None
    return gap + beside + (0.0 if _fits(caption, graphic.label) else 2 * height)


def _fits(caption: Item, label: DocItemLabel) -> bool:
    """Whether the word that a caption starts with names such a thing."""
    word = caption.rows[0].text[:3].lower() if caption.rows else ""
    if word in ("tab", "quadro"[:3], "таб"):
        return label is DocItemLabel.TABLE
    if word in ("lis", "alg"):
        return label is DocItemLabel.CODE
    return label is DocItemLabel.PICTURE


def _joined(found: Iterable[Item]) -> Iterator[Item]:
    """The items, those paragraphs joined that go on in another column or on another page."""
    held: list[Item] = []  # a paragraph that may go on, and what stands behind it
    for item in found:
        if item.label in _BETWEEN and held:
            held.append(item)
            continue
        if held and item.label is DocItemLabel.TEXT and _goes_on(held[0], item):
            held[0].parts.extend(item.parts)
            continue
        yield from held
        held = []
        if item.label in _FLOWING:
            held = [item]
        else:
            yield item
    yield from held


def _goes_on(item: Item, other: Item) -> bool:  # noqa: PLR0911 - one line for each sign
    """Whether a paragraph goes on in a text of another column or page."""
    last, first = item.parts[-1], other.parts[0]
    if not last.rows or not first.rows:
        return False
    above, below = last.rows[-1], first.rows[0]
    is_below = last.page == first.page and first.box.t > last.box.t
    if is_below and min(last.box.r, first.box.r) > max(last.box.l, first.box.l) and not _is_cut(above, below):
        return False
    if abs(above.height - below.height) > 0.1 * above.height or above.is_bold != below.is_bold:
        return False
    text, following = above.text, below.text
    if text.endswith(("-", "\u00ad")):
        return following[:1].isalpha()
    if text.endswith(_ENDS) or not following[:1].isalpha():
        return False
    if following[:1].islower():
        return True
    edge = max(row.end for row in (*last.rows, *first.rows))
    is_full = above.end > edge - _FULL * above.height and (len(last.rows) > 1 or is_below)
    return is_full and (not following[:1].isupper() or text.endswith(","))


def _is_cut(above: Row, below: Row) -> bool:
    """Whether rows of one paragraph were taken for two blocks: they follow each other, and the upper one is full."""
    gap = below.box.t - above.box.b
    is_aligned = abs(above.start - below.start) < above.height
    return (
        -0.5 * above.height < gap < _CLOSE * above.height
        and is_aligned
        and above.end > below.end - _FULL * above.height
    )
