"""The front, body and back of an article."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from docling.backend.xml.jats_backend import JatsDocumentBackend
from docling_core.types.doc.document import DoclingDocument
from lxml import etree

from services.documents.backends.reading import text
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.jats.flow import Flow, apart, name_of, said
from services.documents.backends.reading.line import Run, add_heading, add_line
from services.documents.backends.reading.reader import Report, Source

_Node = Any  # lxml has no types
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
_COMMAS = re.compile(r"\s*,(?:\s*[,;])*\s*")
_AWARD = (
    ".//institution|.//funding-source[not(.//institution)]|./award-id|./award-name|./award-desc"
    "|./principal-award-recipient|./principal-investigator"
)
_WORD = re.compile(r"\w+(?:[-./]\w+)*")
"""Also the number of a grant: AID-OAA-A-11-00048."""
_NOT_IN_ANOTHER = "not(ancestor::sub-article or ancestor::response)"


def read(source: Source, report: Report) -> DoclingDocument:
    """The document of an article, with the articles in it."""
    parsed = text.empty(source, "application/xml")
    content = _DECLARATION.sub("", text.decoded(source, report), count=1)
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False)
    root = etree.fromstring(content.encode(), parser=parser)
    report.passages.extend(_passages(root))
    _Article(parsed, Flow(parsed)).add(root)
    return parsed


class _Article:
    def __init__(self, document: DoclingDocument, flow: Flow) -> None:
        self._document = document
        self._flow = flow

    def add(self, root: _Node) -> None:
        """Add a whole file."""
        for meta in root.xpath(f"(//article-meta|//book-part-meta|//book-meta|//front-stub)[{_NOT_IN_ANOTHER}]"):
            self._front(meta)
        for part in ("body", "back", "floats-group"):
            for node in root.xpath(f"(//{part})[{_NOT_IN_ANOTHER}]"):
                self._flow.blocks(node, None, 1)
        for node in root.xpath(f"//*[self::sub-article or self::response][{_NOT_IN_ANOTHER}]"):
            self._other_article(node, 1)

    def _front(self, meta: _Node, level: int = 0) -> None:
        groups = meta.xpath("./title-group|./book-title-group")
        add_heading(self._document, [run for group in groups for run in self._title(group)], None, level)
        self._flow.add_notes(None)
        for node in meta.xpath("./title-group/alt-title|./title-group/trans-title-group/*|./title-group/fn-group"):
            self._flow.inline_block(node, None)
        for line in (self._authors(meta), self._affiliations(meta)):
            add_line(self._document, [Run(line)])
        for node in meta.xpath("./author-notes/*|./contrib-group//bio|./contrib-group/on-behalf-of"):
            self._flow.inline_block(node, None)
        for node in meta.xpath("./abstract|./trans-abstract"):
            self._abstract(node, level + 1)
        for node in meta.xpath("./kwd-group"):
            self._keywords(node)
        self._funding(meta)

    def _title(self, group: _Node) -> Iterator[Run]:
        for node in group:
            if name_of(node) in {"article-title", "book-title", "subtitle", "title", "label"}:
                runs = self._flow.runs(node)
                yield from runs
                yield Run(": " if node.getnext() is not None and name_of(node.getnext()) == "subtitle" else " ")

    def _authors(self, meta: _Node) -> str:
        found = meta.xpath('.//contrib-group/contrib[@contrib-type="author" or not(@contrib-type)]')
        return ", ".join(filter(None, map(JatsDocumentBackend._parse_contrib_name, found)))

    def _affiliations(self, meta: _Node) -> str:
        """Those of the authors, in the authors' order, then the others."""
        named = {node.get("id"): node for node in meta.xpath(".//aff[@id]")}
        order = [
            named[identifier]
            for reference in meta.xpath('.//contrib-group/contrib/xref[@ref-type="aff"]/@rid')
            for identifier in reference.split()
            if identifier in named
        ]
        texts = map(_affiliation, [*order, *meta.xpath(".//aff")])
        return "; ".join(dict.fromkeys(filter(None, texts)))

    def _abstract(self, node: _Node, level: int) -> None:
        if not "".join(node.itertext()).strip():
            return
        heading = [self._flow.runs(part) for part in node if name_of(part) in {"label", "title"}]
        title = [run for runs in heading for run in [*runs, Run(" ")]] or [Run("Abstract")]
        parent = add_heading(self._document, title, None, level)
        self._flow.blocks(node, parent, level + 1, without={"label", "title"})

    def _keywords(self, node: _Node) -> None:
        titles = [said(part) for part in node if name_of(part) in {"label", "title"}]
        words = list(_keywords(node))
        if words:
            title = " ".join(titles).rstrip(":") or "Keywords"
            add_line(self._document, [Run(f"{title}: {', '.join(filter(None, words))}")])

    def _funding(self, meta: _Node) -> None:
        """Statements of who paid, and the grants that they do not name."""
        for group in meta.xpath("./funding-group"):
            statements = group.xpath("./funding-statement|./open-access")
            for node in statements:
                self._flow.inline_block(node, None)
            told = {word for node in statements for word in _WORD.findall(said(node))}
            for award in group.xpath("./award-group"):
                parts = dict.fromkeys(filter(None, map(said, award.xpath(_AWARD))))
                if not told.issuperset(_WORD.findall(" ".join(parts))):
                    add_line(self._document, [Run(", ".join(parts))])

    def _other_article(self, node: _Node, level: int) -> None:
        for meta in node.xpath("./front-stub|./front/article-meta"):
            self._front(meta, level)
        for part in node:
            if name_of(part) in {"body", "back", "floats-group"}:
                self._flow.blocks(part, None, level + 1)
            elif name_of(part) in {"sub-article", "response"}:
                self._other_article(part, level + 1)


def _keywords(group: _Node) -> Iterator[str]:
    """Those of a group, with the ones in others."""
    for node in group:
        if name_of(node) == "nested-kwd":
            yield from _keywords(node)
        elif name_of(node) in {"kwd", "compound-kwd", "unstructured-kwd-group"}:
            yield apart(node)


def _affiliation(node: _Node) -> str:
    parts = [piece for piece in node.xpath(".//text()[not(parent::label)]") if piece.strip()]
    return _COMMAS.sub(", ", ", ".join(" ".join(part.split()) for part in parts)).strip(" ,")


_PLACES = (
    "title|subtitle|article-title|alt-title|kwd|p|td|th|entry|term|verse-line|code|preformat|attrib|mixed-citation"
    "|funding-statement"
)


def _passages(root: _Node) -> Iterator[Passage]:
    """The text of the smallest blocks."""
    for node in root.xpath(
        " | ".join(
            f"//{part}//*[local-name()='{name}'][not(ancestor::index-term)]"
            for part in (
                "title-group",
                "abstract",
                "trans-abstract",
                "kwd-group",
                "funding-group",
                "body",
                "back",
                "floats-group",
            )
            for name in _PLACES.split("|")
        )
    ):
        yield Passage(f"<{name_of(node)}> in line {node.sourceline}", "".join(_own(node)))


def _own(node: _Node) -> Iterator[str]:
    """The text of a block without that of the blocks in it, which have passages of their own, and of formulas."""
    yield node.text or ""
    for child in node:
        if isinstance(child.tag, str):
            name = name_of(child)
            yield " " if name in _OWN_PASSAGE else "".join(_own_inline(child))
        yield child.tail or ""


def _own_inline(node: _Node) -> Sequence[str]:
    if name_of(node) in _OWN_PASSAGE or not isinstance(node.tag, str):
        return " "
    parts = [node.text or ""]
    for child in node:
        parts.extend([*_own_inline(child), child.tail or ""])
    return parts


_OWN_PASSAGE = {
    *_PLACES.split("|"),
    "tex-math",
    "math",
    "alternatives",
    "index-term",
    "object-id",
    "table",
    "fn",
    "list",
}
