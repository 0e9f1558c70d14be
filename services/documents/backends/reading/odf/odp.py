"""ODP: Docling's backend on a plain tree, slide by slide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docling.backend.opendocument_backend import OdpDocumentBackend
from docling.datamodel.base_models import InputFormat
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.base import Include
from services.documents.backends.reading import layers
from services.documents.backends.reading.odf import tree
from services.documents.backends.reading.odf.names import (
    ANNOTATION,
    DC,
    DRAW,
    FRAME,
    GROUP,
    PRESENTATION,
    SPAN,
    SVG,
    TEXT,
    H,
    P,
)
from services.documents.backends.reading.odf.objects import unread
from services.documents.backends.reading.odf.package import Parts, mended
from services.documents.backends.reading.odf.passages import passages
from services.documents.backends.reading.odf.repeats import Repeats
from services.documents.backends.reading.parts import mending
from services.documents.backends.reading.reader import Report, Source, opened

_NOTES = f"{PRESENTATION}notes"
_CLASS = f"{PRESENTATION}class"
_FIELDS = {f"{PRESENTATION}{name}": f"{PRESENTATION}use-{name}-name" for name in ("header", "footer", "date-time")}
_PLACEHOLDER = f"{PRESENTATION}placeholder"


@mending(mended)
def read(source: Source, report: Report) -> DoclingDocument:
    """Read slides."""
    with opened(source, InputFormat.ODP, OdpDocumentBackend) as backend:
        parts = Parts(backend.odf_obj)
        pages = list(parts.body.iterchildren(f"{DRAW}page"))
        masters = parts.masters()
        printed = [_printed(page, parts, masters.get(page.get(f"{DRAW}master-page-name", ""))) for page in pages]
        for number, page in enumerate(pages, start=1):
            _drop_unshown(page)
            if Include.HIDDEN in source.include or not parts.styles.hides(
                "drawing-page", page.get(f"{DRAW}style-name")
            ):
                report.passages.extend(_passages(page, parts, source, f" of slide {number}"))
                report.problems.extend(unread(page, parts.load, f" of slide {number}"))
        comments = [list(_comments(page)) for page in pages]
        repeats = Repeats(report)
        for page in pages:
            repeats.limit(page)
            tree.write_formulas(page, parts.load)
            _flatten(page)
            tree.mend(page, parts.styles, source.include, parts.load)
        document: DoclingDocument = backend.convert()
    layers.strip_pieces(document)
    slides = [group for group in document.groups if group.name.startswith("slide-") and group.parent is not None]
    for slide, said, around in zip(slides, comments, printed, strict=False):
        _place(document, source, slide, said, around)
    return document


def _passages(page: Any, parts: Parts, source: Source, place: str) -> Iterator[Any]:
    for child in page:
        if child.tag != _NOTES or Include.SPEAKER_NOTES in source.include:
            yield from passages(child, parts.styles, source.include, place)


def _drop_unshown(page: Any) -> None:
    """Empty placeholders have a prompt, and notes pages a picture of their slide."""
    for frame in list(page.iter(f"{DRAW}frame")):
        if frame.get(_PLACEHOLDER) == "true" and frame.getparent() is not None:
            tree.remove(frame)
    for notes in page.iterchildren(_NOTES):
        for element in list(notes):
            if element.get(_CLASS) in {"page", "page-number", "date-time", "header", "footer"}:
                notes.remove(element)


def _comments(page: Any) -> Iterator[str]:
    """The comments of a slide, taken out of it: Docling takes their words for the slide's."""
    for annotation in [element for element in page.iter() if element.tag == ANNOTATION or _is_annotation(element)]:
        author = annotation.findtext(f"{DC}creator") or ""
        lines = ["".join(paragraph.itertext()).strip() for paragraph in annotation.iter(P, H)]
        tree.remove(annotation)
        if text := " ".join(filter(None, lines)):
            yield f"[author: {author}]: {text}" if author else text


def _is_annotation(element: Any) -> bool:
    """True for a comment in the namespace of older programs."""
    return isinstance(element.tag, str) and element.tag.endswith("}annotation") and "math" not in element.tag.lower()


def _flatten(page: Any) -> None:
    """The shapes of groups and links as shapes of the page, and the words for pictures as shapes of their own."""
    for group in reversed(list(page.iter(GROUP, f"{DRAW}a"))):
        for child in list(group):
            if child.tag not in {f"{SVG}title", f"{SVG}desc"}:
                group.addprevious(child)
        group.getparent().remove(group)
    for shape in page.iterchildren(FRAME, f"{DRAW}custom-shape"):
        if shape.tag != FRAME or shape.get(_CLASS) == "title":
            _as_title(shape)
    for described in list(page.iter(f"{SVG}title", f"{SVG}desc")):
        text = " ".join("".join(described.itertext()).split())
        frame = described.getparent()
        tree.remove(described)
        if text and frame.getparent() is not None and frame.getparent().tag != f"{DRAW}page":
            continue
        if text:
            shape = frame.makeelement(f"{DRAW}rect")
            paragraph = shape.makeelement(P)
            paragraph.text = text
            shape.append(paragraph)
            frame.addnext(shape)


def _as_title(shape: Any) -> None:
    """Docling makes a title of each piece of a title's line."""
    for link in shape.iter(f"{TEXT}a"):
        link.tag = SPAN
    tree.without_formats(shape)


def _printed(page: Any, parts: Parts, master: Any | None) -> list[str]:
    """What the master page adds to a slide: its header, footer and date, and texts that are no placeholders."""
    found = []
    declared = {
        declaration.get(f"{PRESENTATION}name"): (declaration.text or "").strip()
        for declaration in parts.body
        if isinstance(declaration.tag, str) and declaration.tag.endswith("-decl")
    }
    for use in _FIELDS.values():
        if text := declared.get(page.get(use)):
            found.append(text)
    for paragraph in [] if master is None else master.iter(P, H):
        holder = next((a for a in paragraph.iterancestors() if a.getparent() is master), None)
        is_own = holder is not None and holder.tag != _NOTES and holder.get(_CLASS) is None
        text = "".join(paragraph.itertext()).strip()
        if is_own and text:
            found.append(text)
    return found


def _place(document: DoclingDocument, source: Source, slide: Any, comments: list[str], printed: list[str]) -> None:
    if Include.HIDDEN in source.include and slide.content_layer is ContentLayer.INVISIBLE:
        _show(document, slide, ContentLayer.INVISIBLE)
    is_hidden = slide.content_layer is ContentLayer.INVISIBLE
    if Include.SPEAKER_NOTES in source.include and not is_hidden:
        _show(document, slide, ContentLayer.NOTES)
    if Include.HEADERS in source.include and not is_hidden:
        for text in printed:
            document.add_text(label=DocItemLabel.TEXT, text=text, parent=slide)
    layer = None if Include.COMMENTS in source.include and not is_hidden else ContentLayer.NOTES
    for text in comments:
        document.add_text(label=DocItemLabel.TEXT, text=text, parent=slide, content_layer=layer)


def _show(document: DoclingDocument, slide: Any, layer: ContentLayer) -> None:
    around = {layer, slide.content_layer}
    found = document.iterate_items(slide, with_groups=True, included_content_layers=around)
    for item in [item for item, _ in found if item.content_layer is layer]:
        item.content_layer = ContentLayer.BODY
