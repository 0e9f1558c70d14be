"""PPTX: Docling's backend on slides whose every text stands in a shape that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from copy import deepcopy
from itertools import pairwise
from typing import Any

from docling.backend.mspowerpoint_backend import MsPowerpointDocumentBackend
from docling.datamodel.base_models import InputFormat
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.labels import DocItemLabel, GroupLabel
from lxml import etree
from pptx.oxml import parse_xml

from services.documents.backends.base import Include
from services.documents.backends.reading import drawings, layers, opc
from services.documents.backends.reading.drawings import A14, MC, A, C, R
from services.documents.backends.reading.glue import GLUE, is_glued
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.layers import Move
from services.documents.backends.reading.omml import M
from services.documents.backends.reading.parts import mending, parsed
from services.documents.backends.reading.reader import Report, Source, opened

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_FURNITURE = frozenset({"ftr", "dt", "sldNum", "hdr"})
_NOT_NOTES = frozenset({*_FURNITURE, "sldImg"})
_SHAPES = (f"{P}sp", f"{P}pic", f"{P}graphicFrame", f"{P}cxnSp")
_MODERN_COMMENTS = "2018/10/relationships/comments"
_MODERN_AUTHORS = "2018/10/relationships/authors"
_FORMULA = "\ufdd1"
"""A noncharacter around the number that stands for a formula while Docling reads the slides."""
_NUMBERED = re.compile(f"{_FORMULA}(\\d+){_FORMULA}")
_OLD_COMMENTS = "officeDocument/2006/relationships/comments"
_BOX = (
    '<p:sp xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><p:nvSpPr><p:cNvPr id="0" name="text"/>'
    '<p:cNvSpPr txBox="1"/><p:nvPr/></p:nvSpPr><p:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/></a:xfrm>'
    '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr><p:txBody><a:bodyPr/></p:txBody></p:sp>'
)


@mending(opc.mended)
def read(source: Source, report: Report) -> DoclingDocument:
    """Read slides."""
    with opened(source, InputFormat.PPTX, MsPowerpointDocumentBackend) as backend:
        slides = list(backend.pptx_obj.slides)
        formulas: list[str] = []
        for number, slide in enumerate(slides, start=1):
            etree.strip_tags(slide._element, etree.Comment, etree.ProcessingInstruction)
            if Include.HIDDEN in source.include or not _is_hidden(slide):
                report.passages.extend(_passages(slide, number, source.include))
                report.problems.extend(_embedded(slide, number, source.include))
            _mend(slide, formulas)
        document: DoclingDocument = backend.convert()
        _place(document, slides, source.include)
    _finish(document, formulas)
    return document


# The slides, before Docling reads them.


def _mend(slide: Any, formulas: list[str]) -> None:
    root = slide._element
    drawings.choose_alternatives(root)
    for ink in list(root.iter(f"{P}contentPart")):  # drawn by hand; python-pptx fails at it
        ink.getparent().remove(ink)
    for group in reversed(list(root.iter(f"{P}grpSp"))):  # the inner ones first
        _mend_group(group)
    for text in root.iter(f"{A}t"):
        if text.text and ("_x000" in text.text or "\v" in text.text):
            text.text = re.sub(r"_x000[BbAaDd]_|\v", " ", text.text)
    for cell in list(root.iter(f"{A}tc")):
        _mend_cell(cell)
    for math in list(root.iter(f"{M}oMath")):
        formulas.append(drawings.latex(math))
        _number(math, len(formulas) - 1)
    for shape in list(root.iter(*_SHAPES)):
        for chart in shape.iter(f"{C}chart"):
            _mend_chart(slide, chart.get(f"{R}id"))
        lines = list(_unread(slide, shape))
        if lines:
            shape.addnext(_box(shape, lines))


def _mend_group(group: Any) -> None:
    """Give a group without a place that of its shapes: Docling would read it last."""
    old = group.grpSpPr.find(f"{A}xfrm")
    if old is not None and old.find(f"{A}off") is not None and any(_numbers(old)):
        return
    places = [numbers for shape in group if (numbers := _place_of(shape))]
    if not places:
        return
    left, top = min(place[0] for place in places), min(place[1] for place in places)
    right, bottom = max(place[0] + place[2] for place in places), max(place[1] + place[3] for place in places)
    if old is not None:
        group.grpSpPr.remove(old)
    transform = group.grpSpPr.get_or_add_xfrm()
    for off, ext in (("off", "ext"), ("chOff", "chExt")):
        transform.append(transform.makeelement(f"{A}{off}", x=str(left), y=str(top)))
        transform.append(transform.makeelement(f"{A}{ext}", cx=str(right - left), cy=str(bottom - top)))


def _place_of(shape: Any) -> list[int] | None:
    transforms = list(shape.iterchildren(f"{P}xfrm"))
    for properties in shape.iterchildren(f"{P}spPr", f"{P}grpSpPr"):
        transforms.extend(properties.iterchildren(f"{A}xfrm"))
    return next((numbers for transform in transforms if any(numbers := _numbers(transform))), None)


def _numbers(transform: Any) -> list[int]:
    """Left, top, width and height."""
    found = []
    for tag, names in (("off", ("x", "y")), ("ext", ("cx", "cy"))):
        element = transform.find(f"{A}{tag}")
        values = ["0" if element is None else element.get(name, "0") for name in names]
        found += [int(value) if re.fullmatch(r"-?\d{1,15}", value) else 0 for value in values]
    return found


def _mend_cell(cell: Any) -> None:
    if cell.get("hMerge") in {"1", "true"} or cell.get("vMerge") in {"1", "true"}:
        for text in cell.iter(f"{A}t"):  # covered by the cell that spans it
            text.text = ""
    for math in list(cell.iter(f"{A14}m", f"{M}oMathPara", f"{M}oMath")):
        if math.getparent().tag == f"{A}p":
            run = math.getparent().makeelement(f"{A}r")
            text = run.makeelement(f"{A}t")
            text.text = " ".join(drawings.latex(one) for one in _formulas(math))
            run.append(text)
            math.getparent().replace(math, run)


def _number(math: Any, number: int) -> None:
    """Put a number in a formula's place: Docling's own LaTeX of it may lack parts."""
    run = math.makeelement(f"{M}r")
    text = run.makeelement(f"{M}t")
    text.text = f"{_FORMULA}{number}{_FORMULA}"
    run.append(text)
    math[:] = [run]


def _mend_chart(slide: Any, reference: str | None) -> None:
    """Give the points of a scatter chart the places where Docling looks for names."""
    try:
        root = slide.part.related_part(reference)._element
    except (KeyError, AttributeError):
        return
    for series in root.iter(f"{C}ser"):
        across = series.find(f"{C}xVal")
        if across is not None and series.find(f"{C}cat") is None:
            names = series.makeelement(f"{C}cat")
            names.extend(deepcopy(child) for child in across)
            series.append(names)


def _formulas(math: Any) -> list[Any]:
    return [math] if math.tag == f"{M}oMath" else list(math.iter(f"{M}oMath"))


def _unread(slide: Any, shape: Any) -> Iterator[tuple[int | None, str]]:
    """What a shape says that Docling does not read: each line with its level where it is a list's."""
    properties = next(shape.iter(f"{P}cNvPr"), None)
    is_picture = properties is not None and shape.tag in {f"{P}pic", f"{P}graphicFrame"}
    if is_picture and (text := drawings.description(properties)):
        yield None, text
    if shape.tag != f"{P}graphicFrame":
        return
    for root in _related(slide, shape, f"{drawings.DGM}relIds", f"{R}dm"):
        yield from drawings.diagram(root)
    for root in _related(slide, shape, f"{C}chart", f"{R}id"):
        for text in drawings.chart_labels(root):
            yield None, text
    for frame in shape.iter(f"{drawings.CX}chart"):
        if (root := _part(slide, frame.get(f"{R}id"))) is not None:
            for text in drawings.new_chart_texts(root):
                yield None, text


def _related(slide: Any, shape: Any, tag: str, reference: str) -> Iterator[Any]:
    for element in shape.iter(tag):
        if (root := _part(slide, element.get(reference))) is not None:
            yield root


def _part(slide: Any, reference: str | None) -> Any | None:
    try:
        return parsed(slide.part.related_part(reference).blob)
    except (KeyError, AttributeError):
        return None


def _box(shape: Any, lines: list[tuple[int | None, str]]) -> Any:
    """A text box at a shape's place: shapes are read from the top to the bottom of the slide."""
    box = parse_xml(_BOX)
    place = next(shape.iter(f"{A}off"), None)
    if place is not None:
        for name in ("x", "y"):
            next(box.iter(f"{A}off")).set(name, place.get(name, "0"))
    hidden = next(shape.iter(f"{P}cNvPr")).get("hidden")
    if hidden:
        next(box.iter(f"{P}cNvPr")).set("hidden", hidden)
    body = next(box.iter(f"{P}txBody"))
    for level, text in lines:
        paragraph = body.makeelement(f"{A}p")
        if level is not None:
            properties = paragraph.makeelement(f"{A}pPr", lvl=str(min(level, 8)))
            properties.append(properties.makeelement(f"{A}buChar", char="•"))
            paragraph.append(properties)
        run = paragraph.makeelement(f"{A}r")
        content = run.makeelement(f"{A}t")
        content.text = " ".join(text.split())
        run.append(content)
        paragraph.append(run)
        body.append(paragraph)
    return box


# The document, after Docling has read them.


def _place(document: DoclingDocument, slides: list[Any], include: Set[Include]) -> None:
    groups = [group for group in document.groups if group.label is GroupLabel.CHAPTER]
    if Include.HIDDEN in include:
        for item in [*document.texts, *document.tables, *document.pictures, *document.groups]:
            if item.content_layer is ContentLayer.INVISIBLE:
                item.content_layer = ContentLayer.BODY
    said: dict[int, list[Any]] = {}
    for comments in layers.comment_groups(document):
        if found := re.match(r"comment-slide(\d+)-", comments.name):
            said.setdefault(int(found[1]), []).append(comments)
    moves: list[Move] = []
    for number, (slide, group) in enumerate(zip(slides, groups, strict=False), start=1):
        comments_of_slide = [*said.get(number, ()), *_modern_comments(document, slide, number)]
        if _is_hidden(slide) and Include.HIDDEN not in include:
            continue
        moves.extend(_beside(document, slide, group, include))
        if Include.COMMENTS in include:
            for comments in comments_of_slide:
                layers.show(document, comments)
                moves.append(Move(comments, group, "last"))
    layers.rearrange(document, moves)


def _beside(document: DoclingDocument, slide: Any, group: Any, include: Set[Include]) -> Iterator[Move]:
    """What stands beside a slide, shown: its furniture, then its notes."""
    for reference in list(group.children):
        item: Any = reference.resolve(document)
        is_furniture = item.content_layer is ContentLayer.FURNITURE and Include.HEADERS in include
        is_note = item.content_layer is ContentLayer.NOTES and Include.SPEAKER_NOTES in include
        if is_furniture or is_note:
            layers.show(document, item)
            yield Move(item, group, "last")
    if Include.SPEAKER_NOTES in include and slide.has_notes_slide:
        for shape, paragraphs in _notes(slide):
            if _placeholder(shape) != "body":
                for text in paragraphs:
                    item = document.add_text(label=DocItemLabel.TEXT, text=text, parent=group)
                    yield Move(item, group, "last")


def _modern_comments(document: DoclingDocument, slide: Any, number: int) -> Iterator[Any]:
    for index, (author, text) in enumerate(_modern(slide)):
        group = document.add_group(
            label=GroupLabel.COMMENT_SECTION,
            name=f"comment-slide{number}-thread{index}",
            content_layer=ContentLayer.NOTES,
        )
        document.add_comment(text=f"[author: {author}]: {text}" if author else text, targets=None, parent=group)
        yield group


def _finish(document: DoclingDocument, formulas: list[str]) -> None:
    for item in document.texts:
        if _FORMULA in item.text:
            item.text = item.orig = _NUMBERED.sub(lambda found: formulas[int(found[1])], item.text)
    for group in document.groups:
        if group.label is GroupLabel.INLINE:
            pieces: list[Any] = [reference.resolve(document) for reference in group.children]
            for left, right in pairwise(pieces):
                if is_glued(left.text, right.text):
                    left.text += GLUE
    layers.strip_pieces(document)
    for item in document.texts:
        item.text = item.text.replace("\v", "\n")
    for table in document.tables:
        for cell in table.data.table_cells:
            cell.text = cell.text.replace("\v", "\n")


# What the file says, read apart from Docling.


def _passages(slide: Any, number: int, include: Set[Include]) -> Iterator[Passage]:
    alternatives = slide._element.iter(f"{MC}AlternateContent")
    unshown = {branch for both in alternatives for branch in _unshown(both)}
    for shape in slide._element.iter(*_SHAPES):
        if unshown and any(around in unshown for around in shape.iterancestors()):
            continue
        if _is_left_out(shape, include):
            continue
        place = _place_in_words(shape, number)
        for text in [*_own_texts(shape), *_texts_of_parts(slide, shape)]:
            yield Passage(place, text)
    if Include.SPEAKER_NOTES in include and slide.has_notes_slide:
        for _, paragraphs in _notes(slide):
            for text in paragraphs:
                yield Passage(f"notes of slide {number}", text)
    if Include.COMMENTS in include:
        for text in [*_old(slide), *(text for _, text in _modern(slide))]:
            yield Passage(f"comment on slide {number}", text)


def _embedded(slide: Any, number: int, include: Set[Include]) -> Iterator[str]:
    """A sentence for each document inside of the slides. Programs hide objects of their own: those are none."""
    for shape in slide._element.iter(f"{P}graphicFrame"):
        held = next(shape.iter(f"{P}oleObj"), None)
        if held is not None and not _is_left_out(shape, include):
            kind = held.get("progId") or held.get("name") or ""
            name = f" ({kind})" if kind else ""
            yield f"{_place_in_words(shape, number)}: an embedded object{name} is not in the answer"


def _place_in_words(shape: Any, number: int) -> str:
    properties = next(shape.iter(f"{P}cNvPr"), None)
    return f"slide {number}, shape {'' if properties is None else properties.get('name', '')}".rstrip()


def _unshown(alternative: Any) -> Iterator[Any]:
    shown = drawings.chosen(alternative)
    return (branch for branch in alternative if branch is not shown)


def _own_texts(shape: Any) -> Iterator[str]:
    for paragraph in shape.iter(f"{A}p"):
        cell = next(paragraph.iterancestors(f"{A}tc"), None)
        if cell is None or not {"1", "true"} & {cell.get("hMerge"), cell.get("vMerge")}:
            yield re.sub(r"_x000[BbAaDd]_", " ", drawings.paragraph_text(paragraph))


def _texts_of_parts(slide: Any, shape: Any) -> Iterator[str]:
    for root in _related(slide, shape, f"{drawings.DGM}relIds", f"{R}dm"):
        for paragraph in root.iter(f"{A}p"):
            yield drawings.paragraph_text(paragraph)
    for root in _related(slide, shape, f"{C}chart", f"{R}id"):
        yield from drawings.chart_texts(root)


def _is_left_out(shape: Any, include: Set[Include]) -> bool:
    if _placeholder(shape) in _FURNITURE and Include.HEADERS not in include:
        return True
    return Include.HIDDEN not in include and drawings.is_hidden(shape)


def _placeholder(shape: Any) -> str | None:
    for own in shape.iterchildren():
        for placeholder in own.iter(f"{P}ph"):
            return str(placeholder.get("type", "obj"))
    return None


def _notes(slide: Any) -> Iterator[tuple[Any, list[str]]]:
    for shape in slide.notes_slide._element.iter(f"{P}sp"):
        if _placeholder(shape) not in _NOT_NOTES:
            yield shape, drawings.paragraphs(shape)


def _old(slide: Any) -> Iterator[str]:
    for root in _roots(slide.part, _OLD_COMMENTS):
        for text in root.iter(f"{P}text"):
            yield (text.text or "").strip()


def _modern(slide: Any) -> Iterator[tuple[str, str]]:
    """Threads of comments as programs write them since 2021; Docling knows those before."""
    authors = {}
    for root in _roots(slide.part.package.presentation_part, _MODERN_AUTHORS):
        authors.update({author.get("id"): author.get("name", "") for author in root.iter("{*}author")})
    for root in _roots(slide.part, _MODERN_COMMENTS):
        for comment in root.iter("{*}cm", "{*}reply"):
            for body in comment.iterchildren("{*}txBody"):
                if text := "\n".join(drawings.paragraphs(body)):
                    yield authors.get(comment.get("authorId")) or "", text


def _roots(part: Any, kind: str) -> Iterator[Any]:
    for relation in part.rels.values():
        is_meant = not relation.is_external and relation.reltype.endswith(kind)
        if is_meant and (root := parsed(relation.target_part.blob)) is not None:
            yield root


def _is_hidden(slide: Any) -> bool:
    return slide._element.get("show") in {"0", "false"}
