"""ODT: Docling's backend on a plain tree."""

from __future__ import annotations

from typing import Any

from docling.backend.opendocument_backend import OdtDocumentBackend
from docling.datamodel.base_models import InputFormat
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.base import Include
from services.documents.backends.reading import layers
from services.documents.backends.reading.layers import Move
from services.documents.backends.reading.odf import tree
from services.documents.backends.reading.odf.names import NOTE, TEXT, H, P
from services.documents.backends.reading.odf.objects import unread
from services.documents.backends.reading.odf.package import Parts, mended
from services.documents.backends.reading.odf.passages import passages
from services.documents.backends.reading.odf.repeats import Repeats
from services.documents.backends.reading.parts import mending
from services.documents.backends.reading.reader import Report, Source, opened


@mending(mended)
def read(source: Source, report: Report) -> DoclingDocument:
    """Read a text."""
    with opened(source, InputFormat.ODT, OdtDocumentBackend) as backend:
        parts = Parts(backend.odf_obj)
        report.passages.extend(passages(parts.body, parts.styles, source.include, ""))
        report.problems.extend(unread(parts.body, parts.load, ""))
        repeats = Repeats(report)
        repeats.limit(parts.body)
        tree.mend(parts.body, parts.styles, source.include, parts.load)
        for printed in parts.printed():
            repeats.limit(printed)
            tree.mend(printed, parts.styles, source.include, parts.load)
        citations = _citations(parts.body)
        document: DoclingDocument = backend.convert()
    layers.strip_pieces(document)
    _place(document, source, citations)
    return document


def _citations(body: Any) -> list[str]:
    """The numbers of the notes that have text, as Docling lists them."""
    found = []
    for note in body.iter(NOTE):
        bodies = note.iterchildren(f"{TEXT}note-body")
        if any(tree.line(paragraph) for body in bodies for paragraph in body.iter(P, H)):
            found.append("".join("".join(part.itertext()) for part in note.iterchildren(f"{TEXT}note-citation")))
    return found


def _place(document: DoclingDocument, source: Source, citations: list[str]) -> None:
    if Include.FOOTNOTES in source.include:
        notes = [item for item in document.texts if item.label is DocItemLabel.FOOTNOTE]
        numbers = citations if len(citations) == len(notes) else [""] * len(notes)
        for note, number in zip(notes, numbers, strict=True):
            layers.show(document, note)
            note.text = note.orig = f"[{number.strip()}] {note.text}" if number.strip() else note.text
    if Include.COMMENTS in source.include:
        moves = []
        for group in layers.comment_groups(document):
            layers.show(document, group)
            owner = group.parent.resolve(document)
            if owner is not document.body:
                moves.append(Move(group, owner, "behind"))
        layers.rearrange(document, moves)
    if Include.HEADERS in source.include:
        headers = [group for group in document.groups if group.name == "page header"]
        footers = [group for group in document.groups if group.name == "page footer"]
        for group in [*headers, *footers]:
            layers.show(document, group)
        first = [Move(group, document.body, "first") for group in headers]
        layers.rearrange(document, [*first, *(Move(group, document.body, "last") for group in footers)])
