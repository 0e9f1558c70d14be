"""Markdown, as CommonMark and GitHub read it, and plain text in the same shape without the markup."""

from __future__ import annotations

import re
from pathlib import PurePath

from docling_core.transforms.serializer.common import (
    hyperlink_uri,
    is_safe_hyperlink,
    markdown_link_destination,
)
from docling_core.types.doc.items.code import CodeItem
from docling_core.types.doc.items.group import ListGroup
from docling_core.types.doc.items.picture.picture import PictureItem
from docling_core.types.doc.items.table.table import TableItem
from docling_core.types.doc.items.text import FormulaItem, ListItem, SectionHeaderItem, TextItem, TitleItem
from pydantic import AnyUrl

from services.documents.backends.reading.rendering.escaping import (
    escaped,
    escaped_starts,
    escaped_task,
    is_punctuation,
)
from services.documents.backends.reading.rendering.pieces import Kind, Piece, merged, piece, spaced
from services.documents.backends.reading.rendering.renderer import TASKS, Block, Renderer, described, language
from services.documents.backends.reading.rendering.tables import drawn, places, rows

_INDENT = 4
_BULLETS = frozenset("-*+")
_NUMBER = re.compile(r"\d{1,9}[.)]")
_UNDER_HEAD = re.compile(r":?-+:?(?=\s|$)")
_FENCE = re.compile("`+")


class MarkdownRenderer(Renderer):
    """Markdown."""

    placeholder = "<!-- image -->"
    line_break = "  \n"

    def paragraph(self, line: list[Piece]) -> Block:
        """A paragraph."""
        return Block(self._line(line))

    def text(self, item: TextItem) -> Block:
        """A heading, a paragraph, a task, a note."""
        line = self.line(item)
        match item:
            case TitleItem():
                return self.heading(1, line)
            case SectionHeaderItem():
                return self.heading(min(item.level + 1, 6), line)
            case ListItem():  # outside of a list
                return Block(self._item(_marker(item, None), item, line))
        if (is_done := TASKS.get(item.label)) is not None:
            return Block(f"- [{'x' if is_done else ' '}] {self._line(line)}", is_task=True)
        return Block(self._line(line))

    def heading(self, level: int, line: list[Piece]) -> Block:
        """A heading."""
        text = " ".join(self._line(line, is_in_lines=False).split("\n"))
        text = re.sub(r"(^|\s)(#+)$", r"\1\\\2", re.sub(" +", " ", text).strip())
        return Block(text if self.is_in_cell or not text else f"{'#' * level} {text}")

    def code(self, item: CodeItem) -> Block:
        """A block of code."""
        line = self.line(item)
        (text, *_) = line
        if self.is_in_cell:
            return Block(self._line(line))
        fence = "`" * max(3, 1 + max(map(len, _FENCE.findall(text.text)), default=0))
        info = language(item).split()[0] if language(item).strip() else ""
        return Block(f"{fence}{info if '`' not in info else ''}\n{text.text}\n{fence}" if text.text else "")

    def formula(self, item: FormulaItem) -> Block:
        """A formula that stands alone."""
        text = "".join(part.text for part in self.line(item)).strip()
        if self.is_in_cell:
            return Block(f"${text}$" if text else "")
        if "\n" in text:
            return Block("$$\n" + re.sub(r"\n\s*\n", "\n", text) + "\n$$")
        return Block(f"$${text}$$" if text else "")

    def list_of(self, group: ListGroup) -> Block:
        """A list."""
        shown: list[str] = []
        number = 0
        for child in self.children(group):
            if isinstance(child, ListItem) and child.self_ref not in self._seen and self.is_shown(child):
                self._seen.add(child.self_ref)
                number += 1
                shown.append(self._item(_marker(child, number), child, self.line(child)))
                continue
            for block in self.block(child):
                if block.is_task or not shown:
                    shown.append(block.text)
                else:  # what stands between two items belongs to the first
                    shown[-1] += _continued(block, _INDENT)
        return Block("\n".join(shown), is_list=True)

    def quote(self, blocks: list[Block]) -> Block:
        """A quotation."""
        lines = "\n\n".join(block.text for block in blocks).split("\n")
        if not blocks or self.is_in_cell:
            return Block("\n\n".join(block.text for block in blocks))
        return Block("\n".join(f"> {line}" if line else ">" for line in lines))

    def table(self, item: TableItem) -> list[Block]:
        """A table with its captions and notes."""
        if self.is_in_cell:
            cells = {id(cell): cell for row in places(item.data) for cell in row}.values()
            said = [*self.captions(item), *self.footnotes(item)]
            return [
                *map(self.paragraph, said),
                Block(self.flat([shown for cell in cells if (shown := self.cell(cell))])),
            ]
        found = rows(item, lambda cell: self.in_table(self.cell(cell)))
        if found and all(map(_UNDER_HEAD.match, found[0])):
            found[0][0] = self.no_rule(found[0][0])
        before = [self.paragraph(line) for line in self.captions(item)]
        after = [self.paragraph(line) for line in self.footnotes(item)]
        return [*before, Block(drawn(found) if found else ""), *after]

    def picture(self, item: PictureItem) -> list[Block]:
        """A picture with its captions and what is known of it."""
        blocks = [self.paragraph(line) for line in self.captions(item)]
        blocks.append(Block(self.placeholder))
        blocks += [self.paragraph([piece(text)]) for text in described(item)]
        if item.meta and item.meta.tabular_chart:
            chart = TableItem(self_ref=item.self_ref, data=item.meta.tabular_chart.chart_data)
            blocks += self.table(chart)
        return [*blocks, *(self.paragraph(line) for line in self.footnotes(item))]

    def in_table(self, text: str) -> str:
        """Text of a cell, which ends at a bar."""
        return text.replace("|", "\\|")

    def no_rule(self, text: str) -> str:
        """The first cell of a head whose cells all begin with dashes: some take it for the line under a head."""
        return "\\" + text

    def cell_line(self, line: list[Piece]) -> str:
        """A line in a cell."""
        return self.flat([self._line(line, is_in_lines=False)])

    def _item(self, marker: str, item: ListItem, line: list[Piece]) -> str:
        """An item with what stands in it, lines under its text."""
        indent = max(_INDENT, len(marker) + 1)
        text = self.task(self._line(line))
        shown = f"{marker} {_indented(text, indent)}" if text else marker
        for block in self.blocks(item):
            shown += _continued(block, indent)
        return shown

    def task(self, text: str) -> str:
        """Text of an item that is no task."""
        return text if self.is_in_cell else escaped_task(text)

    def _line(self, line: list[Piece], *, is_in_lines: bool = True) -> str:
        """The pieces as one text; a heading or a cell is not in lines of its own, so nothing in it begins a block."""
        is_in_lines = is_in_lines and not self.is_in_cell
        pieces = merged(line)
        shown: list[str] = []
        for index, part in enumerate(pieces):
            previous = pieces[index - 1] if index else None
            following = pieces[index + 1] if index + 1 < len(pieces) else None
            before = shown[-1][-1:] if previous and previous.is_glued else ""
            after = _first(following) if following and part.is_glued else ""
            is_first = not index if is_in_lines else None
            shown.append(self._shown(part, before, after, is_first=is_first))
        return spaced(pieces, shown)

    def _shown(self, part: Piece, before: str, after: str, *, is_first: bool | None) -> str:
        """A piece: the first of its lines, a later one, or None where it stands in no lines."""
        match part.kind:
            case Kind.READY:
                return part.text
            case Kind.MATH:
                return f"${part.text.strip()}$" if part.text.strip() else ""
            case Kind.CODE:
                text = _code_span(part.text)
            case _:
                text = part.text
                is_in_link = bool(_destination(part.link))
                has_markup = is_in_link or part.is_bold or part.is_italic or part.is_struck
                beside = ("*", "*") if has_markup else (before, after)
                text = escaped(text, before=beside[0], after=beside[1], is_in_link=is_in_link)
                if is_first is not None:
                    text = escaped_starts(text, is_at_start=is_first and not has_markup)
                text = text.replace("\n\n", "\0").replace("\n", self.line_break).replace("\0", "\n\n")
        return self._marked(text, part, before, after)

    def _marked(self, text: str, part: Piece, before: str, after: str) -> str:
        """The text with the marks of its look, spaces outside of them."""
        if not text.strip() or "\n\n" in text:
            return text
        start = text[: len(text) - len(text.lstrip())]
        end = text[len(text.rstrip()) :]
        inner = text.strip()
        link = _destination(part.link)
        opens = before if not (start or link) else ""
        closes = after if not (end or link) else ""
        marks = ("**" if part.is_bold else "") + ("*" if part.is_italic else "")
        if part.is_struck:
            marks = "~~" + marks
        if marks and _can_mark(inner, opens, closes):
            inner = f"{marks}{inner}{marks[::-1]}"
        if link:
            inner = f"[{' '.join(inner.split(self.line_break))}]({link})"
        return f"{start}{inner}{end}"


class PlainRenderer(MarkdownRenderer):
    """Plain text: no markup but the marks of lists and the bars of tables."""

    placeholder = ""

    def heading(self, level: int, line: list[Piece]) -> Block:  # noqa: ARG002 - Markdown's
        """A heading."""
        return Block(self._line(line))

    def code(self, item: CodeItem) -> Block:
        """A block of code."""
        return Block("".join(part.text for part in self.line(item)))

    def quote(self, blocks: list[Block]) -> Block:
        """A quotation."""
        return Block("\n\n".join(block.text for block in blocks))

    def in_table(self, text: str) -> str:
        """Text of a cell."""
        return text

    def no_rule(self, text: str) -> str:
        """Text of a cell."""
        return text

    def task(self, text: str) -> str:
        """Text of an item."""
        return text

    def _shown(self, part: Piece, before: str, after: str, *, is_first: bool | None) -> str:  # noqa: ARG002 - Markdown's
        return f"${part.text.strip()}$" if part.kind is Kind.MATH and part.text.strip() else part.text


def _marker(item: ListItem, number: int | None) -> str:
    """What an item begins with: its own mark where Markdown knows it, else a bullet in front of what it says."""
    own = item.marker.strip()
    if own in _BULLETS or _NUMBER.fullmatch(own):
        return own
    if item.enumerated and not own and number is not None:
        return f"{number}."
    return f"- {own}" if any(map(str.isalnum, own)) else "-"


def _continued(block: Block, indent: int) -> str:
    """A block under the text of an item."""
    return ("\n" if block.is_list or block.is_task else "\n\n") + " " * indent + _indented(block.text, indent)


def _indented(text: str, indent: int) -> str:
    """The text with its lines, but for the first and empty ones, moved to the right."""
    return re.sub(r"\n(?=[^\n])", "\n" + " " * indent, text)


def _code_span(text: str) -> str:
    """Inline code, whose ticks none of its own can close."""
    ticks = "`" * (1 + max(map(len, _FENCE.findall(text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _destination(link: AnyUrl | PurePath | None) -> str:
    """Where a link leads, as Markdown writes it; empty where nobody should follow it."""
    return markdown_link_destination(link) if link and is_safe_hyperlink(hyperlink_uri(link)) else ""


def _can_mark(inner: str, before: str, after: str) -> bool:
    """True when asterisks around the text open and close emphasis by CommonMark's rules."""
    if before in ("*", "~") or after in ("*", "~"):
        return False  # they would be one run with the neighbour's
    opens = not is_punctuation(inner[0]) or not before or before.isspace() or is_punctuation(before)
    closes = not is_punctuation(inner[-1]) or not after or after.isspace() or is_punctuation(after)
    return opens and closes


def _first(part: Piece) -> str:
    """The character with which a piece will begin."""
    if part.link:
        return "["
    if part.kind is Kind.CODE:
        return "`"
    if part.kind is Kind.MATH:
        return "$"
    return part.text[:1]
