"""HTML, in the shape in which Docling writes it."""

from __future__ import annotations

import html
from xml.etree.ElementTree import tostring

import latex2mathml.converter
from docling_core.transforms.serializer.common import hyperlink_uri, is_safe_hyperlink
from docling_core.transforms.serializer.html import HTMLDocSerializer
from docling_core.types.doc.common.formatting import Script
from docling_core.types.doc.items.code import CodeItem
from docling_core.types.doc.items.group import ListGroup
from docling_core.types.doc.items.picture.picture import PictureItem
from docling_core.types.doc.items.table.table import TableItem
from docling_core.types.doc.items.table.table_data import TableCell
from docling_core.types.doc.items.text import FormulaItem, ListItem, SectionHeaderItem, TextItem, TitleItem
from docling_core.types.doc.utils import get_text_direction

from services.documents.backends.reading.rendering.pieces import Kind, Piece, merged, piece, spaced
from services.documents.backends.reading.rendering.renderer import TASKS, Block, Renderer, described, language
from services.documents.backends.reading.rendering.tables import places

_REFERENCE = "&amp;#x"


class HypertextRenderer(Renderer):
    """HTML."""

    def document(self) -> str:
        """The whole page."""
        head = HTMLDocSerializer(doc=self._document)._generate_head()
        body = "\n".join(block.text for block in self.blocks(self._document.body))
        return f"<!DOCTYPE html>\n<html>\n{head}\n<body>\n<div class='page'>\n{body}\n</div>\n</body>\n</html>"

    def flat(self, blocks: list[str]) -> str:
        """Blocks in a line or a cell, as they are."""
        return "".join(blocks)

    def cell_line(self, line: list[Piece]) -> str:
        """A line in a cell."""
        return self._line(line)

    def paragraph(self, line: list[Piece]) -> Block:
        """A paragraph."""
        return self._element("p", line)

    def text(self, item: TextItem) -> Block:
        """A heading, a paragraph, a task, a note."""
        line = self.line(item)
        match item:
            case TitleItem():
                return self._element("h1", line)
            case SectionHeaderItem():
                return self._element(f"h{min(item.level + 1, 6)}", line)
            case ListItem():  # outside of a list
                return Block(f"<ul>\n{self._item(item, line)}\n</ul>")
        if (is_done := TASKS.get(item.label)) is not None:
            box = f'<input type="checkbox" disabled{" checked" if is_done else ""}/>'
            return Block(f"<p>{box} {self._line(line)}</p>", is_task=True)
        return self._element("p", line)

    def code(self, item: CodeItem) -> Block:
        """A block of code."""
        text = "".join(part.text for part in self.line(item))
        name = language(item).strip()
        attribute = f' class="language-{html.escape(name.split()[0])}"' if name else ""
        return Block(f"<pre><code{attribute}>{html.escape(text, quote=False)}</code></pre>" if text else "")

    def formula(self, item: FormulaItem) -> Block:
        """A formula that stands alone."""
        text = "".join(part.text for part in self.line(item)).strip()
        return Block(f"<div>{_mathml(text, 'block')}</div>" if text else "")

    def list_of(self, group: ListGroup) -> Block:
        """A list."""
        items: list[str] = []
        for child in self.children(group):
            if isinstance(child, ListItem) and child.self_ref not in self._seen and self.is_shown(child):
                self._seen.add(child.self_ref)
                items.append(self._item(child, self.line(child)))
                continue
            for block in self.block(child):
                if block.is_task or not items:
                    items.append(f"<li>{block.text.removeprefix('<p>').removesuffix('</p>')}</li>")
                else:  # what stands between two items belongs to the first
                    items[-1] = f"{items[-1].removesuffix('</li>')}\n{block.text}</li>"
        tag = "ol" if self.is_enumerated(group) else "ul"
        return Block("\n".join([f"<{tag}>", *items, f"</{tag}>"]) if items else "", is_list=True)

    def quote(self, blocks: list[Block]) -> Block:
        """A quotation."""
        return Block("\n".join(["<blockquote>", *(b.text for b in blocks), "</blockquote>"]) if blocks else "")

    def table(self, item: TableItem) -> list[Block]:
        """A table with its captions and notes."""
        shown = []
        for i, row in enumerate(places(item.data)):
            shown.append("<tr>")
            for j, cell in enumerate(row):
                if (cell.start_row_offset_idx, cell.start_col_offset_idx) == (i, j):
                    shown.append(self._cell(cell))
            shown.append("</tr>")
        caption = self._captions(item, "caption")
        body = f"<tbody>{''.join(shown)}</tbody>" if shown else ""
        table = f"<table>{caption}{body}</table>" if caption or body else ""
        return [Block(table), *(self.paragraph(line) for line in self.footnotes(item))]

    def picture(self, item: PictureItem) -> list[Block]:
        """A picture with its captions and what is known of it."""
        shown = [self._captions(item, "figcaption")]
        shown += [self.paragraph([piece(text)]).text for text in described(item)]
        if item.meta and item.meta.tabular_chart:
            chart = TableItem(self_ref=item.self_ref, data=item.meta.tabular_chart.chart_data)
            shown += [block.text for block in self.table(chart)]
        content = "".join(shown)
        notes = [self.paragraph(line) for line in self.footnotes(item)]
        return [Block(f"<figure>{content}</figure>" if content else ""), *notes]

    def _captions(self, item: PictureItem | TableItem, tag: str) -> str:
        captions = [f'<div class="caption">{self._line(line)}</div>' for line in self.captions(item)]
        return f"<{tag}>{' '.join(captions)}</{tag}>" if captions else ""

    def _cell(self, cell: TableCell) -> str:
        tag = "th" if cell.column_header or cell.row_header or cell.row_section else "td"
        content = self.cell(cell)
        spans = "".join(
            f' {name}="{count}"'
            for name, count in (("rowspan", cell.row_span), ("colspan", cell.col_span))
            if count > 1
        )
        return f"<{tag}{spans}{_direction(content)}>{content}</{tag}>"

    def _item(self, item: ListItem, line: list[Piece]) -> str:
        style = f" style=\"list-style-type: '{_css(item.marker)} ';\"" if item.marker else ""
        text = self._line(line)
        inner = "\n".join(filter(None, [text, *(block.text for block in self.blocks(item))]))
        return f"<li{style}{_direction(text)}>{inner}</li>"

    def _element(self, tag: str, line: list[Piece]) -> Block:
        text = self._line(line)
        return Block(f"<{tag}{_direction(text)}>{text}</{tag}>" if text else "")

    def _line(self, line: list[Piece]) -> str:
        pieces = merged(line)
        return spaced(pieces, list(map(self._shown, pieces)))

    def _shown(self, part: Piece) -> str:
        match part.kind:
            case Kind.READY:
                return part.text
            case Kind.MATH:
                return _mathml(part.text.strip(), "inline")
            case Kind.CODE:
                text = f"<code>{html.escape(part.text, quote=False)}</code>"
            case _:
                text = html.escape(part.text, quote=False).replace("\n", "<br>")
        for has_mark, tag in (
            (part.is_bold, "strong"),
            (part.is_italic, "em"),
            (part.is_underlined, "u"),
            (part.is_struck, "del"),
            (part.script is Script.SUB, "sub"),
            (part.script is Script.SUPER, "sup"),
        ):
            if has_mark:
                text = f"<{tag}>{text}</{tag}>"
        if part.link and is_safe_hyperlink(uri := hyperlink_uri(part.link)):
            text = f'<a href="{html.escape(uri)}">{text}</a>'
        return text


def _mathml(tex: str, display: str) -> str:
    """A formula as MathML that carries its source, or as its source alone."""
    source = html.escape(tex, quote=False)
    if not tex:
        return ""
    try:
        shown = tostring(latex2mathml.converter.convert_to_element(tex, display=display), encoding="unicode")
    except Exception:  # noqa: BLE001 - it raises many kinds on what it does not know
        return f"<pre>{source}</pre>" if display == "block" else f"<code>{source}</code>"
    shown = shown.replace(_REFERENCE, "&#x")  # it writes references as text, which are escaped once more
    return f'{shown.removesuffix("</math>")}<annotation encoding="TeX">{source}</annotation></math>'


def _direction(content: str) -> str:
    return ' dir="rtl"' if get_text_direction(content) == "rtl" else ""


def _css(marker: str) -> str:
    """A marker inside of a string in an attribute's style."""
    text = marker.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\A ")
    return html.escape(text, quote=False).replace('"', "&quot;")
