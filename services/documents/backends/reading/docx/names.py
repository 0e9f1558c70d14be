"""Names of WordprocessingML's elements, as lxml spells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"
V = "{urn:schemas-microsoft-com:vml}"
O = "{urn:schemas-microsoft-com:office:office}"  # noqa: E741 - its usual prefix

BODY, P, R_, T, TBL, TR, TC = (W + name for name in ("body", "p", "r", "t", "tbl", "tr", "tc"))
P_PR, R_PR, TR_PR, TC_PR = (W + name for name in ("pPr", "rPr", "trPr", "tcPr"))
HYPERLINK = W + "hyperlink"
TEXT_BOX = W + "txbxContent"
FIELD_CHARACTER, INSTRUCTION = W + "fldChar", W + "instrText"
VALUE = W + "val"
RUBY, FRAME = W + "ruby", W + "framePr"
NEW_CHART = "{http://schemas.microsoft.com/office/drawing/2014/chartex}chart"
EMOJI = "{http://schemas.microsoft.com/office/word/2015/wordml/symex}symEx"

Element = Any
"""An element of lxml; python-docx gives each a class of its own."""


def local(element: Element) -> str:
    """The name without its namespace; "" for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def is_on(element: Element | None) -> bool | None:
    """What a switch like `w:vanish` says; None where it is not set."""
    return None if element is None else element.get(VALUE, "1") not in {"0", "false", "off"}


def unwrap(element: Element, inside: Element | None = None) -> None:
    """Put the children of `inside`, or of the element itself, in the element's place."""
    for child in list(element if inside is None else inside):
        element.addprevious(child)
    remove(element)


def remove(element: Element) -> None:
    """Take an element out of its tree."""
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def blocks(container: Element) -> Iterator[Element]:
    """The paragraphs and tables that stand directly in a container."""
    for child in container:
        if child.tag in {P, TBL}:
            yield child
