"""What Markdown is beside CommonMark: GitHub's tables, tasks and links, footnotes, formulas, terms."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import marko
from marko import block, inline
from marko.ext import footnote
from marko.ext.gfm import elements as gfm
from marko.helpers import MarkoExtension
from marko.html_renderer import HTMLRenderer

from services.documents.backends.reading.markdown.admonitions import Admonition, ContainerMark
from services.documents.backends.reading.markdown.bounds import Bounded
from services.documents.backends.reading.markdown.formulas import Literal, Math, MathBlock

_TAG_NAME = re.compile(r"</?([A-Za-z][\w.-]*)")
_RAW_NAMES = "script|style|title|textarea|xmp|iframe|noembed|noframes|plaintext|template"
_RAW = re.compile(rf"<(?=({_RAW_NAMES})\b)", re.IGNORECASE)
_RAW_END = re.compile(rf"</({_RAW_NAMES})\b", re.IGNORECASE)
"""Elements that swallow what follows where they are not closed."""
_TERM = re.compile(r"\n[ \t]*:[ \t]+")
_PARAGRAPH = re.compile(r"<p>")
_ALERT = re.compile(r"\A<p>(\[!\w+\][^\n<]*)\n")
"""The mark of an alert, which has a line of its own."""

_KNOWN = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "address",
        "area",
        "article",
        "aside",
        "audio",
        "b",
        "base",
        "basefont",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "body",
        "br",
        "button",
        "canvas",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "data",
        "datalist",
        "dd",
        "del",
        "details",
        "dfn",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "em",
        "embed",
        "fieldset",
        "figcaption",
        "figure",
        "font",
        "footer",
        "form",
        "frame",
        "frameset",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "hgroup",
        "hr",
        "html",
        "i",
        "iframe",
        "img",
        "input",
        "ins",
        "kbd",
        "label",
        "legend",
        "li",
        "link",
        "main",
        "map",
        "mark",
        "marquee",
        "math",
        "menu",
        "meta",
        "meter",
        "nav",
        "nobr",
        "noframes",
        "noscript",
        "object",
        "ol",
        "optgroup",
        "option",
        "output",
        "p",
        "param",
        "picture",
        "pre",
        "progress",
        "q",
        "rb",
        "rp",
        "rt",
        "rtc",
        "ruby",
        "s",
        "samp",
        "script",
        "search",
        "section",
        "select",
        "slot",
        "small",
        "source",
        "span",
        "strike",
        "strong",
        "style",
        "sub",
        "summary",
        "sup",
        "svg",
        "table",
        "tbody",
        "td",
        "template",
        "textarea",
        "tfoot",
        "th",
        "thead",
        "time",
        "title",
        "tr",
        "track",
        "tt",
        "u",
        "ul",
        "var",
        "video",
        "wbr",
        "g",
        "path",
        "text",
        "tspan",
        "circle",
        "rect",
        "line",
        "mi",
        "mn",
        "mo",
        "mrow",
        "msup",
        "msub",
        "mfrac",
        "msqrt",
    ]
)


class Paragraph(gfm.Paragraph):
    """A paragraph, which a table or a note may end."""

    override = True

    @classmethod
    def break_paragraph(cls, source: Any, lazy: bool = False) -> bool:  # noqa: FBT001, FBT002 - the library's
        """True where something else begins."""
        if super().break_paragraph(source, lazy) or source.expect_re(FootnoteDef.pattern):
            return True
        if source.parser.block_elements["Table"].match(source):
            source.reset()
            return True
        return False


class TableRow(gfm.TableRow):
    """A row of a table with all of its cells: GitHub drops those that its head has no column for."""

    override = True
    virtual = True

    @classmethod
    def parse(cls, source: Any) -> Any:
        """The row in the current line."""
        source.consume()
        starts = source.context.cell_starts
        return cls([gfm.TableCell(cell, start) for cell, start in zip(source.context.cells, starts, strict=True)])


class Table(gfm.Table):
    """A table."""

    override = True

    @classmethod
    def parse(cls, source: Any) -> Any:
        """The table that begins in the current line."""
        table = cls(**source.context.table_info)
        for cell in table.head.children:
            cell.header = True  # type: ignore[attr-defined]
        others = [kind for kind in source.parser._build_block_element_list() if not issubclass(kind, _OF_TABLES)]
        rows = [table.head]
        with source.under_state(table):
            while not source.exhausted and not any(kind.match(source) for kind in others) and TableRow.match(source):
                rows.append(TableRow.parse(source))
        table.children = rows
        return table


_OF_TABLES = (gfm.Table, block.Paragraph)


class Strikethrough(inline.InlineElement):
    """Text between two tildes on each side."""

    pattern = re.compile(r"(?<!~)~~([^~]+)~~(?!~)")
    parse_children = True


class FootnoteDef(footnote.FootnoteDef):
    """A note, which may begin in the line below its mark."""

    override = True
    pattern = re.compile(r" {,3}\[\^([^\]]+)\]:[^\n\S]*(?=\S| {4}|\n(?:[^\n\S]*\n)? {1,4}\S)")


class LinkRefDef(block.LinkRefDef):
    """The target of links, without a look at the rest of its paragraph: the library needs its start alone."""

    override = True
    pattern = re.compile(r" {,3}(\[)")


class Url(gfm.Url):
    """An address on its own; what is before an @ is no longer than any that exists."""

    override = True
    email_pattern = r"[\w.\-+]{1,64}@[\w.\-]{0,255}?\.[\w.\-]{0,255}[a-zA-Z0-9]"
    bare_pattern = re.compile(gfm.Url.bare_pattern.pattern.replace(gfm.Url.email_pattern, email_pattern))


class InlineHTML(inline.InlineHTML):
    """A tag or a comment; what has no end is not looked for up to the end of the text again and again."""

    override = True

    @classmethod
    def find(cls, text: str, *, source: Any) -> Iterator[Any]:
        """Those in a text, in order."""
        last = {start: text.rfind(end) for start, end in _ENDS.items()}
        at = text.find("<")
        while at >= 0:
            start = next((start for start in _ENDS if text.startswith(start, at)), "")
            match = None if start and last[start] < at else cls.pattern.match(text, at)
            if match:
                yield match
            at = text.find("<", match.end() if match else at + 1)


_ENDS = {"<!-->": ">", "<!--->": ">", "<!--": "-->", "<![CDATA[": "]]>", "<?": "?>", "<!": ">"}


class _Renderer:
    """How the extensions look in HTML, and what of Markdown our HTML reader has to be told."""

    def render_paragraph(self: Any, element: Any) -> str:
        """A paragraph, a task, terms with their definitions."""
        text = self.render_children(element)
        if hasattr(element, "checked"):
            text = f'<input type="checkbox"{" checked" if element.checked else ""}>{text}'
        if _TERM.search(text):
            terms, *definitions = _TERM.split(text)
            return "<dl>{}{}</dl>\n".format(
                "".join(f"<dt>{term}</dt>" for term in terms.split("\n")),
                "".join(f"<dd>{definition}</dd>" for definition in definitions),
            )
        return text if element._tight else f"<p>{text}</p>\n"

    def render_quote(self: Any, element: Any) -> str:
        """A quote, an alert."""
        text = _ALERT.sub(r"<p>\1</p>\n<p>", self.render_children(element))
        return f"<blockquote>{text}</blockquote>\n"

    def render_admonition(self: Any, element: Any) -> str:
        """A note that is set apart."""
        return f"<blockquote>{self.render_children(element)}</blockquote>\n"

    def render_container_mark(self: Any, element: Any) -> str:
        """The begin or the end of a container."""
        return f"<p>{self.render_children(element)}</p>\n"

    def render_strikethrough(self: Any, element: Any) -> str:
        """Text that is struck through."""
        return f"<del>{self.render_children(element)}</del>"

    def render_inline_html(self: Any, element: Any) -> str:
        """A tag, or text that only looks like one: `List<String>`."""
        text: str = element.children
        match = _TAG_NAME.match(text)
        if match and match[1].lower() not in _KNOWN and "-" not in match[1]:
            return html.escape(text)
        return _closed(text)

    def render_html_block(self: Any, element: Any) -> str:
        """HTML."""
        return _closed(element.body)

    def render_link(self: Any, element: Any) -> str:
        """A link."""
        return f'<a href="{html.escape(element.dest)}">{self.render_children(element)}</a>'

    def render_url(self: Any, element: Any) -> str:
        """An address."""
        return str(self.render_link(element))

    def render_image(self: Any, element: Any) -> str:
        """An image with all that is said of it."""
        (shown,) = re.findall(r'alt="([^"]*)"', HTMLRenderer.render_image(self, element))
        said = " ".join(filter(None, [shown, html.escape(html.unescape(element.title or ""))]))
        return f'<img alt="{said}">'

    def render_fenced_code(self: Any, element: Any) -> str:
        """A block of code."""
        language = html.escape(element.lang.strip("{}.,")) if element.lang else ""
        attribute = f' class="language-{language}"' if language else ""
        return f"<pre><code{attribute}>{html.escape(element.children[0].children)}</code></pre>\n"

    def render_code_block(self: Any, element: Any) -> str:
        """A block of code that is set in."""
        return str(self.render_fenced_code(element))

    def render_table(self: Any, element: Any) -> str:
        """A table."""
        return f"<table>{self.render_children(element)}</table>\n"

    def render_table_row(self: Any, element: Any) -> str:
        """A row."""
        return f"<tr>{self.render_children(element)}</tr>"

    def render_table_cell(self: Any, element: Any) -> str:
        """A cell."""
        tag = "th" if element.header else "td"
        return f"<{tag}>{self.render_children(element)}</{tag}>"

    def render_math(self: Any, element: Any) -> str:
        """A formula in a line, or one that is set apart in it."""
        return _math(element.tex, is_block=False)

    def render_math_block(self: Any, element: Any) -> str:
        """A formula on lines of its own."""
        return _math(element.tex, is_block=True)

    def render_footnote_ref(self: Any, element: Any) -> str:
        """The mark of a note."""
        return f"[^{html.escape(element.label)}]"

    def render_footnote_def(self: Any, element: Any) -> str:
        """A note, where it stands."""
        text = self.render_children(element)
        mark = f"[^{html.escape(element.label)}]: "
        text = _PARAGRAPH.sub(f"<p>{mark}", text, count=1) if text.startswith("<p>") else f"<p>{mark}</p>{text}"
        return f'<aside role="doc-footnote">{text}</aside>\n'


def _math(tex: str, *, is_block: bool) -> str:
    display = ' display="block"' if is_block else ""
    return f'<math{display}><annotation encoding="TeX">{html.escape(tex)}</annotation></math>'


def _closed(text: str) -> str:
    """HTML whose elements of raw text end in it; tags of others are text."""
    ends = {match[1].lower(): match.start() for match in _RAW_END.finditer(text)}  # the last ones
    return _RAW.sub(lambda match: match[0] if ends.get(match[1].lower(), -1) > match.start() else "&lt;", text)


_EXTENSION = MarkoExtension(
    elements=[
        Paragraph, LinkRefDef, Strikethrough, Url, InlineHTML, Table, TableRow, gfm.TableCell, footnote.Document,
        FootnoteDef, footnote.FootnoteRef, Literal, Math, MathBlock, Admonition, ContainerMark,
    ],
    parser_mixins=[Bounded],
    renderer_mixins=[_Renderer],
)  # fmt: skip


def to_html(text: str) -> str:
    """Markdown as HTML."""
    return str(marko.Markdown(extensions=[_EXTENSION])(text))
