"""HTML as a tree, in one pass over its tags: end tags that may be left out are put in as a browser does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from html.parser import HTMLParser
from types import MappingProxyType

from services.documents.backends.reading.mathml import Node

MOST_LEVELS = 500
"""Browsers stop at 512; pages made by hand or by tools stay below 100."""

VOID = frozenset(
    [
        "area",
        "base",
        "basefont",
        "bgsound",
        "br",
        "col",
        "embed",
        "frame",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
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
        "legend",
        "li",
        "listing",
        "main",
        "menu",
        "nav",
        "noframes",
        "ol",
        "p",
        "plaintext",
        "pre",
        "search",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
        "video",
        "xmp",
    ]
)
"""Elements that begin and end on a line of their own."""
_FORMATTING = frozenset(
    [
        "a",
        "b",
        "bdi",
        "bdo",
        "big",
        "code",
        "em",
        "font",
        "i",
        "ins",
        "del",
        "kbd",
        "mark",
        "nobr",
        "q",
        "s",
        "samp",
        "small",
        "strike",
        "strong",
        "tt",
        "u",
    ]
)
_RAW = frozenset(["script", "style"])

_CELLS = frozenset(["td", "th"])
_ROOTS = frozenset(["table", "td", "th", "caption", "button", "object", "svg", "math", "template"])
"""What an implied end tag does not reach out of."""
_LISTS = frozenset(["ul", "ol", "menu", "dir"])


def _closing(closed: str, stops: Set[str]) -> tuple[Set[str], Set[str]]:
    return frozenset(closed.split()), stops


_CLOSES: Mapping[str, tuple[Set[str], Set[str]]] = MappingProxyType(
    {
        "li": _closing("li", _LISTS | _ROOTS | {"blockquote"}),
        "dt": _closing("dt dd", _ROOTS | {"dl"}),
        "dd": _closing("dt dd", _ROOTS | {"dl"}),
        "tr": _closing("tr td th caption colgroup", frozenset(["table"])),
        "td": _closing("td th caption", frozenset(["table", "tr"])),
        "th": _closing("td th caption", frozenset(["table", "tr"])),
        "thead": _closing("thead tbody tfoot tr td th caption colgroup", frozenset(["table"])),
        "tbody": _closing("thead tbody tfoot tr td th caption colgroup", frozenset(["table"])),
        "tfoot": _closing("thead tbody tfoot tr td th caption colgroup", frozenset(["table"])),
        "option": _closing("option", frozenset(["select", "datalist"])),
        "optgroup": _closing("option optgroup", frozenset(["select", "datalist"])),
        "rt": _closing("rb rt rp", frozenset(["ruby", "rtc"])),
        "rp": _closing("rb rt rp", frozenset(["ruby", "rtc"])),
        "rb": _closing("rb rt rp rtc", frozenset(["ruby"])),
        "rtc": _closing("rb rt rp rtc", frozenset(["ruby"])),
    }
)
"""What the start of an element ends, and what stops the search for it."""

_HIDDEN_STYLE = re.compile(r"display:none|visibility:(?:hidden|collapse)|opacity:0(?:\.0*)?(?:;|!|$)")
_DISPLAY = re.compile(r"display:(block|flex|grid|table|list-item|inline|contents)")
_SECTION = re.compile(r"<!\[(?!CDATA\[)")
_ANY_SECTION = re.compile(r"<!\[")
_SPACES = re.compile(r"\s+")
_BEGUN = re.compile(r"<[A-Za-z/!?].*", re.DOTALL)
_BEGUN_TAG = re.compile(r"</?[A-Za-z]")


class TooDeep(Exception):
    """Elements are nested more than `MOST_LEVELS` deep."""


class Element:
    """An element with its attributes and what stands in it."""

    __slots__ = ("attributes", "children", "line", "tag")

    def __init__(self, tag: str, attributes: dict[str, str], line: int) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []
        self.line = line

    def get(self, name: str) -> str:
        """An attribute; empty where it is missing."""
        return self.attributes.get(name, "")

    @property
    def classes(self) -> list[str]:
        """Its classes."""
        return self.get("class").split()

    @property
    def is_block(self) -> bool:
        """True when it stands on lines of its own."""
        if self.attributes and (style := self.get("style")) and (found := _DISPLAY.search(_plain(style))):
            return found[1] not in ("inline", "contents")
        return self.tag in BLOCKS

    @property
    def is_hidden(self) -> bool:
        """True when a browser does not show it."""
        if not self.attributes:
            return self.tag == "dialog"
        if "hidden" in self.attributes or (self.tag == "dialog" and "open" not in self.attributes):
            return True
        return bool((style := self.get("style")) and _HIDDEN_STYLE.search(_plain(style)))

    @property
    def is_formula(self) -> bool:
        """True for a script that MathJax shows as a formula."""
        return self.tag == "script" and self.get("type").strip().startswith("math/tex")

    def elements(self) -> Iterator[Element]:
        """The elements right below."""
        return (child for child in self.children if isinstance(child, Element))

    def descendants(self) -> Iterator[Element | str]:
        """Everything below, in order."""
        open_: list[Iterator[Element | str]] = [iter(self.children)]
        while open_:
            for child in open_[-1]:
                yield child
                if isinstance(child, Element):
                    open_.append(iter(child.children))
                    break
            else:
                open_.pop()

    def words(self) -> str:
        """Its text, on one line."""
        return " ".join("".join(child for child in self.descendants() if isinstance(child, str)).split())

    def formula(self) -> Node:
        """Its tree as that of a formula."""
        children: list[Node | str] = []
        for child in self.children:
            children.append(child if isinstance(child, str) else child.formula())
        return Node(name=self.tag.rpartition(":")[2], attributes=self.attributes, children=children)


def parsed(text: str, *, is_xml: bool = False) -> tuple[Element, str]:
    """The tree of a text, and the tag in the middle of which it ends: browsers show nothing of it.

    Args:
        text: HTML of any kind.
        is_xml: it is XHTML, where CDATA sections are text.

    Raises:
        TooDeep: see there.
    """
    builder = _Builder(is_xml=is_xml)
    sound, unfinished = _sound(text.replace("\0", "\ufffd"), is_xml=is_xml)
    builder.feed(sound)
    unfinished = builder.drop_unfinished() + unfinished
    builder.close()
    return builder.root, " ".join(unfinished.split())


def _sound(text: str, *, is_xml: bool) -> tuple[str, str]:
    """The text without what the parser gives up on or looks for in quadratic time, and the tag that it ends in."""
    text = (_SECTION if is_xml else _ANY_SECTION).sub("<!x[", text)
    end = text.rfind(">") + 1  # no tag ends behind it
    begun = _BEGUN.search(text, end)
    rest = begun[0] if begun else ""
    return (
        text[:end] + text[end : begun.start() if begun else None].replace("<", "&lt;"),
        rest if _BEGUN_TAG.match(rest) else "",
    )


class _Builder(HTMLParser):
    def __init__(self, *, is_xml: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("#root", {}, 1)
        self._is_xml = is_xml
        self._open = [self.root]
        self._counts: Counter[str] = Counter()

    def drop_unfinished(self) -> str:
        """Drop the tag in the middle of which all that was fed ends, and return it.

        One that is followed by other tags has a quote that is never closed: its words are kept.
        """
        if not _BEGUN_TAG.match(self.rawdata) or _BEGUN_TAG.search(self.rawdata, 1):
            return ""
        dropped, self.rawdata = self.rawdata, ""
        return dropped

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._close_implied(tag)
        element = Element(tag, {name: value or "" for name, value in reversed(attrs)}, self.getpos()[0])
        before = self._open[-1].children
        if element.is_formula:
            _drop_renderings(before)
        if not _is_rendering(before, element):
            before.append(element)
        if tag in VOID:
            return
        if len(self._open) > MOST_LEVELS:
            if tag in _FORMATTING:  # left open on old pages, a thousand times
                return
            raise TooDeep
        self._open.append(element)
        self._counts[tag] += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID and self._open[-1].tag == tag:
            self._close_to(len(self._open) - 1)

    def handle_endtag(self, tag: str) -> None:
        if tag == "br":
            self.handle_starttag(tag, [])
        if not self._counts[tag]:
            return
        for index in range(len(self._open) - 1, 0, -1):
            found = self._open[index].tag
            if found == tag:
                self._close_to(index)
                return
            if found in _CELLS and tag not in ("table", "tr", "tbody", "thead", "tfoot", "body", "html"):
                return  # an end tag in a cell ends nothing outside of it
            if tag in _FORMATTING and found in BLOCKS:
                return  # `<b><p>one</b>word`: the paragraph goes on

    def handle_data(self, data: str) -> None:
        parent = self._open[-1]
        if parent.tag not in _RAW or parent.is_formula:
            parent.children.append(data)

    def unknown_decl(self, data: str) -> None:
        if self._is_xml and data.startswith("CDATA["):
            self.handle_data(data.removeprefix("CDATA["))

    def _close_implied(self, tag: str) -> None:
        if tag in _CLOSES:
            closed, stops = _CLOSES[tag]
            self._close(closed, stops, is_last=tag not in ("tr", "thead", "tbody", "tfoot", "optgroup"))
        if tag in BLOCKS and self._counts["p"]:
            self._close(frozenset(["p"]), _ROOTS, is_last=True)

    def _close(self, closed: Set[str], stops: Set[str], *, is_last: bool) -> None:
        """Close what is open of some tags: the innermost one, or all up to where the search stops."""
        if not any(self._counts[tag] for tag in closed):
            return
        outermost = 0
        for index in range(len(self._open) - 1, 0, -1):
            tag = self._open[index].tag
            if tag in closed:
                outermost = index
                if is_last:
                    break
            elif tag in stops:
                break
        if outermost:
            self._close_to(outermost)

    def _close_to(self, index: int) -> None:
        self._counts.subtract(element.tag for element in self._open[index:])
        del self._open[index:]


def _drop_renderings(before: list[Element | str]) -> None:
    """Empty what a page that was saved shows in front of the source of a formula."""
    for node in reversed(before):
        if isinstance(node, Element) and any(name.startswith("MathJax") for name in node.classes):
            node.children.clear()
        elif isinstance(node, Element) or node.strip():
            break


def _is_rendering(before: list[Element | str], element: Element) -> bool:
    """True for what KaTeX shows behind the MathML of a formula."""
    source = before[-1] if before and "katex-html" in element.get("class") else None
    return isinstance(source, Element) and "katex-mathml" in source.classes


def _plain(style: str) -> str:
    return _SPACES.sub("", style.lower())
