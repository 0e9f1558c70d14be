"""HTML."""

from __future__ import annotations

from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.document import DoclingDocument

from services.common.errors import UnprocessableFile
from services.documents.backends.base import Include
from services.documents.backends.reading import text
from services.documents.backends.reading.html.dom import MOST_LEVELS, Element, TooDeep, parsed
from services.documents.backends.reading.html.passages import passages
from services.documents.backends.reading.html.reader import HtmlReader
from services.documents.backends.reading.reader import Report, Source

_SHOWN_LETTERS = 80


def read(source: Source, report: Report) -> DoclingDocument:
    """A page."""
    root = tree(source, text.decoded(source, report), report, is_xml=source.data.lstrip()[:5] == b"<?xml")
    document = text.empty(source, "text/html")
    if title := _title(root):
        document.add_title(text=title, content_layer=ContentLayer.FURNITURE)
    reader = HtmlReader(document, include=source.include)
    reader.read(root)
    report.passages += passages(root, "", shows=reader.shows, has_headers=Include.HEADERS in source.include)
    return document


def tree(source: Source, content: str, report: Report, place: str = "", *, is_xml: bool = False) -> Element:
    """The tree of a page or a chapter.

    Args:
        source: the file.
        content: what the page or chapter is made of.
        report: where it is told that the content ends too early.
        place: what is named in front of that: "chapter text/a.xhtml: ".
        is_xml: it is XHTML.

    Raises:
        UnprocessableFile: it is nested too deeply.
    """
    try:
        root, unfinished = parsed(content, is_xml=is_xml)
    except TooDeep:
        raise UnprocessableFile(f"{source.filename}: nested more than {MOST_LEVELS} levels deep; flatten it") from None
    if unfinished:
        shown = unfinished if len(unfinished) <= _SHOWN_LETTERS else f"{unfinished[:_SHOWN_LETTERS]} ..."
        report.problems.append(f"{place}it ends inside of a tag, which is not in the answer: {shown}")
    return root


def _title(root: Element) -> str:
    """The name of a page in its head."""
    for node in root.descendants():
        if isinstance(node, Element):
            if node.tag == "title":
                return node.words()
            if node.tag in ("body", "svg", "p", "div"):
                break
    return ""
