"""What stands beside the text put where it belongs, once it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.labels import GroupLabel


def show(document: DoclingDocument, item: Any) -> None:
    """Bring an item and all below it into the text."""
    waiting = [item]
    while waiting:
        shown = waiting.pop()
        shown.content_layer = ContentLayer.BODY
        waiting.extend(reference.resolve(document) for reference in shown.children)


class Move(NamedTuple):
    """Where an item goes."""

    item: Any
    target: Any
    """What it goes into, or behind what."""
    where: Literal["first", "last", "behind"]


def rearrange(document: DoclingDocument, moves: Sequence[Move]) -> None:
    """Move items, all at once: each alone would look through all its neighbours.

    What goes behind a piece of a line goes behind the line.
    """
    moved = {move.item.self_ref for move in moves}
    parents: dict[str, Any] = {}
    placed: dict[tuple[str, str], list[Any]] = {}
    for item, target, where in moves:
        before = _parent(document, item)
        parents[before.self_ref] = before
        if where == "behind":
            target = _whole(document, target)  # noqa: PLW2901 - the line of it
        parent = _parent(document, target) if where == "behind" else target
        parents[parent.self_ref] = parent
        placed.setdefault((where, target.self_ref), []).append(item.get_ref())
        item.parent = parent.get_ref()
    for name, parent in parents.items():
        kept = [child for child in parent.children if child.cref not in moved]
        middle = [ref for child in kept for ref in (child, *placed.get(("behind", child.cref), ()))]
        parent.children = [*placed.get(("first", name), ()), *middle, *placed.get(("last", name), ())]


def _parent(document: DoclingDocument, item: Any) -> Any:
    return item.parent.resolve(document) if item.parent else document.body


def _whole(document: DoclingDocument, item: Any) -> Any:
    parent = _parent(document, item)
    while getattr(parent, "label", None) is GroupLabel.INLINE:
        item, parent = parent, _parent(document, parent)
    return item


def comment_groups(document: DoclingDocument) -> Iterable[Any]:
    """The comments of a document, as Docling groups them."""
    return [group for group in document.groups if group.label is GroupLabel.COMMENT_SECTION]


def strip_pieces(document: DoclingDocument) -> None:
    """Take the spaces from the ends of the pieces of lines: the renderers put one between any two; see `glue`."""
    for group in document.groups:
        if group.label is GroupLabel.INLINE:
            for reference in group.children:
                piece: Any = reference.resolve(document)
                if isinstance(getattr(piece, "text", None), str):
                    piece.text = piece.text.strip(" ")


def size(document: DoclingDocument, group: Any) -> tuple[float, float]:
    """How far right and how far down the items of a group reach, whatever layer they are in."""
    found = document.iterate_items(group, included_content_layers=set(ContentLayer))
    boxes = [place.bbox for item, _ in found for place in getattr(item, "prov", ())]
    return max((box.r for box in boxes), default=0), max((box.b for box in boxes), default=0)
