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


def read(source: Source, report: Report) -> DoclingDocument:
    """A page."""
    root = tree(source, text.decoded(source, report), is_xml=source.data.lstrip()[:5] == b"<?xml")
    document = text.empty(source, "text/html")
    if title := _title(root):
        document.add_title(text=title, content_layer=ContentLayer.FURNITURE)
    reader = HtmlReader(document, include=source.include)
    reader.read(root)
    report.passages += passages(root, "", shows=reader.shows, has_headers=Include.HEADERS in source.include)
    return document


def tree(source: Source, content: str, *, is_xml: bool = False) -> Element:
    """The tree of a page or a chapter.

    Raises:
        UnprocessableFile: it is nested too deeply.
    """
    try:
        return parsed(content, is_xml=is_xml)
    except TooDeep:
        raise UnprocessableFile(f"{source.filename}: nested more than {MOST_LEVELS} levels deep; flatten it") from None


def _title(root: Element) -> str:
    """The name of a page in its head."""
    for node in root.descendants():
        if isinstance(node, Element):
            if node.tag == "title":
                return node.words()
            if node.tag in ("body", "svg", "p", "div"):
                break
    return ""
