"""Word: the package's tree is made plain, then Docling reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docling.datamodel.base_models import InputFormat
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.document import DoclingDocument
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.oxml import serialize_part_xml
from docx.opc.part import XmlPart
from docx.oxml import parse_xml
from lxml import etree

from services.documents.backends.base import Include
from services.documents.backends.reading import layers, opc
from services.documents.backends.reading.docx import annex, drawings, hidden, tables
from services.documents.backends.reading.docx.backend import WordBackend
from services.documents.backends.reading.docx.flatten import flatten
from services.documents.backends.reading.docx.names import HYPERLINK, Element, R, W, is_on
from services.documents.backends.reading.docx.objects import unread
from services.documents.backends.reading.docx.passages import Walk
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.layers import Move
from services.documents.backends.reading.parts import mending
from services.documents.backends.reading.reader import Report, Source, opened

_NOTES = {RELATIONSHIP_TYPE.FOOTNOTES: "footnote", RELATIONSHIP_TYPE.ENDNOTES: "endnote"}
_PAGES = {RELATIONSHIP_TYPE.HEADER: "page header", RELATIONSHIP_TYPE.FOOTER: "page footer"}


@mending(opc.mended)
def read(source: Source, report: Report) -> DoclingDocument:
    """Read a file; see `annex` for what `include` adds, and where."""
    with opened(source, InputFormat.DOCX, WordBackend) as backend:
        package = _Package(backend.docx_obj.part, source, report)
        package.tell()
        package.mend()
        if Include.HIDDEN in source.include:
            hidden.reveal(*package.roots(), package.styles)
            backend._uses_hidden_text = False
        package.insert(backend)
        package.write_notes()
        document: DoclingDocument = backend.convert()
        if Include.HEADERS in source.include:
            _put_around(document)
        return document


class _Package:
    """The parts of a file that hold text."""

    def __init__(self, part: Any, source: Source, report: Report) -> None:
        self._part = part
        self._include = source.include
        self._report = report
        self.body: Element = part.element.body
        related = [rel for rel in part.rels.values() if not rel.is_external]
        self._pages = [
            (_PAGES[rel.reltype], rel.target_part)
            for rel in related
            if rel.reltype in _PAGES and isinstance(rel.target_part, XmlPart)
        ]
        self._comments = next((rel.target_part for rel in related if rel.reltype == RELATIONSHIP_TYPE.COMMENTS), None)
        self._note_parts = {_NOTES[rel.reltype]: rel.target_part for rel in related if rel.reltype in _NOTES}
        self._notes = {kind: root for kind, part in self._note_parts.items() if (root := _parsed(part)) is not None}
        styles = next((rel.target_part for rel in related if rel.reltype == RELATIONSHIP_TYPE.STYLES), None)
        self.styles = styles.element if isinstance(styles, XmlPart) else None
        for root in self.roots():
            etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)  # they part the text of a run

    def roots(self) -> Iterator[Element]:
        """The root of every part with text."""
        yield self._part.element
        yield from (part.element for _, part in self._pages)
        yield from self._notes.values()
        if isinstance(self._comments, XmlPart):
            yield self._comments.element

    def tell(self) -> None:
        """Take down what the file says, before anything is mended."""
        hides = Include.HIDDEN not in self._include and any(
            next(root.iter(hidden.VANISH), None) is not None
            for root in [*self.roots(), self.styles]
            if root is not None
        )
        walk = Walk(
            hidden.Hiding(self.styles) if hides else None,
            show_changes=Include.CHANGES in self._include,
            related=self.related,
        )
        passages = self._report.passages
        if Include.HEADERS in self._include:
            passages.extend(self._said_on_pages(walk))
        passages.extend(walk.story(self.body))
        if Include.FOOTNOTES in self._include:
            passages.extend(self._said_in_notes(walk))
        if Include.COMMENTS in self._include and isinstance(self._comments, XmlPart):
            for comment in self._comments.element.iter(W + "comment"):
                passages.extend(walk.story(comment, f"the comment by {comment.get(W + 'author', '')}"))

    def _said_on_pages(self, walk: Walk) -> Iterator[Passage]:
        used = self._used_pages()
        for name, part in self._pages:
            if id(part) in used:
                yield from walk.story(part.element, f"the {name}")

    def _said_in_notes(self, walk: Walk) -> Iterator[Passage]:
        """What the notes say that the text refers to: Word shows no others."""
        shown = {
            (annex.REFERENCES[reference.tag], reference.get(W + "id"))
            for reference in self.body.iter(*annex.REFERENCES)
            if not walk.is_gone(reference)
        }
        for kind, root in self._notes.items():
            for i, note in enumerate(annex.proper_notes(root), 1):
                if (kind, note.get(W + "id")) in shown:
                    yield from walk.story(note, f"{kind} {i}")

    def mend(self) -> None:
        """Make every tree plain."""
        drawings.write_out_diagrams(self.body, self.related)
        aside = {id(root) for root in self._notes.values()} if Include.FOOTNOTES not in self._include else set()
        if isinstance(self._comments, XmlPart) and Include.COMMENTS not in self._include:
            aside.add(id(self._comments.element))
        for root in self.roots():
            self._report.problems += flatten(
                root, show_changes=Include.CHANGES in self._include, has_items=id(root) not in aside
            )
            tables.mend(root)
        self._report.problems += unread(self._part.element, self._part.rels)

    def insert(self, backend: WordBackend) -> None:
        """Put notes and comments into the body, where they are asked for."""
        annexes = annex.Annexes()
        if Include.FOOTNOTES in self._include and self._notes:
            self._take_over_links()
            backend.notes.update(annex.notes(self.body, self._notes, self._settings(), annexes))
            backend.keeps_notes_aside = False
        if Include.COMMENTS in self._include and isinstance(self._comments, XmlPart):
            annex.comments(self.body, self._comments.element, annexes)
            backend.keeps_comments_aside = False
        annexes.place(self.body)

    def write_notes(self) -> None:
        """Give Docling the notes as they are now: it parses their parts itself."""
        for kind, root in self._notes.items():
            self._note_parts[kind]._blob = serialize_part_xml(root)

    def related(self, relationship: str) -> Element | None:
        """The root of a part that the body refers to."""
        rel = self._part.rels.get(relationship)
        return None if rel is None or rel.is_external else _parsed(rel.target_part)

    def _used_pages(self) -> set[int]:
        """The headers and footers that some page has."""
        even = is_on(self._settings().find(W + "evenAndOddHeaders"))
        used: set[int] = set()
        for section in self.body.iter(W + "sectPr"):
            kinds = {"default"} | ({"even"} if even else set())
            kinds |= {"first"} if is_on(section.find(W + "titlePg")) else set()
            for reference in section.iter(W + "headerReference", W + "footerReference"):
                rel = self._part.rels.get(reference.get(R + "id"))
                if reference.get(W + "type", "default") in kinds and rel is not None and not rel.is_external:
                    used.add(id(rel.target_part))
        return used

    def _settings(self) -> Element:
        return self._part.settings.element

    def _take_over_links(self) -> None:
        """Make the links of notes links of the body."""
        for kind, root in self._notes.items():
            rels = self._note_parts[kind].rels
            for link in root.iter(HYPERLINK):
                rel = rels.get(link.get(R + "id", ""))
                if rel is not None and rel.is_external:
                    target = self._part.relate_to(rel.target_ref, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
                    link.set(R + "id", target)
                else:
                    link.attrib.pop(R + "id", None)


def _parsed(part: Any) -> Element | None:
    if isinstance(part, XmlPart):
        return part.element
    try:
        return parse_xml(part.blob)
    except SyntaxError:  # lxml's are of this class
        return None


def _put_around(document: DoclingDocument) -> None:
    """Make headers the first, and footers the last, of the body."""
    pages = [
        item
        for reference in document.body.children
        if (item := reference.resolve(document)).content_layer == ContentLayer.FURNITURE
        and getattr(item, "name", "") in _PAGES.values()
    ]
    for item in pages:
        _show(document, item)
    layers.rearrange(
        document,
        [Move(item, document.body, "first" if item.name == "page header" else "last") for item in pages],
    )


def _show(document: DoclingDocument, item: Any) -> None:
    """Bring a header into the text, but for what is hidden in it: `layers.show` takes all."""
    if item.content_layer == ContentLayer.FURNITURE:
        item.content_layer = ContentLayer.BODY
    for child in item.children:
        _show(document, child.resolve(document))
