"""What stands beside the text put where it belongs, once it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


def move(document: DoclingDocument, item: Any, parent: Any, at: int) -> None:
    """Make an item a child of another parent, at a place among its children."""
    reference = item.get_ref()
    before = item.parent.resolve(document) if item.parent else document.body
    before.children = [child for child in before.children if child.cref != reference.cref]
    parent.children.insert(at, reference)
    item.parent = parent.get_ref()


def move_behind(document: DoclingDocument, item: Any, owner: Any) -> None:
    """Put an item behind another one; behind the whole line where that is a piece of it."""
    parent = owner.parent.resolve(document) if owner.parent else document.body
    if getattr(parent, "label", None) is GroupLabel.INLINE:
        return move_behind(document, item, parent)
    references = [child.cref for child in parent.children]
    move(document, item, parent, references.index(owner.self_ref) + 1)
    return None


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
