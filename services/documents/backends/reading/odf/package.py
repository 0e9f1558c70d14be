"""The parts of an OpenDocument file, as Docling has loaded them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from services.documents.backends.reading.odf import tree
from services.documents.backends.reading.odf.names import STYLE, Styles

_PARSER: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False}
_PRINTED = ("header", "header-left", "header-first", "footer", "footer-left", "footer-first")


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
            return etree.fromstring(data, parser=etree.XMLParser(**_PARSER))
        except (KeyError, ValueError, OSError, TypeError, etree.XMLSyntaxError):
            return None
