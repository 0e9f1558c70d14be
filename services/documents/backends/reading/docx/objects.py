"""What a Word file refers to and nobody here can read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.documents.backends.reading.docx.names import Element, O, R, W
from services.documents.backends.reading.docx.places import Places

_FOREIGN = {
    W + "altChunk": "a document inside the document",
    W + "subDoc": "a subdocument",
    O + "OLEObject": "an embedded object",
    W + "control": "a control of a form",
}


def unread(document: Element, relationships: Any) -> Iterator[str]:
    """A sentence for each thing in the body that is a file of its own."""
    found = list(document.iter(*_FOREIGN))
    if not found:
        return
    places = Places(document)
    for element in found:
        yield f"{places.of(element)}: {_FOREIGN[element.tag]}{_name(element, relationships)} is not in the answer"


def _name(element: Element, relationships: Any) -> str:
    """What the thing is called."""
    relationship = relationships.get(element.get(R + "id", ""))
    target = relationship.target_ref.rpartition("/")[2] if relationship is not None else ""
    names = [name for name in (element.get("ProgID", ""), element.get(W + "name", ""), target) if name]
    return f" ({', '.join(names)})" if names else ""
