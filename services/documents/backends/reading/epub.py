"""EPUB: the chapters in the order in which they are read, each read as HTML."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from defusedxml.ElementTree import fromstring
from docling_core.types.doc.document import DoclingDocument

from services.documents.backends.base import Include
from services.documents.backends.reading import text
from services.documents.backends.reading.html import tree
from services.documents.backends.reading.html.dom import Element
from services.documents.backends.reading.html.passages import passages
from services.documents.backends.reading.html.reader import HtmlReader
from services.documents.backends.reading.reader import Report, Source

_CONTAINER = "META-INF/container.xml"
_CHAPTERS = frozenset(
    [
        "application/xhtml+xml",
        "text/html",
        "text/x-oeb1-document",
        "application/x-dtbook+xml",
        "image/svg+xml",
        "application/xml",
        "text/xml",
        "",
    ]
)
_MOST_FALLBACKS = 10
"""Parts that stand in for one another."""
_INSIDE = re.compile(r"(?!\w+:|//)[^#]*\.(?:xhtml|xht|xml|html?)(#.*)", re.IGNORECASE)
"""An address in another chapter, which is in the same document here."""


class _Chapter(NamedTuple):
    path: str
    kind: str
    is_navigation: bool


def read(source: Source, report: Report) -> DoclingDocument:
    """A book."""
    document = text.empty(source, "application/epub+zip")
    reader = HtmlReader(document, include=source.include, infers_headers=False, link=_link)
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        for chapter in _chapters(archive):
            if chapter.kind not in _CHAPTERS:
                report.problems.append(f"chapter {chapter.path}: its kind, {chapter.kind}, is not read")
                continue
            try:
                content = text.decode(archive.read(chapter.path))
            except (KeyError, zipfile.BadZipFile, NotImplementedError, EOFError, OSError):
                report.problems.append(f"chapter {chapter.path}: it is missing from the book, or damaged")
                continue
            root = tree(source, content, is_xml=True)
            if chapter.is_navigation:
                _drop_navigation(root)
            reader.read(root)
            report.passages += passages(
                root,
                f"chapter {chapter.path}, ",
                shows=reader.shows,
                has_headers=Include.HEADERS in source.include,
            )
    return document


def _chapters(archive: zipfile.ZipFile) -> Iterator[_Chapter]:
    """The chapters of a book, each once, as its spine orders them."""
    container = fromstring(archive.read(_CONTAINER))
    package = next(path for node in _named(container, "rootfile") if (path := node.get("full-path")))
    root = fromstring(archive.read(package))
    folder = posixpath.dirname(package)
    parts = {node.get("id"): node for node in _named(root, "item")}
    seen = set()
    for reference in _named(root, "itemref"):
        part = _readable(parts.get(reference.get("idref")), parts)
        if part is None:
            continue
        path = posixpath.normpath(posixpath.join(folder, unquote(part.get("href", "").partition("#")[0])))
        if path not in seen:
            seen.add(path)
            kind = part.get("media-type", "")
            yield _Chapter(path, kind, is_navigation="nav" in part.get("properties", "").split())


def _readable(part: Any, parts: Mapping[str | None, Any]) -> Any:
    """A part of a book, or what it names in its place where it is of no kind that is read; None for a picture."""
    found = part
    for _ in range(_MOST_FALLBACKS):
        if found is None or found.get("media-type", "") in _CHAPTERS:
            break
        found = parts.get(found.get("fallback"))
    else:
        found = None
    if found is not None:
        return found
    is_picture = part is not None and part.get("media-type", "").startswith("image/")
    return None if is_picture else part


def _named(root: Any, name: str) -> Iterator[Any]:
    """The elements of a name, whatever its namespace."""
    return (node for node in root.iter() if isinstance(node.tag, str) and node.tag.rpartition("}")[2] == name)


def _drop_navigation(root: Element) -> None:
    """A list of the chapters is no content: it says once more what their headings say."""
    for node in (root, *(node for node in root.descendants() if isinstance(node, Element))):
        node.children = [child for child in node.children if not (isinstance(child, Element) and child.tag == "nav")]


def _link(href: str) -> str:
    href = href.strip()
    inside = _INSIDE.fullmatch(href)
    return inside[1] if inside else href
