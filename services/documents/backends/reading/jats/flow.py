"""What stands between the tags of an article: lines of text, and the blocks among and in them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Set
from typing import Any

from docling.backend.xml.jats_backend import JatsDocumentBackend
from docling.utils.code_language import detect_code_language
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.group import ListGroup
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.text import TextItem
from docling_core.types.doc.labels import DocItemLabel
from lxml import etree

from services.documents.backends.reading import mathml
from services.documents.backends.reading.line import (
    BOLD,
    ITALIC,
    PLAIN,
    STRIKE,
    SUB,
    SUPER,
    UNDERLINE,
    Run,
    add_heading,
    add_item,
    add_line,
    plain,
)
from services.documents.backends.reading.ordinals import alphabetic, roman
from services.documents.backends.reading.table import Cell, add_table

_Node = Any  # lxml has no types

_HREF = "{http://www.w3.org/1999/xlink}href"
_STYLES = {
    "bold": BOLD,
    "italic": ITALIC,
    "underline": UNDERLINE,
    "strike": STRIKE,
    "sub": SUB,
    "sup": SUPER,
}
_NUMBERS: Mapping[str, Callable[[int], str]] = {
    "order": str,
    "alpha-lower": alphabetic,
    "alpha-upper": lambda number: alphabetic(number).upper(),
    "roman-lower": roman,
    "roman-upper": lambda number: roman(number).upper(),
}
"""Kinds of lists with numbers."""
_NOTE_HOLDERS = {"table-wrap-foot", "author-notes"}
"""Elements in which a footnote stands in no line."""
_UNSHOWN = {"index-term", "index-term-range-end", "object-id", "milestone-start", "milestone-end", "processing-meta"}
_FORMULAS = ("tex-math", "math", "textual-form")
_DEFAULT_TITLES = {"ack": "Acknowledgments", "fn-group": "Footnotes", "ref-list": "References"}
_OASIS_ROWS = "|".join(f".//*[local-name()='{part}']/*[local-name()='row']" for part in ("thead", "tbody"))
_TEX_DOCUMENT = re.compile(r"\\begin\{document\}(.*?)\\end\{document\}", re.DOTALL)


def name_of(node: _Node) -> str:
    """The name of an element without its namespace; "" for comments and the like."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def said(node: _Node) -> str:
    """The words of an element in one line."""
    return " ".join("".join(node.itertext()).split())


def apart(node: _Node) -> str:
    """The words of an element in one line; those of its parts apart where it has no text beside them."""
    parts = [child for child in node if name_of(child)]
    beside = [node.text, *(child.tail for child in node)]
    if not parts or any((text or "").strip() for text in beside) or any(name_of(part) in _STYLES for part in parts):
        return said(node)
    return " ".join(filter(None, map(apart, parts)))


class Flow:
    """Adds elements to a document, in their order."""

    def __init__(self, document: DoclingDocument) -> None:
        self._document = document
        self._notes: list[list[Run]] = []
        self._note_count = 0

    def runs(self, node: _Node, without: Set[str] = frozenset()) -> list[Run]:
        """The line that an element is, without regard to blocks in it."""
        line = _Line(self, None, 1, {})
        line.walk(node, PLAIN, "", without)
        return line.pieces

    def blocks(self, node: _Node, parent: NodeItem | None, level: int, without: Set[str] = frozenset()) -> None:
        """Add all that is in an element.

        Args:
            node: the element.
            parent: what it becomes a part of.
            level: of the headings in it.
            without: names of its children that were added elsewhere.
        """
        line = _Line(self, parent, level, _BLOCKS)
        line.walk(node, PLAIN, "", without)
        line.flush()

    def inline_block(self, node: _Node, parent: NodeItem | None) -> None:
        """Add an element that is a paragraph, or has some."""
        if name_of(node) == "fn":
            self.footnote(node, parent, 1)
        else:
            self.blocks(node, parent, 1)

    def add_notes(self, parent: NodeItem | None) -> None:
        """Add the footnotes of the last line."""
        notes, self._notes = self._notes, []
        for runs in notes:
            add_line(self._document, runs, parent, DocItemLabel.FOOTNOTE)

    def note(self, node: _Node) -> Run:
        """Keep a footnote that stands in a line; what refers to it there."""
        label = node.find("label")
        if label is None:
            self._note_count += 1
        mark = said(label) if label is not None else f"[{self._note_count}]"
        self._notes.append([Run(f"{mark} "), *self.runs(node, {"label"})])
        return Run(mark)

    def section(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A part with a heading."""
        heading = self._heading(node)
        if not heading and (default := _DEFAULT_TITLES.get(name_of(node))):
            heading = [Run(default)]
        held = add_heading(self._document, heading, parent, level) if heading else None
        self.blocks(node, held or parent, level + 1 if held else level, _HEADINGS)

    def _heading(self, node: _Node) -> list[Run]:
        parts = [child for child in node if name_of(child) in _HEADINGS]
        return [run for part in parts for run in [*self.runs(part), Run(" ")]]

    def box(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A part set apart, with a title or none."""
        heading = self._heading(node)
        add_line(self._document, [run._replace(style=run.style | BOLD) for run in heading], parent)
        self.blocks(node, parent, level, _HEADINGS)

    def formula(self, node: _Node, parent: NodeItem | None, level: int) -> None:  # noqa: ARG002 - as all blocks
        """Formulas on lines of their own, and their number."""
        rest = []
        for run in self.runs(node):
            if run.label is DocItemLabel.FORMULA:
                self._document.add_formula(text=run.text, parent=parent)
            else:
                rest.append(run)
        add_line(self._document, rest, parent)

    def code(self, node: _Node, parent: NodeItem | None, level: int) -> None:  # noqa: ARG002 - as all blocks
        """Text whose lines and spaces count."""
        content = "".join(node.itertext()).strip("\n")
        hint = node.get("language")
        language = detect_code_language(content, hint=hint) if hint else None
        if content.strip():
            self._document.add_code(text=content, code_language=language, parent=parent)

    def verse(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """The lines of a poem."""
        self.box_heading(node, parent)
        lines = [child for child in node if name_of(child) == "verse-line"]
        runs = [run for child in lines for run in [*self.runs(child), Run("\n")]]
        add_line(self._document, runs, parent)
        self.blocks(node, parent, level, {*_HEADINGS, "verse-line"})

    def box_heading(self, node: _Node, parent: NodeItem | None) -> None:
        """The title of a block, bold."""
        add_line(self._document, [run._replace(style=run.style | BOLD) for run in self._heading(node)], parent)

    def list(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """Items with all that is in them."""
        self.box_heading(node, parent)
        group = self._document.add_list_group(parent=parent)
        shown = _NUMBERS.get(node.get("list-type", "").strip().lower())
        number = 0
        for child in node:
            if name_of(child) in {"list-item", "sec"}:
                number += 1
                self._item(child, group, level, marker=f"{shown(number)}." if shown else "")

    def _item(self, node: _Node, group: ListGroup, level: int, *, marker: str = "") -> None:
        enumerated = bool(marker)
        label = node.find("label")
        marker = said(label) if label is not None else marker
        first = next((child for child in node if name_of(child) not in {"", "label"}), None)
        is_line = first is not None and name_of(first) in {"p", "title"} and not _has_blocks(first)
        item = add_item(
            self._document, self.runs(first) if is_line else [], group, enumerated=enumerated, marker=marker
        )
        self.add_notes(item)
        line = _Line(self, item, level, _BLOCKS)
        line.walk(node, PLAIN, "", {"label"}, skipped=first if is_line else None)
        line.flush()

    def definitions(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """Terms, bold, with what they mean."""
        heads = [
            run
            for child in node
            if name_of(child) in {*_HEADINGS, "term-head", "def-head"}
            for run in [*self.runs(child), Run(" ")]
        ]
        add_line(self._document, [run._replace(style=run.style | BOLD) for run in heads], parent)
        group = self._document.add_list_group(parent=parent)
        for entry in node:
            if name_of(entry) == "def-item":
                self._definition(entry, group, level)
            elif name_of(entry) == "def-list":
                self.definitions(entry, parent, level)

    def _definition(self, node: _Node, group: ListGroup, level: int) -> None:
        terms = [run for part in node if name_of(part) == "label" for run in [*self.runs(part), Run(" ")]]
        for number, part in enumerate(node.findall("term")):
            terms += [*([Run(", ")] if number else []), *self.runs(part)]
        terms = [run._replace(style=run.style | BOLD) for run in terms]
        meanings = node.findall("def")
        paragraphs = [child for meaning in meanings for child in meaning if name_of(child)]
        first = (
            paragraphs[0] if paragraphs and name_of(paragraphs[0]) == "p" and not _has_blocks(paragraphs[0]) else None
        )
        runs = [*terms, Run(": "), *self.runs(first)] if first is not None else terms
        item = add_item(self._document, runs, group)
        self.add_notes(item)
        for meaning in meanings:
            line = _Line(self, item, level, _BLOCKS)
            line.walk(meaning, PLAIN, "", frozenset(), skipped=first)
            line.flush()
        self.blocks(node, item, level, {"term", "def", "label"})

    def _caption(self, node: _Node) -> TextItem | None:
        """Label and caption in one line, as a caption."""
        parts = [child for child in node if name_of(child) == "label"]
        for caption in node.findall("caption"):
            parts.extend(child for child in caption if name_of(child))
        runs = [run for part in parts for run in [*self.runs(part), Run(" ")]]
        caption = add_line(self._document, runs, label=DocItemLabel.CAPTION) if plain(runs) else None
        return caption if isinstance(caption, TextItem) else None

    def figure(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A picture with its caption, and whatever else is in it."""
        self._document.add_picture(parent=parent, caption=self._caption(node))
        self.add_notes(parent)
        self.blocks(node, parent, level, {"label", "caption"})

    def captioned(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A group, or material that is elsewhere: its label and caption, then what is in it."""
        parts = [child for child in node if name_of(child) == "label"]
        parts.extend(child for caption in node.findall("caption") for child in caption if name_of(child))
        add_line(self._document, [run for part in parts for run in [*self.runs(part), Run(" ")]], parent)
        self.add_notes(parent)
        self.blocks(node, parent, level, {"label", "caption"})

    def table_wrap(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A table with its caption and the notes below it."""
        caption = self._caption(node)
        tables = node.xpath("./*[local-name()='table']|./alternatives/*[local-name()='table']")
        for position, table in enumerate(tables):
            self._table(table, parent, level, caption if position == 0 else None)
        if not tables and caption is not None:
            self._document.add_picture(parent=parent, caption=caption)
        self.add_notes(parent)
        for child in node:
            if name_of(child) not in {"", "label", "caption", "table", *_UNSHOWN} and not (
                tables and name_of(child) == "alternatives"
            ):
                self.blocks(child, parent, level)

    def table(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A table without caption."""
        self._table(node, parent, level, None)
        self.add_notes(parent)

    def _table(self, node: _Node, parent: NodeItem | None, level: int, caption: TextItem | None) -> None:
        rows = node.xpath("./thead/tr|./tr|./tbody/tr") + node.xpath("./tfoot/tr") or node.xpath(_OASIS_ROWS)
        cells = [[self._cell(cell, level) for cell in row if name_of(cell) in {"td", "th", "entry"}] for row in rows]
        for row, placed in zip(rows, cells, strict=True):
            is_header = name_of(row.getparent()) == "thead" or all(
                name_of(cell) == "th" for cell in row if name_of(cell)
            )
            for cell in placed:
                cell.is_column_header = is_header
        if any(cells) or caption is not None:
            add_table(self._document, cells, parent, caption)

    def _cell(self, node: _Node, level: int) -> Cell:
        if name_of(node) == "entry":
            columns, rows = _oasis_spans(node)
        else:
            columns, rows = _number(node.get("colspan")), _number(node.get("rowspan"))
        cell = Cell(columns=columns, rows=rows, is_row_header=name_of(node) == "th")
        if _has_blocks(node, {"p"}):
            cell.build = lambda group: self.blocks(node, group, level)
            return cell
        paragraphs = node.findall("p")
        if len(paragraphs) > 1:
            runs = [run for part in paragraphs for run in [*self.runs(part), Run("\n")]]
            cell.runs = [Run(node.text or ""), *runs, *(Run(part.tail or "") for part in paragraphs)]
        else:
            cell.runs = self.runs(node)
        return cell

    def address(self, node: _Node, parent: NodeItem | None, level: int) -> None:  # noqa: ARG002 - as all blocks
        """The parts of an address in a line."""
        parts = [child for child in node if name_of(child)]
        runs = [run for part in parts for run in [*self.runs(part), Run(", " if part is not parts[-1] else "")]]
        add_line(self._document, runs, parent)

    def footnotes(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A group of footnotes under a heading."""
        notes = [child for child in node if name_of(child) == "fn"]
        if not any(said(child) for child in notes):
            return
        heading = self._heading(node) or [Run(_DEFAULT_TITLES["fn-group"])]
        held = add_heading(self._document, heading, parent, level)
        group = self._document.add_list_group(parent=held or parent)
        for child in notes:
            self._item(child, group, level)

    def footnote(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A footnote that is a block."""
        label = node.find("label")
        mark = [Run(said(label) + " ")] if label is not None else []
        first = next((child for child in node if name_of(child) == "p"), None)
        if first is not None and not _has_blocks(first):
            add_line(self._document, [*mark, *self.runs(first)], parent, DocItemLabel.FOOTNOTE)
        elif mark:
            add_line(self._document, mark, parent, DocItemLabel.FOOTNOTE)
            first = None
        line = _Line(self, parent, level, _BLOCKS)
        line.walk(node, PLAIN, "", {"label"}, skipped=first)
        line.flush()

    def references(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """The works that are cited, an item each."""
        heading = self._heading(node)
        if not heading and name_of(node.getparent()) != "ref-list":
            heading = [Run(_DEFAULT_TITLES["ref-list"])]
        held = add_heading(self._document, heading, parent, level) if heading else parent
        group = None
        for child in node:
            if name_of(child) == "ref":
                group = group or self._document.add_list_group(parent=held)
                self._reference(child, group, level)
            elif name_of(child) and name_of(child) not in _HEADINGS:
                group = None
                block = _BLOCKS.get(name_of(child))
                block(self, child, held, level + 1) if block else self.blocks(child, held, level + 1)

    def _reference(self, node: _Node, group: ListGroup, level: int) -> None:
        label = node.find("label")
        number = said(label).strip("[]().") if label is not None else ""
        texts = [_cited(child) for child in node.iter("mixed-citation", "element-citation", "nlm-citation", "citation")]
        enumerated = number.isdigit()
        prefix = f"[{number}] " if number and not enumerated else ""
        marker = f"{number}." if enumerated else ""
        item = add_item(self._document, [Run(prefix + " ".join(texts))], group, enumerated=enumerated, marker=marker)
        cited = {"label", "mixed-citation", "element-citation", "nlm-citation", "citation", "citation-alternatives"}
        self.blocks(node, item, level, cited)

    def paragraph(self, node: _Node, parent: NodeItem | None, level: int) -> None:
        """A paragraph, cut where blocks stand in it."""
        self.blocks(node, parent, level)


class _Line:
    """The pieces of a line that is being read, and where it is put when a block ends it."""

    def __init__(self, flow: Flow, parent: NodeItem | None, level: int, blocks: Mapping[str, _Block]) -> None:
        self.pieces: list[Run] = []
        self._flow = flow
        self._parent = parent
        self._level = level
        self._blocks = blocks

    def flush(self) -> None:
        """Add what was read."""
        add_line(self._flow._document, self.pieces, self._parent)
        self.pieces = []
        self._flow.add_notes(self._parent)

    def walk(
        self, node: _Node, style: frozenset[str], link: str, without: Set[str] = frozenset(), skipped: _Node = None
    ) -> None:
        """Read what is in an element."""
        self._add(node.text, style, link)
        for child in node:
            name = name_of(child)
            if child is skipped or (name in without and name):
                pass
            elif child.tag is etree.Entity:
                self._add(html.unescape(child.text or ""), style, link)
            elif name == "fn" and name_of(node) in _NOTE_HOLDERS:
                self.flush()
                self._flow.footnote(child, self._parent, self._level)
            elif name in self._blocks:
                self.flush()
                self._blocks[name](self._flow, child, self._parent, self._level)
            elif name:
                self._inline(child, name, style, link)
            self._add(child.tail, style, link)

    def _add(self, content: str | None, style: frozenset[str], link: str) -> None:
        if content:
            self.pieces.append(Run(content.replace("\n", " "), style, link))

    def _inline(self, node: _Node, name: str, style: frozenset[str], link: str) -> None:
        if name in _UNSHOWN:
            return
        if name in {"tex-math", "math"}:
            self.pieces.append(Run(_tex(node, name), label=DocItemLabel.FORMULA))
        elif name == "alternatives":
            self.walk(_best_alternative(node), style, link)
        elif name == "break":
            self.pieces.append(Run("\n"))
        elif name == "fn":
            self.pieces.append(self._flow.note(node))
        elif name == "monospace":
            self.pieces.append(Run(said(node), style, link, DocItemLabel.CODE))
        elif name == "rt":
            self.pieces.extend([Run("("), *self._flow.runs(node), Run(")")])
        else:
            border = Run(" " if name in _SEPARATED else "")
            self.pieces.append(border)
            self.walk(node, style | _STYLES.get(name, PLAIN), _target(node, name) or link)
            self.pieces.append(border)


_SEPARATED = {
    "p",
    "title",
    "label",
    "caption",
    "list-item",
    "td",
    "th",
    "attrib",
    "alt-text",
    "long-desc",
    "verse-line",
    "def",
    "term",
}
"""Blocks whose words do not touch those of their neighbours where a line is made of them."""


def _target(node: _Node, name: str) -> str:
    if name in {"ext-link", "uri", "self-uri", "inline-supplementary-material"}:
        return (node.get(_HREF) or (said(node) if name == "uri" else "")).strip()
    return f"mailto:{said(node)}" if name == "email" else ""


def _best_alternative(node: _Node) -> _Node:
    """The form of something that is text, in an element of its own."""
    children = {name_of(child): child for child in reversed(node) if name_of(child)}
    best = next((children[name] for name in _FORMULAS if name in children), None)
    if best is None:
        best = next(iter(reversed(children.values())), None)
    holder = node.makeelement("alternatives", {})
    if best is not None:
        copied = best.__copy__()
        copied.tail = None
        holder.append(copied)
    return holder


def _tex(node: _Node, name: str) -> str:
    """A formula in TeX, without the signs that set it apart from text."""
    if name == "math":
        return mathml.tex(mathml.of_lxml(node))
    content = "".join(node.itertext())
    if document := _TEX_DOCUMENT.search(content):
        content = document[1]
    content = content.strip()
    for opening, closing in (("$$", "$$"), ("$", "$"), ("\\[", "\\]"), ("\\(", "\\)")):
        if len(content) > len(opening) * 2 and content.startswith(opening) and content.endswith(closing):
            return content[len(opening) : -len(closing)].strip()
    return content


def _cited(node: _Node) -> str:
    """A reference in one line; of one that is in fields, those that Docling does not write out follow."""
    if name_of(node) == "mixed-citation" or (node.text or "").strip():
        return said(node)
    text: str = JatsDocumentBackend._parse_element_citation(None, node)  # type: ignore[arg-type]  # it uses no state
    for child in node:
        if name_of(child) and (words := apart(child)) and words not in text:
            missing = [word for word in words.split() if word not in text]
            text += f" {' '.join(missing)}" if missing else ""
    return text


def _oasis_spans(node: _Node) -> tuple[int, int]:
    """The columns and rows that a cell of an OASIS table covers."""
    names = node.xpath("ancestor::*[local-name()='tgroup'][1]/*[local-name()='colspec']/@colname")
    first, last = node.get("namest"), node.get("nameend")
    columns = names.index(last) - names.index(first) + 1 if first in names and last in names else 1
    more = node.get("morerows", "")
    return max(columns, 1), _number(more) + 1 if more else 1


def _has_blocks(node: _Node, but: Set[str] = frozenset()) -> bool:
    return any(name_of(child) in _BLOCKS and name_of(child) not in but for child in node.iterdescendants())


def _number(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 10 else 1


_Block = Callable[[Flow, _Node, NodeItem | None, int], None]
_HEADINGS = {"label", "title"}
_BLOCKS: Mapping[str, _Block] = {
    **dict.fromkeys(("sec", "app", "ack", "glossary", "notes", "bio"), Flow.section),
    **dict.fromkeys(("boxed-text", "disp-quote", "statement", "speech", "app-group", "question", "answer"), Flow.box),
    **dict.fromkeys(("fig-group", "table-wrap-group", "supplementary-material", "media"), Flow.captioned),
    **dict.fromkeys(("disp-formula", "chem-struct-wrap"), Flow.formula),
    **dict.fromkeys(("code", "preformat"), Flow.code),
    **dict.fromkeys(("p", "attrib", "permissions", "table-wrap-foot"), Flow.paragraph),
    "verse-group": Flow.verse,
    "list": Flow.list,
    "def-list": Flow.definitions,
    "fig": Flow.figure,
    "table-wrap": Flow.table_wrap,
    "table": Flow.table,
    "array": Flow.table,
    "address": Flow.address,
    "fn-group": Flow.footnotes,
    "ref-list": Flow.references,
}
