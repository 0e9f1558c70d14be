"""Items to a DoclingDocument."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from docling.datamodel.base_models import Page, Table
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.common.reference import ProvenanceItem
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.group import ListGroup
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.table.table_data import TableData
from docling_core.types.doc.labels import DocItemLabel, GroupLabel

from services.documents.backends.reading.line import Run, add_heading, add_item, add_line
from services.documents.backends.reading.pdf import headings, joins, remains
from services.documents.backends.reading.pdf.flow import Item, Part
from services.documents.backends.reading.pdf.headings import Entry, Heading
from services.documents.backends.reading.pdf.links import Links
from services.documents.backends.reading.pdf.rows import Row, around, is_bold, join, rows

_SAME_START = 0.8
"""Of a row's height: items of a list that start so near to each other are on one level."""
_BOXES = MappingProxyType(
    {
        "☐": DocItemLabel.CHECKBOX_UNSELECTED,
        "☑": DocItemLabel.CHECKBOX_SELECTED,
        "☒": DocItemLabel.CHECKBOX_SELECTED,
    }
)
"""Signs of boxes to be ticked."""
_MAY_BE_BOX = frozenset({DocItemLabel.TEXT, *_BOXES.values()})
_FURNITURE = frozenset({DocItemLabel.PAGE_HEADER, DocItemLabel.PAGE_FOOTER})


def compose(
    document: DoclingDocument,
    pages: Sequence[Page],
    items: Sequence[Item],
    *,
    outline: Sequence[Entry] = (),
    has_headers: bool = False,
) -> None:
    """Add the items to a document that has none.

    Args:
        document: an empty one.
        pages: whose items these are.
        items: in the order of reading.
        outline: of the file.
        has_headers: whether headers and footers belong to the text.
    """
    writer = _Writer(document, pages, items, has_headers=has_headers)
    writer.write(items, _levels(items, outline))


def add_comments(document: DoclingDocument, pages: Sequence[Page], *, are_shown: bool) -> None:
    """Add the comments on pages behind the text, in a layer of their own unless they are shown."""
    group = None
    for page in pages:
        for note in remains.comments(page):
            if group is None:
                layer = ContentLayer.BODY if are_shown else ContentLayer.NOTES
                group = document.add_group(label=GroupLabel.COMMENT_SECTION, name="comments", content_layer=layer)
            text = f"[author: {note.author}]: {note.text}" if note.author else note.text
            height = page.size.height if page.size is not None else 0.0
            place = ProvenanceItem(
                page_no=page.page_no, bbox=note.box.to_bottom_left_origin(height), charspan=(0, len(text))
            )
            added = document.add_comment(text=text, prov=place, parent=group)
            added.content_layer = group.content_layer


def _levels(items: Sequence[Item], outline: Sequence[Entry]) -> dict[int, int]:
    found = [item for item in items if item.label is DocItemLabel.SECTION_HEADER and item.rows]
    described = [
        Heading(
            text=" ".join(row.text for row in item.rows),
            page=item.parts[0].page,
            height=round(max(row.height for row in item.rows), 1),
            is_bold=all(is_bold(row.font) for row in item.rows),
        )
        for item in found
    ]
    return {id(item): level for item, level in zip(found, headings.levels(described, outline), strict=True)}


class _Writer:
    """Writes one item after the other."""

    def __init__(
        self, document: DoclingDocument, pages: Sequence[Page], items: Sequence[Item], *, has_headers: bool
    ) -> None:
        self._document = document
        self._has_headers = has_headers
        self._heights = {page.page_no: page.size.height for page in pages if page.size is not None}
        self._links = Links(pages)
        self._words = joins.Words(row.text for item in items for row in item.rows)
        self._list = _Lists(document)

    def write(self, items: Sequence[Item], levels: dict[int, int]) -> None:
        """Write all."""
        for item in items:
            if item.label is DocItemLabel.LIST_ITEM:
                self._item(item)
                continue
            if item.label not in _FURNITURE:
                self._list.end()
            self._write(item, levels.get(id(item), 1))

    def _write(self, item: Item, level: int) -> None:
        match item.label:
            case DocItemLabel.SECTION_HEADER | DocItemLabel.TITLE:
                self._place(add_heading(self._document, self._runs(item), level=level), item)
            case DocItemLabel.CODE:
                code = self._document.add_code(text=joins.code(item.rows), prov=self._provenance(item.parts[0]))
                self._caption(item, code)
            case DocItemLabel.TABLE | DocItemLabel.DOCUMENT_INDEX:
                self._table(item)
            case DocItemLabel.PICTURE:
                picture = self._document.add_picture(prov=self._provenance(item.parts[0]))
                self._caption(item, picture)
                self._inside(item, picture)
            case DocItemLabel.FORMULA:
                text = " ".join(row.text for row in item.rows)
                self._document.add_text(label=DocItemLabel.FORMULA, text=text, prov=self._provenance(item.parts[0]))
            case _:
                self._text(item)

    def _text(self, item: Item, parent: NodeItem | None = None) -> NodeItem | None:
        runs = self._runs(item)
        label = item.label
        if label in _MAY_BE_BOX and (box := _BOXES.get(item.rows[0].text[:1] if item.rows else "")):
            runs, label = _without(runs, len(item.rows[0].text) - len(item.rows[0].text[1:].lstrip())), box
        added = add_line(self._document, runs, parent, label)
        self._place(added, item)
        if item.label in _FURNITURE and not self._has_headers:
            self._hide(added)
        return added

    def _hide(self, added: Any) -> None:
        waiting = [added] if added is not None else []
        while waiting:
            node = waiting.pop()
            node.content_layer = ContentLayer.FURNITURE
            waiting.extend(reference.resolve(self._document) for reference in node.children)

    def _item(self, item: Item) -> None:
        first = item.rows[0]
        mark = first.mark
        runs = self._runs(item)
        if mark is not None:
            runs = _without(runs, len(first.text) - len(mark.rest))
        group = self._list.at(item, is_number=bool(mark and mark.is_number))
        marker = mark.text if mark is not None and mark.is_number else ""
        added = add_item(self._document, runs, group, enumerated=bool(marker), marker=marker)
        self._place(added, item)
        self._list.added(added)

    def _table(self, item: Item) -> None:
        element = item.element
        if not isinstance(element, Table):
            return
        data = TableData(num_rows=element.num_rows, num_cols=element.num_cols, table_cells=element.table_cells)
        table = self._document.add_table(data=data, prov=self._provenance(item.parts[0]), label=item.label)
        self._caption(item, table)

    @staticmethod
    def _inner(item: Item, inner: Sequence[Row]) -> Item:
        """A text that is a part of an item."""
        part = Part(page=item.parts[0].page, box=around(row.box for row in inner), rows=inner)
        return Item(element=item.element, label=DocItemLabel.TEXT, parts=[part])

    def _inside(self, item: Item, picture: NodeItem) -> None:
        """What is written in a picture."""
        for child in item.element.cluster.children:
            if child.cells:
                self._text(self._inner(item, rows(child.cells)), picture)

    def _caption(self, item: Item, owner: Any) -> None:
        for caption in item.captions:
            added = self._text(caption, owner)
            if added is not None:
                owner.captions.append(added.get_ref())

    def _runs(self, item: Item) -> list[Run]:
        """The text of an item, its links apart."""
        found = [(row, part.page) for part in item.parts for row in part.rows]
        runs: list[Run] = []
        for place, (row, page) in enumerate(found):
            following = found[place + 1][0].text if place + 1 < len(found) else ""
            texts = list(join(row.cells))
            texts[-1] = texts[-1].rstrip()
            if following:
                texts[-1] = joins.ending(texts[-1], following, self._words)
            for text, cell in zip(texts, row.cells, strict=True):
                runs.append(Run(joins.clean(text), link=self._links.at(page, cell)))
        return runs

    def _place(self, added: Any, item: Item) -> None:
        """Say where an item stands: each piece of a line that has pieces."""
        if added is None:
            return
        waiting = [added]
        while waiting:
            node = waiting.pop()
            waiting.extend(reference.resolve(self._document) for reference in node.children)
            if hasattr(node, "prov") and not node.prov:
                node.prov = [self._provenance(part, len(getattr(node, "text", ""))) for part in item.parts]

    def _provenance(self, part: Part, length: int = 0) -> ProvenanceItem:
        box: BoundingBox = part.box.to_bottom_left_origin(self._heights[part.page])
        return ProvenanceItem(page_no=part.page, bbox=box, charspan=(0, length))


class _Lists:
    """The lists that are open, one within the other."""

    def __init__(self, document: DoclingDocument) -> None:
        self._document = document
        self._open: list[tuple[float, bool, ListGroup]] = []
        self._last: list[NodeItem | None] = []
        self._place: tuple[int, float] | None = None

    def end(self) -> None:
        """No list goes on."""
        self._open.clear()
        self._last.clear()
        self._place = None

    def at(self, item: Item, *, is_number: bool) -> ListGroup:
        """The list that an item belongs to."""
        row, part = item.rows[0], item.parts[0]
        start, near = row.start, _SAME_START * row.height
        if self._place is not None and (part.page != self._place[0] or part.box.t < self._place[1]):
            self._shift(start, is_number=is_number)
        self._place = (item.parts[-1].page, item.parts[-1].box.t)
        while self._open and start < self._open[-1][0] - near:
            self._close()
        if self._open and abs(start - self._open[-1][0]) <= near and self._open[-1][1] != is_number:
            self._close()
        if not self._open or start > self._open[-1][0] + near:
            parent = self._last[-1] if self._last else None
            self._open.append((start, is_number, self._document.add_list_group(parent=parent)))
            self._last.append(None)
        return self._open[-1][2]

    def added(self, item: NodeItem) -> None:
        """Remember the last item, which may have a list of its own."""
        self._last[-1] = item

    def _close(self) -> None:
        self._open.pop()
        self._last.pop()

    def _shift(self, start: float, *, is_number: bool) -> None:
        """Move the starts of the lists to another column: the item goes on the innermost list of its kind."""
        same = next((level for level in reversed(self._open) if level[1] == is_number), None)
        if same is not None:
            by = start - same[0]
            self._open = [(left + by, kind, group) for left, kind, group in self._open]


def _without(runs: Sequence[Run], length: int) -> list[Run]:
    """Runs without their first letters."""
    kept = []
    for run in runs:
        cut = min(length, len(run.text))
        length -= cut
        if run.text[cut:]:
            kept.append(run._replace(text=run.text[cut:]))
    return kept
