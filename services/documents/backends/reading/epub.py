"""EPUB: the chapters in the order in which they are read, each read as HTML."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping, Set
from typing import Any, NamedTuple
from urllib.parse import unquote
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring
from docling_core.types.doc.document import DoclingDocument

from services.common.errors import UnprocessableFile
from services.documents.backends import encodings
from services.documents.backends.base import Include
from services.documents.backends.formats import PACKAGE_ERRORS, is_noise
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
_ENCRYPTION = "META-INF/encryption.xml"
_HEAD_BYTES = 8192
_INSIDE = re.compile(r"(?!\w+:|//)[^#]*\.(?:xhtml|xht|xml|html?)(#.*)", re.IGNORECASE)
"""An address in another chapter, which is in the same document here."""

_END = re.compile(r"</html\s*>", re.IGNORECASE)


class _Chapter(NamedTuple):
    path: str
    kind: str
    is_navigation: bool


def read(source: Source, report: Report) -> DoclingDocument:
    """A book."""
    document = text.empty(source, "application/epub+zip")
    reader = HtmlReader(document, include=source.include, infers_headers=False, link=_link)
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        chapters = list(_chapters(archive))
        if not _encrypted(archive).isdisjoint(chapter.path for chapter in chapters):
            raise UnprocessableFile(f"{source.filename}: protected by DRM; send a copy without")
        for chapter in chapters:
            if chapter.kind not in _CHAPTERS:
                report.problems.append(f"chapter {chapter.path}: its kind, {chapter.kind}, is not read")
                continue
            root = _tree(archive, chapter, source, report)
            if root is None:
                report.problems.append(f"chapter {chapter.path}: it is missing from the book, or damaged")
                continue
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


def _tree(archive: zipfile.ZipFile, chapter: _Chapter, source: Source, report: Report) -> Element | None:
    """The tree of a chapter; None for one that is missing or damaged."""
    try:
        data = archive.read(chapter.path)
    except (KeyError, *PACKAGE_ERRORS):
        return None
    if is_noise(data[:_HEAD_BYTES]):
        return None
    content, problems = encodings.decode(data)
    place = f"chapter {chapter.path}: "
    cut = Report()
    root = tree(source, content, cut, place, is_xml=True)
    if not _has_content(root):
        return None
    if not cut.problems and not _ends(root, content):
        cut.problems.append(f"{place}it ends before its end tag </html>; what followed is not in the answer")
    report.problems += [*(place + problem for problem in problems), *cut.problems]
    return root


def _ends(root: Element, content: str) -> bool:
    """False for a page without its end tag, which XML requires: its end was cut off."""
    return not any(element.tag == "html" for element in root.elements()) or _END.search(content) is not None


def _has_content(root: Element) -> bool:
    """False for no element but a page and its head: a chapter has a body, if only of pictures."""
    return any(
        element.tag != "html"
        or any(child.tag != "head" if isinstance(child, Element) else child.strip() for child in element.children)
        for element in root.elements()
        if element.tag != "head"
    )


def _encrypted(archive: zipfile.ZipFile) -> Set[str]:
    """Paths of what a book says that it is encrypted: often its fonts, with DRM its chapters too."""
    try:
        root = fromstring(archive.read(_ENCRYPTION))
    except (KeyError, ParseError, *PACKAGE_ERRORS):
        return frozenset()
    references = (node.get("URI", "") for node in _named(root, "CipherReference"))
    return {posixpath.normpath(unquote(reference).lstrip("/")) for reference in references}


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
