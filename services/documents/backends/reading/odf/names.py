"""Names of OpenDocument elements, and what their styles hide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_URN = "urn:oasis:names:tc:opendocument:xmlns:"
TEXT = f"{{{_URN}text:1.0}}"
TABLE = f"{{{_URN}table:1.0}}"
DRAW = f"{{{_URN}drawing:1.0}}"
OFFICE = f"{{{_URN}office:1.0}}"
STYLE = f"{{{_URN}style:1.0}}"
SVG = f"{{{_URN}svg-compatible:1.0}}"
PRESENTATION = f"{{{_URN}presentation:1.0}}"
DC = "{http://purl.org/dc/elements/1.1/}"
MATH = "{http://www.w3.org/1998/Math/MathML}"
HREF = "{http://www.w3.org/1999/xlink}href"

P, H = f"{TEXT}p", f"{TEXT}h"
SPAN = f"{TEXT}span"
SPACE, TAB, BREAK = f"{TEXT}s", f"{TEXT}tab", f"{TEXT}line-break"
NOTE, ANNOTATION, SCRIPT = f"{TEXT}note", f"{OFFICE}annotation", f"{TEXT}script"
FRAME, TEXT_BOX, OBJECT, GROUP = f"{DRAW}frame", f"{DRAW}text-box", f"{DRAW}object", f"{DRAW}g"
SHAPES = tuple(
    f"{DRAW}{name}"
    for name in (
        "custom-shape",
        "rect",
        "ellipse",
        "circle",
        "line",
        "polyline",
        "polygon",
        "regular-polygon",
        "path",
        "connector",
        "caption",
        "measure",
    )
)
LIST, LIST_ITEM = f"{TEXT}list", f"{TEXT}list-item"
CELL, COVERED, ROW = f"{TABLE}table-cell", f"{TABLE}covered-table-cell", f"{TABLE}table-row"


class Styles:
    """Which styles hide what they are put on."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self._own: dict[tuple[str, str], bool] = {}
        self._parents: dict[tuple[str, str], str] = {}
        for root in roots:
            for style in root.iter(f"{STYLE}style"):
                self._add(style)

    def _add(self, style: Any) -> None:
        key = (style.get(f"{STYLE}family", ""), style.get(f"{STYLE}name", ""))
        if parent := style.get(f"{STYLE}parent-style-name"):
            self._parents[key] = parent
        for properties in style.iterchildren():
            shown = properties.get(f"{TEXT}display") or properties.get(f"{TABLE}display")
            if properties.get(f"{PRESENTATION}visibility") == "hidden":
                shown = "none"
            if shown is not None:
                self._own[key] = shown in {"none", "false"}

    def hides(self, family: str, name: str | None) -> bool:
        """True when a style, or one that it is made from, hides its text."""
        seen = set()
        while name and name not in seen:
            seen.add(name)
            if (family, name) in self._own:
                return self._own[family, name]
            name = self._parents.get((family, name))
        return False
