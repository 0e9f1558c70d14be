"""What a page says, read simply: its text nodes, cut where a block begins or ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.html.dom import BLOCKS, Element
from services.documents.backends.reading.mathml import source

_OUTSIDE = frozenset(["header", "nav", "footer"])
_APART = frozenset(["option", "optgroup", "button", "text", "mi", "mn", "mo", "ms", "mtext"])
_VALUES = frozenset(["hidden", "password", "file", "checkbox", "radio"])


def passages(root: Element, place: str, *, shows: Callable[[Element], bool], has_headers: bool) -> Iterator[Passage]:
    """The passages of a tree, in its order.

    Args:
        root: the tree.
        place: what is named in front of a line's number: "chapter text/a.xhtml, ".
        shows: whether an element is shown.
        has_headers: what stands in headers and footers is wanted.
    """
    text: list[str] = []
    where = root
    open_: list[tuple[Element, Iterator[Element | str]]] = [(root, iter(root.children))]
    while open_:
        element, children = open_[-1]
        for node in children:
            if isinstance(node, str):
                text.append(node)
            elif _is_read(node, shows, has_headers=has_headers):
                text.append(_said(node))
                if node.tag in BLOCKS or node.tag == "br":
                    yield from _passage(text, where, place)
                    where = node
                open_.append((node, iter(node.children)))
                break
        else:
            open_.pop()
            if element.tag in BLOCKS:
                yield from _passage(text, where, place)
                where = element
    yield from _passage(text, where, place)


def _is_read(node: Element, shows: Callable[[Element], bool], *, has_headers: bool) -> bool:
    if not shows(node) or (node.tag in _OUTSIDE and not has_headers):
        return False
    return not (node.tag == "math" and source(node.formula())) and node.tag not in ("annotation", "annotation-xml")


def _said(node: Element) -> str:
    """What an element says in its attributes."""
    if node.tag == "img":
        return f" {node.get('alt')} "
    if node.tag == "input" and node.get("type").strip().lower() not in _VALUES:
        return f" {node.get('value')} "
    return " " if node.tag in _APART else ""


def _passage(text: list[str], where: Element, place: str) -> Iterator[Passage]:
    if (said := "".join(text)).strip():
        yield Passage(f"{place}line {where.line}", said)
    text.clear()
