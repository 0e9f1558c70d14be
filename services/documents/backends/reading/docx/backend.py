"""Docling's backend for Word, with pieces of a line that keep what stood between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docling.backend.msword_backend import MsWordDocumentBackend
from docling_core.types.doc.common.meta import DescriptionMetaField
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.group import InlineGroup
from docling_core.types.doc.items.picture.meta import PictureMeta
from docling_core.types.doc.items.text import TextItem
from docling_core.types.doc.labels import DocItemLabel, GroupLabel
from docx.text.paragraph import Paragraph
from typing_extensions import override

from services.documents.backends.reading.docx import xpath
from services.documents.backends.reading.docx.formulas import FORMULA, FORMULA_END
from services.documents.backends.reading.docx.names import TBL, TEXT_BOX, WP, Element, P, W, blocks
from services.documents.backends.reading.drawings import description
from services.documents.backends.reading.glue import GLUE, is_glued

xpath.register()

_FORMULA = re.compile(f"{FORMULA}(.*?){FORMULA_END}", re.DOTALL)
_PLAIN_LABELS = ("Title", "Heading", "Code")

Piece = tuple[str, Any, Any]
"""Text, its formatting, and the target of its link; a formula stands between marks."""
_NOTHING: Piece = ("", None, None)


class WordBackend(MsWordDocumentBackend):
    """Reads a tree that `flatten` has made plain."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.notes: set[Element] = set()
        """Paragraphs that are footnotes or endnotes, where they were put into the body."""
        self.keeps_notes_aside = True
        self.keeps_comments_aside = True
        self._pieces: list[Piece] = []

    @override
    def _get_paragraph_elements(self, paragraph: Paragraph) -> list[Piece]:
        self._pieces = pieces(self._get_paragraph_content(paragraph))
        return self._pieces

    @override
    def _get_paragraph_text(self, paragraph: Paragraph) -> str:
        """The text; "" if it is formulas only, which Docling makes blocks of."""
        text: str = super()._get_paragraph_text(paragraph)
        return text if FORMULA not in text or _FORMULA.sub("", text).strip() else ""

    @override
    def _handle_equations_in_text(self, element: Element, text: str) -> tuple[str, list[str]]:
        if element.tag == P:
            paragraph = Paragraph(element, self.docx_obj)
            text = "".join(piece[0] for piece in self._get_paragraph_content(paragraph))
            if FORMULA in text and self._get_label_and_level(paragraph)[0] in _PLAIN_LABELS:
                return _FORMULA.sub(r"$\1$", text), []
        if FORMULA not in text:
            return text, []
        return _FORMULA.sub(r"<eq>\1</eq>", text), [f"<eq>{latex}</eq>" for latex in _FORMULA.findall(text)]

    @override
    def _add_inline_equations_to_parent(
        self,
        *,
        doc: DoclingDocument,
        parent: Any,
        text: str,
        equations: list[str],
        elem_ref: list[Any] | None = None,
    ) -> None:
        for words, formatting, link in self._pieces:
            is_formula = words.startswith(FORMULA)
            item = doc.add_text(
                label=DocItemLabel.FORMULA if is_formula else DocItemLabel.TEXT,
                parent=parent,
                text=words.replace(FORMULA, "").replace(FORMULA_END, ""),
                formatting=None if is_formula else formatting,
                hyperlink=link,
                content_layer=self.content_layer,
            )
            if elem_ref is not None:
                elem_ref.append(item.get_ref())

    @override
    def _handle_text_elements(self, element: Element, doc: DoclingDocument, skip_empty_text: bool = False) -> list[Any]:
        added: list[Any] = super()._handle_text_elements(element, doc, skip_empty_text)
        if element in self.notes:
            for reference in added:
                item = reference.resolve(doc)
                if isinstance(item, TextItem) and item.label == DocItemLabel.TEXT:
                    item.label = DocItemLabel.FOOTNOTE
        return added if len(added) < 2 else _lines(added, doc)

    @override
    def _handle_textbox_content(self, textbox_elements: list[Element], doc: DoclingDocument) -> list[Any]:
        """Read the boxes as they stand: Docling sorts their paragraphs, and takes tables apart."""
        level = self._get_level()
        group = doc.add_group(
            label=GroupLabel.SECTION,
            parent=self.parents[level - 1],
            name="textbox",
            content_layer=self.content_layer,
        )
        added = [group.get_ref()]
        with self._isolated_list_context():
            self.parents[level] = group
            for block in _blocks_of_boxes(textbox_elements):
                if block.tag == TBL:
                    added.extend(self._handle_tables(block, doc))
                else:
                    added.extend(self._handle_text_elements(block, doc))
                    added.extend(self._pictures_of(block, doc))
        return added

    @override
    def _handle_pictures(self, drawing_blip: list[Element], doc: DoclingDocument) -> list[Any]:
        """Read pictures, with what is said to stand for them."""
        added: list[Any] = super()._handle_pictures(drawing_blip, doc)
        told: set[Element] = set()
        for blip, reference in zip(drawing_blip, added, strict=True):
            properties = next((p for p in map(_properties, blip.iterancestors(W + "drawing")) if p is not None), None)
            if properties is None or properties in told or not (text := description(properties)):
                continue
            told.add(properties)
            self._describe(reference.resolve(doc), text)
        return added

    @override
    def _handle_vml_pictures(self, vml_imagedatas: list[Element], doc: DoclingDocument) -> list[Any]:
        """The same for pictures as older programs write them."""
        added: list[Any] = super()._handle_vml_pictures(vml_imagedatas, doc)
        for image, reference in zip(vml_imagedatas, added, strict=True):
            if text := description(image.getparent(), "alt"):
                self._describe(reference.resolve(doc), text)
        return added

    def _describe(self, picture: Any, text: str) -> None:
        picture.meta = PictureMeta(description=DescriptionMetaField(text=text))
        picture.content_layer = self.content_layer  # a spacer that is described is none

    def _pictures_of(self, paragraph: Element, doc: DoclingDocument) -> list[Any]:
        if blips := self.blip_xpath_expr(paragraph):
            return list(self._handle_pictures(blips, doc))
        if images := self.vml_imagedata_xpath_expr(paragraph):
            return list(self._handle_vml_pictures(images, doc))
        drawings = list(paragraph.iter(W + "drawing"))
        charts = [drawing for drawing in drawings if self._is_chart_drawing(drawing)]
        if drawings and not charts:
            self._handle_drawingml(doc=doc, drawingml_els=drawings)
        return [added for chart in charts if (added := self._handle_chart(doc, chart)) is not None]

    @override
    def _add_footnotes_and_endnotes(self, docx_obj: Any, doc: DoclingDocument) -> None:
        if self.keeps_notes_aside:
            super()._add_footnotes_and_endnotes(docx_obj, doc)

    @override
    def _add_comments(self, docx_obj: Any, doc: DoclingDocument) -> None:
        if self.keeps_comments_aside:
            super()._add_comments(docx_obj, doc)


def _lines(added: list[Any], doc: DoclingDocument) -> list[Any]:
    """What was added, with lines for their pieces: a cell takes out what it gets, and a line would fall apart."""
    lines: dict[str, Any] = {}
    for reference in added:
        parent = reference.resolve(doc).parent
        is_piece = parent is not None and isinstance(parent.resolve(doc), InlineGroup)
        kept = parent if is_piece else reference
        lines[kept.cref] = kept
    return list(lines.values())


def _properties(drawing: Element) -> Element | None:
    return next(drawing.iter(WP + "docPr"), None)


def _blocks_of_boxes(elements: list[Element]) -> Iterator[Element]:
    for element in elements:
        if element.tag == TEXT_BOX:
            yield from blocks(element)
        elif element.tag == P and not any(True for _ in element.iterancestors(TEXT_BOX)):
            yield element


def pieces(content: list[Piece]) -> list[Piece]:
    """The runs of a paragraph, those of one format together; what touches the next ends with glue."""
    if not any(text.strip() for text, _, _ in content):
        return [_NOTHING]
    found: list[_Group] = []
    between = ""
    for text, formatting, link in _without_formulas(content):
        if not text.strip() and (link is None or not text):
            between += text
            continue
        if found and found[-1].continues_with(text, formatting, link):
            found[-1].texts += [between, text]
        else:
            if found and not between:
                found[-1].is_glued = is_glued(found[-1].texts[-1], text)
            found.append(_Group([text], formatting, link))
        between = ""
    return [("".join(group.texts).strip() + GLUE * group.is_glued, group.formatting, group.link) for group in found]


@dataclass(slots=True)
class _Group:
    texts: list[str]
    formatting: Any
    link: Any
    is_glued: bool = False

    def continues_with(self, text: str, formatting: Any, link: Any) -> bool:
        is_formula = FORMULA in self.texts[0] or FORMULA in text
        return link is None and self.link is None and self.formatting == formatting and not is_formula


def _without_formulas(content: list[Piece]) -> Iterator[Piece]:
    """The runs, with each formula a piece of its own."""
    for text, formatting, link in content:
        if FORMULA not in text:
            yield text, formatting, link
            continue
        for part in re.split(f"({FORMULA}.*?{FORMULA_END})", text, flags=re.DOTALL):
            if part:
                yield part, formatting, link
