"""An OpenDocument tree made plain: what Docling would skip or run together stands as paragraphs of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from typing import Any

from lxml import etree
from odfdo.element import ODF_NAMESPACES

from services.documents.backends.base import Include
from services.documents.backends.reading import mathml
from services.documents.backends.reading.glue import GLUE, is_glued
from services.documents.backends.reading.odf.names import (
    ANNOTATION,
    BREAK,
    CELL,
    COVERED,
    DRAW,
    FRAME,
    GROUP,
    HREF,
    LIST,
    LIST_ITEM,
    MATH,
    NOTE,
    OBJECT,
    OFFICE,
    SCRIPT,
    SHAPES,
    SPACE,
    SPAN,
    SVG,
    TAB,
    TABLE,
    TEXT,
    TEXT_BOX,
    H,
    P,
    Styles,
)

Load = Callable[[str], Any | None]
"""The root of an embedded object's content, by its reference."""

_OPAQUE = frozenset({ANNOTATION, NOTE, FRAME, SCRIPT, TEXT_BOX, OBJECT, *SHAPES, P, H, f"{TEXT}tracked-changes"})
"""What is no part of the line that it stands in."""
_INDEXES = tuple(
    f"{TEXT}{name}"
    for name in (
        "table-of-content",
        "illustration-index",
        "table-index",
        "object-index",
        "user-index",
        "alphabetical-index",
        "bibliography",
    )
)
_ROWS = tuple(f"{TABLE}{name}" for name in ("table-header-rows", "table-row-group", "table-rows"))
_DRAWN = (FRAME, GROUP, *SHAPES)
_SPACES = re.compile(r"[ \t\r\n]+")
_KNOWN = frozenset(ODF_NAMESPACES.values())
_MOST_SPACES = 100
"""What one element may stand for; a billion of them fit in 30 bytes."""
_WHITE = {SPACE: " ", TAB: "\t", BREAK: "\n"}


def mend(root: Any, styles: Styles, include: Set[Include], load: Load) -> None:
    """Make a body, a header or a footer plain.

    Args:
        root: the element, mended in place.
        styles: what is hidden.
        include: what is wanted beside the text.
        load: gives the content of an embedded object.
    """
    _changes(root, show=Include.CHANGES in include)
    if Include.HIDDEN in include:
        _show_hidden(root)
    else:
        _drop_hidden(root, styles)
    _unwrap_blocks(root)
    for space in root.iter(SPACE):
        if len(space.get(f"{TEXT}c", "").lstrip("0")) > len(str(_MOST_SPACES)) - 1:
            space.set(f"{TEXT}c", str(_MOST_SPACES))
    for paragraph in list(root.iter(P, H)):
        _lift(paragraph, load)
    for paragraph in list(root.iter(P, H)):
        _plain_line(paragraph)
    for item in list(root.iter(LIST_ITEM)):
        _one_paragraph(item)
    for cell in list(root.iter(CELL)):
        _as_shown(cell)


def line(paragraph: Any) -> str:
    """The text of a mended paragraph."""
    pieces = []
    for element, name in _holders(paragraph):
        is_white = name == "text" and element.tag in _WHITE
        pieces.append(_WHITE[element.tag] if is_white else getattr(element, name) or "")
    return "".join(pieces).replace(GLUE, "").strip()


def remove(element: Any) -> None:
    """Take an element out, and leave the text behind it."""
    replace(element, "")


def replace(element: Any, text: str) -> None:
    """Put text in an element's place."""
    parent = element.getparent()
    text += element.tail or ""
    before = element.getprevious()
    if text and before is not None:
        before.tail = (before.tail or "") + text
    elif text:
        parent.text = (parent.text or "") + text
    element.tail = None
    parent.remove(element)


def own_names(root: Any) -> None:
    """Leave what odfdo knows: it refuses a file for a foreign name or a remark. Foreign elements get known names."""
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    for element in root.iter(etree.Element):
        if element.tag.partition("}")[0].lstrip("{") not in _KNOWN:
            line = next(element.iterancestors(P, H), None)
            element.tag = f"{TEXT}section" if line is None else SPAN
        for attribute in list(element.attrib):
            if attribute.startswith("{") and attribute.partition("}")[0].lstrip("{") not in _KNOWN:
                del element.attrib[attribute]


def _changes(root: Any, *, show: bool) -> None:
    """Accept tracked changes; or mark what was put in and what was taken out."""
    deleted: dict[str, str] = {}
    inserted = set()
    for region in root.iter(f"{TEXT}changed-region"):
        name = region.get(f"{TEXT}id") or region.get("{http://www.w3.org/XML/1998/namespace}id") or ""
        for deletion in region.iterchildren(f"{TEXT}deletion"):
            texts = ("".join(paragraph.itertext()) for paragraph in deletion.iter(P, H))
            deleted[name] = "¶".join(texts)
        if region.find(f"{TEXT}insertion") is not None:
            inserted.add(name)
    for changes in list(root.iter(f"{TEXT}tracked-changes")):
        remove(changes)
    for mark in list(root.iter(f"{TEXT}change", f"{TEXT}change-start", f"{TEXT}change-end")):
        name, text = mark.get(f"{TEXT}change-id", ""), ""
        if show and mark.tag == f"{TEXT}change" and deleted.get(name):
            text = f"[-{deleted[name]}-]"
        elif show and name in inserted:
            text = "[+" if mark.tag == f"{TEXT}change-start" else "+]"
        if text:
            mark.tag = SPAN if mark.getparent().tag in {P, H, SPAN, f"{TEXT}a"} else P
            mark.attrib.clear()
            mark.text = text


def is_hidden(element: Any, styles: Styles) -> bool:
    """True when a paragraph, a piece of one, a section or a field is not shown."""
    tag = element.tag
    style = element.get(f"{TEXT}style-name")
    if tag in {P, H}:
        hidden = element.find(f".//{TEXT}hidden-paragraph[@{TEXT}is-hidden='true']")
        return hidden is not None or styles.hides("paragraph", style)
    if tag == SPAN:
        return styles.hides("text", style)
    if tag == f"{TEXT}section":
        shown: str | None = element.get(f"{TEXT}display")
        return shown == "none" or bool(shown == "condition" and element.get(f"{TEXT}is-hidden") == "true")
    return bool(tag == f"{TEXT}hidden-text" and element.get(f"{TEXT}is-hidden") == "true")


def _drop_hidden(root: Any, styles: Styles) -> None:
    for element in list(root.iter(P, H, SPAN, f"{TEXT}section", f"{TEXT}hidden-text")):
        if not is_hidden(element, styles):
            continue
        if element.tag == f"{TEXT}section":
            element.set(f"{TEXT}display", "none")  # Docling keeps it in a layer of its own
        else:
            _blank(element)


def _blank(element: Any) -> None:
    """Take what an element says. It stays, since joining the texts around it costs as much as they are long."""
    element[:] = []
    element.text = None


def _show_hidden(root: Any) -> None:
    for section in root.iter(f"{TEXT}section"):
        section.attrib.pop(f"{TEXT}display", None)
    for field in root.iter(f"{TEXT}hidden-text"):
        field.text = field.get(f"{TEXT}string-value") or field.text


def _unwrap_blocks(root: Any) -> None:
    for index in list(root.iter(*_INDEXES)):
        bodies = [child for body in index.iterchildren(f"{TEXT}index-body") for child in body]
        _put_in_place(index, bodies)
    for wrapper in [*root.iter(f"{TEXT}index-title", f"{TEXT}numbered-paragraph"), *root.iter(*_ROWS)]:
        _put_in_place(wrapper, list(wrapper))
    for header in list(root.iter(f"{TEXT}list-header")):
        header.tag = LIST_ITEM
    blocks = {f"{OFFICE}text", f"{TEXT}section", CELL, LIST_ITEM}
    for drawn in list(root.iter(*_DRAWN)):
        if drawn.getparent().tag in blocks:
            paragraph = etree.Element(P)
            drawn.addprevious(paragraph)
            drawn.tail = None
            paragraph.append(drawn)


def _put_in_place(element: Any, children: list[Any]) -> None:
    for child in children:
        element.addprevious(child)
    element.tail = None
    element.getparent().remove(element)


def _lift(paragraph: Any, load: Load) -> None:
    """Put the texts of boxes and shapes, and the words for pictures, behind the paragraph that they hang on."""
    blocks: list[Any] = []
    for drawn in [element for element in paragraph.iter(*_DRAWN) if _line_of(element) is paragraph]:
        if drawn.tag == FRAME and (formula := _formula(drawn, load)):
            _put_span(drawn, formula)
            drawn.tail, drawn.getprevious().tail = None, drawn.tail
            drawn.getparent().remove(drawn)
            continue
        for described in list(drawn.iterchildren(f"{SVG}title", f"{SVG}desc")):
            text = " ".join("".join(described.itertext()).split())
            remove(described)
            if text:
                blocks.append(etree.Element(P))
                blocks[-1].text = text
        holders = [drawn] if drawn.tag != FRAME else list(drawn.iterchildren(TEXT_BOX))
        for holder in holders:
            blocks.extend(child for child in holder if child.tag in {P, H, LIST, f"{TABLE}table", f"{TEXT}section"})
    for block in reversed(blocks):
        block.tail = None
        paragraph.addnext(block)


def _line_of(element: Any) -> Any:
    """The paragraph that an element stands in; None in a comment or a note."""
    parent = element.getparent()
    while parent is not None and parent.tag not in {P, H}:
        if parent.tag in {ANNOTATION, NOTE}:
            return None
        parent = parent.getparent()
    return parent


def write_formulas(root: Any, load: Load) -> None:
    """Make text boxes of the formulas that stand on a slide or a sheet itself."""
    for frame in [frame for frame in root.iter(FRAME) if _line_of(frame) is None]:
        if formula := _formula(frame, load):
            box = etree.SubElement(frame, TEXT_BOX)
            etree.SubElement(box, P).text = formula
            for held in list(frame.iterchildren(OBJECT, f"{DRAW}image")):
                frame.remove(held)


def _formula(frame: Any, load: Load) -> str:
    """The TeX of a frame's formula; empty where it holds something else."""
    for held in frame.iterchildren(OBJECT):
        root = next(held.iter(f"{MATH}math"), None)
        if root is None and held.get(HREF):
            content = load(held.get(HREF))
            root = content if content is not None and content.tag == f"{MATH}math" else None
        if root is not None:
            return mathml.tex(mathml.of_lxml(root))
    return ""


def _put_span(element: Any, text: str) -> None:
    span = etree.Element(SPAN)
    span.text = text
    element.addprevious(span)


def _holders(paragraph: Any) -> Iterator[tuple[Any, str]]:
    """Where the text of a line stands in the tree, in order."""
    walk = etree.iterwalk(paragraph, events=("start", "end"))
    for event, element in walk:
        if event == "end":
            if element is not paragraph:
                yield element, "tail"
        elif element is not paragraph and (element.tag in _OPAQUE or not isinstance(element.tag, str)):
            walk.skip_subtree()
        else:
            yield element, "text"


def _plain_line(paragraph: Any) -> None:
    if not len(paragraph):  # most are
        paragraph.text = _SPACES.sub(" ", paragraph.text or "").removeprefix(" ")
        return
    _collapse(paragraph)
    for link in paragraph.iter(f"{TEXT}a"):
        without_formats(link)  # Docling would make a link of each piece
    for element in list(paragraph.iter(NOTE, SCRIPT, f"{TEXT}ruby-text")):
        if element.tag == NOTE:
            _cite(element)
        elif element.tag == SCRIPT:
            _blank(element)
        elif element.tag == f"{TEXT}ruby-text":
            text = "".join(element.itertext()).strip()
            element[:] = []
            element.text = f"({text})" if text else ""
    _glue(paragraph)


def without_formats(element: Any) -> None:
    """Make one piece of what an element holds."""
    for span in element.iter(SPAN):
        span.attrib.clear()


def _collapse(paragraph: Any) -> None:
    """White space as OpenDocument means it: any run of it is one space, none at the start of a paragraph."""
    after_space = True
    for element, name in _holders(paragraph):
        if name == "text" and element.tag in _WHITE:
            after_space = False
        text = getattr(element, name)
        if not text:
            continue
        text = _SPACES.sub(" ", text)
        if after_space:
            text = text.removeprefix(" ")
        setattr(element, name, text)
        after_space = text.endswith(" ") if text else after_space


def _cite(note: Any) -> None:
    """The number or sign of a note, where the text has it; the note itself is found by Docling."""
    citation = note.find(f"{TEXT}note-citation")
    text = "".join(citation.itertext()).strip() if citation is not None else ""
    if text:
        _put_span(note, f"[{text}]")
    bodies = [paragraph for body in note.iterchildren(f"{TEXT}note-body") for paragraph in body.iter(P, H)]
    for paragraph in bodies[:-1]:
        etree.SubElement(paragraph, BREAK)


def _glue(paragraph: Any) -> None:
    last: tuple[Any, str] | None = None
    for element, name in _holders(paragraph):
        if name == "text" and element.tag in _WHITE:
            last = None
        text = getattr(element, name)
        if not text:
            continue
        if last and is_glued(getattr(*last), text):
            setattr(*last, getattr(*last) + GLUE)
        last = element, name


def _one_paragraph(item: Any) -> None:
    """Docling takes an item's paragraphs first, without a border, then the lists in it."""
    current, first, had_list = item, None, False
    for child in list(item):
        is_line = child.tag in {P, H}
        if is_line and had_list:
            following = etree.Element(LIST_ITEM)
            current.addnext(following)
            current, first, had_list = following, None, False
        if is_line and first is not None:
            _append_line(first, child)
            child.getparent().remove(child)
            continue
        if is_line:
            first = child
        had_list = had_list or (child.tag == LIST and first is not None)
        if current is not item:
            current.append(child)


def _append_line(first: Any, paragraph: Any) -> None:
    if paragraph.text or len(paragraph):
        border = etree.SubElement(first, BREAK)
        border.tail = paragraph.text
        first.extend(list(paragraph))


def _as_shown(cell: Any) -> None:
    """A typed cell as its table shows it: Docling would give the value that the number format is for."""
    if cell.get(f"{OFFICE}value-type") is None or cell.tag == COVERED:
        return
    paragraphs = list(cell.iterchildren(P, H))
    if len(paragraphs) == 1 and line(paragraphs[0]):
        for name in [name for name in cell.attrib if name.startswith(OFFICE)]:
            del cell.attrib[name]
        cell.set(f"{OFFICE}value-type", "string")
        cell.set(f"{OFFICE}string-value", line(paragraphs[0]))
