"""The parts of an OpenDocument file, as Docling has loaded them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from services.common.errors import UnprocessableFile
from services.documents.backends.reading.odf import tree
from services.documents.backends.reading.odf.names import STYLE, Styles
from services.documents.backends.reading.parts import Archive, parsed
from services.documents.backends.reading.reader import Report, Source

_CONTENT, _STYLES, _MANIFEST = "content.xml", "styles.xml", "META-INF/manifest.xml"
_MANIFEST_NAMES = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"
_OFFICE_NAME = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_EMPTY_STYLES = f'<office:document-styles xmlns:office="{_OFFICE_NAME}"/>'.encode()
_PRINTED = ("header", "header-left", "header-first", "footer", "footer-left", "footer-first")


def mended(source: Source, report: Report, *, thoroughly: bool) -> Source:
    """The file without the parts that are damaged; the report names them, and those that are missing.

    Raises:
        UnprocessableFile: the content is damaged or missing.
    """
    archive = Archive(source.data)
    listed = _listed(archive)
    if (thoroughly or _CONTENT not in archive.names) and (damage := archive.damage(_CONTENT)):
        raise UnprocessableFile(f"{source.filename}: {_CONTENT}: {damage}")
    changed: dict[str, bytes | None] = {}
    said = {name for name in archive.names | listed if _says(name)}
    for name in sorted(archive.names | said if thoroughly else said):
        if not (damage := archive.damage(name)):
            continue
        changed[name] = _EMPTY_STYLES if name == _STYLES else None
        if says := _says(name):
            report.problems.append(f"{name}: {damage}; {says} not in the answer")
    return replace(source, data=archive.rewritten(changed)) if changed else source


def _listed(archive: Archive) -> set[str]:
    """The parts that the file says it has."""
    root = None if archive.damage(_MANIFEST) else parsed(archive.read(_MANIFEST))
    entries = [] if root is None else list(root.iter(f"{_MANIFEST_NAMES}file-entry"))
    return {entry.get(f"{_MANIFEST_NAMES}full-path", "") for entry in entries}


def _says(name: str) -> str:
    """What an answer has of a part."""
    if name == _STYLES:
        return "its headers, footers and styles are"
    return "its object (a chart, a formula) is" if name.endswith(f"/{_CONTENT}") else ""


class Parts:
    """The trees of a file that Docling will read."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self.body: Any = document.body._xml_element
        self._content: Any = document.content.root._xml_element
        names = document.container.get_parts()
        self._styles: Any = document.styles.root._xml_element if "styles.xml" in names else None
        roots = [root for root in (self._content, self._styles) if root is not None]
        for root in roots:
            tree.own_names(root)
        self.styles = Styles(roots)

    def printed(self) -> Iterator[Any]:
        """The headers and footers of all kinds of pages."""
        if self._styles is not None:
            for page in self._styles.iter(f"{STYLE}master-page"):
                for kind in _PRINTED:
                    yield from page.iterchildren(f"{STYLE}{kind}")

    def masters(self) -> dict[str, Any]:
        """The master pages by their names."""
        if self._styles is None:
            return {}
        return {page.get(f"{STYLE}name", ""): page for page in self._styles.iter(f"{STYLE}master-page")}

    def load(self, reference: str) -> Any | None:
        """The root of an embedded object's content; None where it cannot be read."""
        try:
            data = self._document.container.get_part(f"{reference.removeprefix('./').rstrip('/')}/content.xml")
            return parsed(data)
        except (KeyError, ValueError, OSError, TypeError):
            return None
