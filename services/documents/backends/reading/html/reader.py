"""HTML to a document: blocks as they come, lines of text between them.

Docling's backend mends missing end tags in quadratic time, flattens the items of lists, and loses what it does not
know. This one walks the tree once, without recursion but for the cells of tables, and keeps every word in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile
from types import MappingProxyType
from typing import Any

from docling.utils.code_language import normalize_code_language
from docling_core.types.doc.common.formatting import Script
from docling_core.types.doc.common.meta import FloatingMeta
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.table.table_data import RichTableCell, TableCell, TableData
from docling_core.types.doc.labels import DocItemLabel, GroupLabel

from services.documents.backends.base import Include
from services.documents.backends.reading import glue, mathml
from services.documents.backends.reading.html.dom import Element
from services.documents.backends.reading.html.line import (
    BREAK,
    SPACE,
    Box,
    Picture,
    Run,
    Token,
    tidy,
)
from services.documents.backends.reading.html.tables import Place, parts, places, strays
from services.documents.backends.reading.html.writer import Figure, List, Slot, State, Writer
from services.documents.backends.reading.ordinals import alphabetic, roman
from services.documents.backends.reading.rendering.renderer import LANGUAGE, QUOTE

_LOOKS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        **{tag: {"bold": True} for tag in ("b", "strong")},
        **{tag: {"italic": True} for tag in ("i", "em", "var")},
        **{tag: {"strike": True} for tag in ("s", "strike", "del")},
        **{tag: {"underline": True} for tag in ("u", "ins")},
        **{tag: {"code": True} for tag in ("code", "kbd", "samp", "tt")},
        "sub": {"script": Script.SUB},
        "sup": {"script": Script.SUPER},
    }
)
_NO_LOOKS: Mapping[str, Any] = MappingProxyType({})
_STYLE = re.compile(
    r"(?:^|[;\s])(?:font-weight\s*:\s*(?P<weight>bold|normal|[1-9]00)|font-style\s*:\s*(?P<slope>italic|oblique|normal)"
    r"|text-decoration(?:-line)?\s*:(?P<line>[^;]*))"
)
_NO_TABLE = frozenset(["presentation", "none"])
NEVER_SHOWN = frozenset(
    ["script", "style", "template", "noscript", "noembed", "iframe", "datalist", "title", "rp", "defs", "metadata"]
)
"""Elements whose content no browser shows where scripts run."""
_LISTS = frozenset(["ul", "ol", "menu", "dir", "dl"])
_HEADINGS = frozenset(["h1", "h2", "h3", "h4", "h5", "h6"])
_APART = frozenset(
    [
        "button",
        "select",
        "option",
        "optgroup",
        "textarea",
        "svg",
        "text",
        "object",
        "canvas",
        "audio",
        "meter",
        "progress",
    ]
)
"""Elements in a line that stand apart from what is beside them."""
_VALUELESS = frozenset(["hidden", "password", "file"])
_NOTES = frozenset(["footnote", "endnote", "rearnote", "doc-footnote", "doc-endnote"])
_REFERENCES = frozenset(["noteref", "doc-noteref"])
_LANGUAGE = re.compile(r"(?:language-|lang-|highlight-source-|brush:\s*)([\w+#.-]+)")
_NUMBERS: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {
        "a": alphabetic,
        "A": lambda number: alphabetic(number).upper(),
        "i": roman,
        "I": lambda number: roman(number).upper(),
    }
)
"""Numbers of items by the type of their list."""
_PAGE = frozenset(["#root", "html", "body", "div", "main", "center"])


@dataclass(frozen=True, slots=True)
class _Frame:
    """An element whose children are being read."""

    children: Iterator[Element | str]
    outer: State
    is_block: bool
    leave: Callable[[], None] | None = None


class HtmlReader(Writer):
    """Reads trees of HTML into a document; see `Writer` for its arguments."""

    def read(self, root: Element) -> None:
        """Read a tree; what it holds comes behind what was read before."""
        if self._is_above:
            self._is_above = any(isinstance(node, Element) and node.tag in _HEADINGS for node in root.descendants())
        self._walk(root.children)

    def shows(self, element: Element) -> bool:
        """True when the content of an element is wanted."""
        if element.is_formula:
            return True
        if element.tag in NEVER_SHOWN:
            is_root = element.tag == "template" and bool(element.get("shadowrootmode"))
            return is_root or (element.tag == "title" and self._state.tag == "svg")
        return Include.HIDDEN in self._include or not element.is_hidden

    def _walk(self, nodes: Iterable[Element | str]) -> None:
        """Read nodes and all that stands in them."""
        open_ = [_Frame(iter(nodes), self._state, is_block=True)]
        while open_:
            frame = open_[-1]
            for node in frame.children:
                if isinstance(node, str):
                    self._line.append(Run(node, self._state.look))
                    self._was_custom = False
                elif self.shows(node) and (entered := self._enter(node)):
                    open_.append(entered)
                    break
            else:
                open_.pop()
                self._leave(frame)

    def _enter(self, element: Element) -> _Frame | None:
        """Begin an element; None where it was read as a whole."""
        is_line = self._state.is_flat and element.tag in ("table", "pre")
        if (read := _WHOLE.get(element.tag)) and not (is_line or _is_layout(element)):
            read(self, element)
            return None
        outer = self._state
        is_block = element.is_block
        if is_block and not (element.tag in ("p", "div") and self._begins_task()):
            self._end_line()
        self._state = replace(outer, tag=element.tag) if is_block or element.tag == "svg" else outer
        if enter := _ENTER.get(element.tag):
            return enter(self, element, outer)
        if looks := _looks(element):
            self._state = replace(self._state, look=replace(outer.look, **looks))
        if element.tag in _APART or ("-" in element.tag and self._was_custom):
            self._line.append(SPACE)
        return _Frame(iter(element.children), outer, is_block=is_block, leave=self._after(element))

    def _begins_task(self) -> bool:
        """True where a box stands in front of a paragraph."""
        return any(isinstance(token, Box) for token in self._line) and all(
            isinstance(token, Box) or (isinstance(token, Run) and not token.text.strip()) for token in self._line
        )

    def _after(self, element: Element) -> Callable[[], None] | None:
        if element.tag in _APART:
            return lambda: self._line.append(SPACE)
        if "-" in element.tag:
            return self._mark_custom
        return None

    def _mark_custom(self) -> None:
        self._was_custom = True

    def _leave(self, frame: _Frame) -> None:
        if frame.is_block:
            self._end_line()
        if frame.leave:
            frame.leave()
        self._state = frame.outer

    # Elements that change where the walk is.

    def _enter_link(self, element: Element, outer: State) -> _Frame:
        if href := self._link(element.get("href")):
            self._state = replace(self._state, look=replace(outer.look, link=href))
        if _REFERENCES & _kinds(element):  # a number that is no part of the word in front of it
            self._line.append(SPACE)
        return _Frame(iter(element.children), outer, is_block=element.is_block)

    def _enter_quoted(self, element: Element, outer: State) -> _Frame:
        self._line.append(Run('"', outer.look))
        return _Frame(
            iter(element.children), outer, is_block=False, leave=lambda: self._line.append(Run('"', outer.look))
        )

    def _enter_reading(self, element: Element, outer: State) -> _Frame:
        if any(node.tag == "rt" for node in element.elements()):  # `rtc`, whose readings have their own
            return _Frame(iter(element.children), outer, is_block=False)
        self._line.append(Run("(", outer.look))
        return _Frame(
            iter(element.children), outer, is_block=False, leave=lambda: self._line.append(Run(")", outer.look))
        )

    def _enter_option_group(self, element: Element, outer: State) -> _Frame:
        self._line += [SPACE, Run(element.get("label"), outer.look), SPACE]
        return _Frame(iter(element.children), outer, is_block=False)

    def _enter_list(self, element: Element, outer: State) -> _Frame:
        start = _whole(element.get("start"))
        step = 1
        if element.tag == "ol" and "reversed" in element.attributes:
            step = -1
            start = sum(node.tag == "li" for node in element.elements()) if start is None else start
        kind = {"ol": "ordered list", "dl": "description list"}.get(element.tag, "list")
        numbers = _NUMBERS.get(element.get("type").strip(), str) if element.tag == "ol" else str
        new = List(kind, outer, number=1 if start is None else start, step=step, shown=numbers)
        self._state = replace(self._state, list=new, slot=None)
        return _Frame(iter(element.children), outer, is_block=True)

    def _enter_item(self, element: Element, outer: State) -> _Frame:
        of = outer.list or List("list", outer)
        slot = Slot(of, element.tag, of.number)
        if (value := _whole(element.get("value"))) is not None:
            slot.number = of.number = value
        if element.get("role") == "checkbox":
            self._line.append(Box(element.get("aria-checked") == "true"))
        look = replace(outer.look, bold=True) if element.tag == "dt" else outer.look
        self._state = replace(self._state, slot=slot, list=None, look=look, parent=None)

        def leave() -> None:
            if slot.item is not None:
                of.number = slot.number + of.step

        return _Frame(iter(element.children), outer, is_block=True, leave=leave)

    def _enter_quote(self, element: Element, outer: State) -> _Frame:
        if not outer.is_in_cell and not outer.is_flat:
            group = self._document.add_group(
                label=GroupLabel.UNSPECIFIED, name=QUOTE, parent=self._container(), content_layer=self._layer()
            )
            self._state = replace(self._state, parent=group, slot=None, list=None)
        return _Frame(iter(element.children), outer, is_block=True)

    def _enter_heading(self, element: Element, outer: State) -> _Frame:
        if outer.is_flat:
            return _Frame(iter(element.children), outer, is_block=True)
        if not outer.is_in_cell:
            self._is_above = False
        self._state = replace(self._state, is_flat=True)
        level = int(element.tag[1])

        def leave() -> None:
            self._state = outer
            line = (part for part in self._take() if not isinstance(part, Box))
            tokens = tidy(line, is_typographic=self._is_typographic)
            if outer.slot or outer.is_in_cell or outer.label != DocItemLabel.TEXT:
                self._emit(tokens)
                return
            first, last = _pictures(tokens), _pictures(reversed(tokens))
            for picture in first:
                self._picture(picture, self._container())
            if said := tokens[len(first) : len(tokens) - len(last)]:
                self._heading(level, said)
                for picture in reversed(last):
                    self._picture(picture, self._container())

        return _Frame(iter(element.children), outer, is_block=False, leave=leave)

    def _enter_figure(self, element: Element, outer: State) -> _Frame:
        figure = Figure()
        self._state = replace(self._state, figure=figure)

        def leave() -> None:
            if figure.target is not None:
                figure.target.captions.extend(caption.get_ref() for caption in figure.captions)

        return _Frame(iter(element.children), outer, is_block=True, leave=leave)

    def _enter_caption(self, element: Element, outer: State) -> _Frame:
        self._state = replace(self._state, label=DocItemLabel.CAPTION)
        return _Frame(iter(element.children), outer, is_block=True)

    def _enter_part(self, element: Element, outer: State) -> _Frame:
        """A part of a page: what stands above it or at its foot is no part of its body."""
        kinds = _kinds(element)
        if element.tag == "footer" and outer.tag in _PAGE and Include.HEADERS not in self._include:
            self._state = replace(self._state, is_at_foot=True)
        if element.tag in ("header", "nav") or kinds & {"banner", "navigation"}:
            self._state = replace(self._state, is_at_top=True)
        if _NOTES & kinds:
            self._state = replace(self._state, label=DocItemLabel.FOOTNOTE)
        return _Frame(iter(element.children), outer, is_block=element.is_block)

    # Elements that are read as a whole.

    def _read_break(self, element: Element) -> None:  # noqa: ARG002 - as its neighbours
        self._line.append(SPACE if self._state.is_flat else BREAK)

    def _read_rule(self, element: Element) -> None:  # noqa: ARG002 - as its neighbours
        self._end_line()

    def _read_image(self, element: Element) -> None:
        self._line.append(Picture(element, self._state.look))

    def _read_input(self, element: Element) -> None:
        kind = element.get("type").strip().lower()
        if kind in ("checkbox", "radio"):
            self._line.append(Box("checked" in element.attributes))
        elif kind not in _VALUELESS:
            text = element.get("value") or element.get("placeholder") or element.get("alt")
            self._line += [SPACE, Run(text, self._state.look), SPACE]

    def _read_math(self, element: Element) -> None:
        text = "".join(map(str, element.children)) if element.tag == "script" else mathml.tex(element.formula())
        is_block = element.get("display") == "block" or "mode=display" in element.get("type")
        if is_block and not self._state.is_flat and not self._state.is_in_cell:
            self._end_line()
            if text:
                self._document.add_formula(text=text, parent=self._container(), content_layer=self._layer())
        elif text:
            self._line.append(Run(text, self._state.look, is_math=True))

    def _read_code(self, element: Element) -> None:
        self._end_line()
        parts = (
            ("\n" if node.tag == "br" else "") if isinstance(node, Element) else node for node in element.descendants()
        )
        text = re.sub(r"\A(?:[ \t]*\r?\n)+", "", "".join(parts)).rstrip()
        if not text:
            return
        named = _language(element)
        code = self._document.add_code(
            text=text,
            code_language=normalize_code_language(named),
            parent=self._container(),
            content_layer=self._layer(),
        )
        if named:
            code.meta = FloatingMeta()
            code.meta.set_custom_field(*LANGUAGE.split("__"), named)
        self._is_target(code)

    def _read_table(self, element: Element) -> None:
        self._end_line()
        outer = self._state
        self._walk(strays(element))
        captions = [node for node in element.elements() if node.tag == "caption" and self.shows(node)]
        for found, rows, columns in parts(*places(element, self.shows)):
            if not found and not captions:
                continue
            data = TableData(num_rows=rows, num_cols=columns)
            table = self._document.add_table(data=data, parent=self._container(), content_layer=self._layer())
            self._is_target(table)
            figure = Figure(target=table)
            self._state = replace(outer, label=DocItemLabel.CAPTION, figure=figure, slot=None, parent=table, list=None)
            self._walk(captions)
            table.captions.extend(caption.get_ref() for caption in figure.captions)
            for place in found:
                self._read_cell(place, table)
            self._state = outer
            captions = []

    def _read_cell(self, place: Place, table: Any) -> None:
        document = self._document
        name = f"rich_cell_group_{len(document.tables)}_{place.column}_{place.row}"
        group = document.add_group(label=GroupLabel.UNSPECIFIED, name=name, parent=table, content_layer=self._layer())
        first = len(document.texts)
        self._state = State(
            look=self._state.look, parent=group, is_in_cell=True, tag="td",
            is_at_top=self._state.is_at_top, is_at_foot=self._state.is_at_foot,
        )  # fmt: skip
        self._walk(place.cell.children)
        where: dict[str, Any] = {
            "row_span": place.row_span,
            "col_span": place.column_span,
            "start_row_offset_idx": place.row,
            "end_row_offset_idx": place.row + place.row_span,
            "start_col_offset_idx": place.column,
            "end_col_offset_idx": place.column + place.column_span,
            "column_header": place.is_header,
            "row_header": place.cell.tag == "th" and not place.is_header,
        }
        texts = document.texts[first:]
        if not group.children or _is_plain(document, group, texts):
            for _ in texts:
                document.texts.pop()
            document.groups.pop()
            table.children.pop()
            table.data.table_cells.append(TableCell(text=texts[0].text if texts else "", **where))
        else:
            text = glue.clean(glue.join(item.text for item in texts))
            table.data.table_cells.append(RichTableCell(text=text, ref=group.get_ref(), **where))


_Enter = Callable[[HtmlReader, Element, State], _Frame]
_ENTER: Mapping[str, _Enter] = MappingProxyType(
    {
        "a": HtmlReader._enter_link,
        "q": HtmlReader._enter_quoted,
        **dict.fromkeys(("rt", "rtc"), HtmlReader._enter_reading),
        "optgroup": HtmlReader._enter_option_group,
        **dict.fromkeys(_LISTS, HtmlReader._enter_list),
        **dict.fromkeys(("li", "dt", "dd"), HtmlReader._enter_item),
        "blockquote": HtmlReader._enter_quote,
        **dict.fromkeys(_HEADINGS, HtmlReader._enter_heading),
        "figure": HtmlReader._enter_figure,
        "figcaption": HtmlReader._enter_caption,
        **dict.fromkeys(("header", "nav", "footer", "aside", "section", "div", "p"), HtmlReader._enter_part),
    }
)
"""Elements that change where the walk is."""
_WHOLE: Mapping[str, Callable[[HtmlReader, Element], None]] = MappingProxyType(
    {
        "br": HtmlReader._read_break,
        "hr": HtmlReader._read_rule,
        **dict.fromkeys(("img", "image"), HtmlReader._read_image),
        "input": HtmlReader._read_input,
        **dict.fromkeys(("math", "script"), HtmlReader._read_math),
        **dict.fromkeys(("pre", "xmp", "listing", "plaintext"), HtmlReader._read_code),
        "table": HtmlReader._read_table,
    }
)
"""Elements that are read as a whole."""


def _kinds(element: Element) -> Set[str]:
    """What an element says that it is for."""
    if not element.attributes:
        return frozenset()
    return {*element.get("epub:type").split(), *element.get("role").split()}


def _is_layout(element: Element) -> bool:
    """True for a table that only places what is in it, by its own word."""
    return element.tag == "table" and bool(_NO_TABLE & _kinds(element))


def _looks(element: Element) -> Mapping[str, Any]:
    """How an element looks, by its name and its own style."""
    looks = _LOOKS.get(element.tag, _NO_LOOKS)
    return {**looks, **_styled(style)} if element.attributes and (style := element.get("style")) else looks


@lru_cache(maxsize=4096)
def _styled(style: str) -> Mapping[str, Any]:
    looks = {}
    for match in _STYLE.finditer(style.lower()):
        if weight := match["weight"]:
            looks["bold"] = weight.startswith("bold") or weight[0] in "6789"
        elif match["slope"]:
            looks["italic"] = match["slope"] != "normal"
        elif "line-through" in match["line"]:
            looks["strike"] = True
    return looks


def _whole(text: str) -> int | None:
    """A whole number as HTML writes it."""
    found = re.match(r"\s*([+-]?\d{1,9})", text)
    return int(found[1]) if found else None


def _language(element: Element) -> str:
    """The language of a block of code, by the classes that highlighters know."""
    for node in (element, *(child for child in element.elements() if child.tag == "code")):
        for text in (node.get("class"), node.get("data-lang") and f"lang-{node.get('data-lang')}"):
            if text and (found := _LANGUAGE.search(text)):
                return found[1]
    return ""


def _pictures(tokens: Iterable[Token]) -> list[Picture]:
    """The pictures with which a line begins."""
    return [
        token for token in takewhile(lambda token: isinstance(token, Picture), tokens) if isinstance(token, Picture)
    ]


def _is_plain(document: DoclingDocument, group: NodeItem, texts: list[Any]) -> bool:
    """True for the group of a cell that holds one plain text."""
    return (
        len(texts) == 1
        and len(group.children) == 1
        and document.groups[-1] is group
        and group.children[0].cref == texts[0].self_ref
        and texts[0].label == DocItemLabel.TEXT
        and not (texts[0].formatting or texts[0].hyperlink or texts[0].children)
    )
