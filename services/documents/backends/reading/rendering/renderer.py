"""The walk through a document that all forms share: which node is shown, once, and in which order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docling_core.types.doc.common.constants import DOCUMENT_TOKENS_EXPORT_LABELS
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.common.reference import RefItem
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.code import CodeItem
from docling_core.types.doc.items.group import GroupItem, InlineGroup, ListGroup
from docling_core.types.doc.items.key_value import FormItem, KeyValueItem
from docling_core.types.doc.items.node import DocItem, NodeItem
from docling_core.types.doc.items.picture.picture import PictureItem
from docling_core.types.doc.items.table.table import TableItem
from docling_core.types.doc.items.table.table_data import RichTableCell
from docling_core.types.doc.items.text import FormulaItem, TextItem
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.rendering.pieces import Kind, Piece, piece

QUOTE = "quote"
"""Name of a group that holds a quotation: DoclingDocument has no label for one."""
LANGUAGE = "isolane__language"
"""Name of the metadata of a code block that holds its language as the file names it."""

TASKS = {DocItemLabel.CHECKBOX_SELECTED: True, DocItemLabel.CHECKBOX_UNSELECTED: False}
"""Labels of tasks, and whether they are done."""


@dataclass(frozen=True, slots=True)
class Block:
    """A rendered block."""

    text: str
    is_list: bool = False
    is_task: bool = False


class Renderer(ABC):
    """Renders a document; a subclass says how each kind of block looks."""

    def __init__(self, document: DoclingDocument) -> None:
        self._document = document
        self._seen: set[str] = set()
        self._cells = 0
        self._satellites = {ref.cref for ref in _satellites(document)}

    @property
    def is_in_cell(self) -> bool:
        """True while a cell is rendered."""
        return self._cells > 0

    def document(self) -> str:
        """The document in this form."""
        return "\n\n".join(block.text for block in self.blocks(self._document.body))

    def blocks(self, node: NodeItem) -> list[Block]:
        """The blocks below a node."""
        return [block for child in self.children(node) for block in self.block(child)]

    def block(self, node: NodeItem) -> list[Block]:
        """The blocks of a node, each node once."""
        if node.self_ref in self._seen or node.self_ref in self._satellites:
            return []
        self._seen.add(node.self_ref)
        own = self._own(node) if self.is_shown(node) else []
        return [*(block for block in own if block.text), *self.blocks(node)]

    def children(self, node: NodeItem) -> Iterator[NodeItem]:
        """The nodes right below a node."""
        return (self.resolved(ref) for ref in node.children)

    def resolved(self, ref: RefItem) -> NodeItem:
        """The node behind a reference."""
        match ref.cref.split("/"):
            case ["#", kind, index]:
                node: NodeItem = getattr(self._document, kind)[int(index)]
                return node
            case _:
                found: Any = ref.resolve(self._document)
                return found  # type: ignore[no-any-return]

    def is_shown(self, node: NodeItem) -> bool:
        """True for content of the body."""
        if node.content_layer != ContentLayer.BODY:
            return False
        return (
            not isinstance(node, DocItem) or node.label in DOCUMENT_TOKENS_EXPORT_LABELS or isinstance(node, TextItem)
        )

    def line(self, item: TextItem) -> list[Piece]:
        """The pieces of a text: its own, or those of the line below it."""
        if not item.text and item.children:
            first = self.resolved(item.children[0])
            if isinstance(first, InlineGroup) and first.self_ref not in self._seen and self.is_shown(first):
                self._seen.add(first.self_ref)
                return self._pieces(first)
        match item:
            case CodeItem():
                kind = Kind.CODE
            case FormulaItem():
                kind = Kind.MATH
            case _:
                kind = Kind.TEXT
        text = item.text or (item.orig if isinstance(item, FormulaItem) else "")
        return [piece(text, kind, item.formatting, item.hyperlink)]

    def captions(self, item: Any) -> list[list[Piece]]:
        """The lines of an item's captions."""
        return self._lines_of(item.captions)

    def footnotes(self, item: Any) -> list[list[Piece]]:
        """The lines of an item's footnotes."""
        return self._lines_of(item.footnotes)

    def is_enumerated(self, group: ListGroup) -> bool:
        """True for an ordered list."""
        return bool(group.children) and bool(getattr(self.resolved(group.children[0]), "enumerated", False))

    def _own(self, node: NodeItem) -> list[Block]:  # noqa: PLR0911 - one line for each kind of node
        """The blocks of a node itself; what it shows of its children is seen by then."""
        match node:
            case ListGroup():
                return [self.list_of(node)]
            case InlineGroup():
                return [self.paragraph(self._pieces(node))]
            case GroupItem():
                return [self.quote(self.blocks(node))] if node.name == QUOTE else []
            case TableItem():
                return self.table(node)
            case PictureItem():
                return self.picture(node)
            case KeyValueItem() | FormItem():
                return [self.paragraph([piece(line)]) for line in _pairs(node)]
            case CodeItem():
                notes = [*self.captions(node), *self.footnotes(node)]
                return [self.code(node), *(self.paragraph(line) for line in notes)]
            case FormulaItem():
                return [self.formula(node)]
            case TextItem():
                return [self.text(node)]
            case _:
                return []

    def _pieces(self, group: NodeItem) -> list[Piece]:
        """The pieces of a line, its nested ones too."""
        line: list[Piece] = []
        for node in self.children(group):
            if node.self_ref in self._seen or node.self_ref in self._satellites:
                continue
            self._seen.add(node.self_ref)
            if self.is_shown(node):
                line.extend(self._pieces_of(node))
            line.extend(self._pieces(node))
        return line

    def _pieces_of(self, node: NodeItem) -> list[Piece]:
        match node:
            case InlineGroup():
                return self._pieces(node)
            case PictureItem():
                return [part for line in self.captions(node) for part in line] + [piece(self.placeholder, Kind.READY)]
            case TextItem():
                return self.line(node)
            case ListGroup() | TableItem():
                return [piece(self.flat([block.text for block in self._own(node)]), Kind.READY)]
            case _:
                return []

    def _lines_of(self, refs: list[RefItem]) -> list[list[Piece]]:
        lines = []
        for ref in refs:
            item = self.resolved(ref)
            if isinstance(item, TextItem) and self.is_shown(item) and item.self_ref not in self._seen:
                self._seen.add(item.self_ref)
                lines.append([*self.line(item), *self._pieces(item)])
        return lines

    def cell(self, cell: Any) -> str:
        """What stands in a cell, on one line."""
        if not isinstance(cell, RichTableCell):
            return self.cell_line([piece(cell.text or "")])
        node = self.resolved(cell.ref)
        self._seen.discard(node.self_ref)
        self._cells += 1
        blocks = [block.text for block in self.block(node)]
        self._cells -= 1
        return self.flat(blocks) or self.cell_line([piece(cell.text or "")])

    placeholder: str = ""
    """What stands for a picture."""

    def flat(self, blocks: list[str]) -> str:
        """Blocks on one line."""
        first, *others = " ".join(blocks).split("\n")
        if not others:
            return first
        *between, last = others
        return " ".join([first.rstrip(" "), *(line.strip(" ") for line in between), last.lstrip(" ")])

    def cell_line(self, line: list[Piece]) -> str:
        """A line in a cell."""
        return self.flat([self.paragraph(line).text])

    @abstractmethod
    def paragraph(self, line: list[Piece]) -> Block:
        """A paragraph."""

    @abstractmethod
    def text(self, item: TextItem) -> Block:
        """A heading, a paragraph, a task, a note."""

    @abstractmethod
    def code(self, item: CodeItem) -> Block:
        """A block of code."""

    @abstractmethod
    def formula(self, item: FormulaItem) -> Block:
        """A formula that stands alone."""

    @abstractmethod
    def list_of(self, group: ListGroup) -> Block:
        """A list."""

    @abstractmethod
    def quote(self, blocks: list[Block]) -> Block:
        """A quotation."""

    @abstractmethod
    def table(self, item: TableItem) -> list[Block]:
        """A table with its captions and notes."""

    @abstractmethod
    def picture(self, item: PictureItem) -> list[Block]:
        """A picture with its captions and what is known of it."""


def language(item: CodeItem) -> str:
    """The language of a code block, as the file names it; empty if it does not."""
    named = item.meta.get_custom_part().get(LANGUAGE) if item.meta else None
    return str(named) if named else ""


def described(item: PictureItem) -> list[str]:
    """What is known of a picture beside its captions, except its chart's data."""
    meta = item.meta
    if meta is None:
        return []
    found = [field.text for field in (meta.summary, meta.description) if field]
    if meta.classification:
        found.append(meta.classification.get_main_prediction().class_name.replace("_", " ").capitalize())
    if meta.molecule:
        found.append(meta.molecule.smi)
    return found


def _satellites(document: DoclingDocument) -> Iterator[RefItem]:
    """The captions and notes that are shown with what they belong to."""
    for items in (document.tables, document.pictures, document.texts, document.key_value_items, document.form_items):
        for item in items:
            yield from getattr(item, "captions", ())
            yield from getattr(item, "footnotes", ())


def _pairs(item: KeyValueItem | FormItem) -> Iterator[str]:
    """The cells of a form, values behind their keys."""
    values: dict[int, list[str]] = {}
    texts = {cell.cell_id: cell.text for cell in item.graph.cells}
    targets = set()
    for link in item.graph.links:
        if link.label.value == "to_value":
            values.setdefault(link.source_cell_id, []).append(texts.get(link.target_cell_id, ""))
            targets.add(link.target_cell_id)
    for number, text in texts.items():
        if number not in targets:
            yield f"{text}: {', '.join(values[number])}" if number in values else text
