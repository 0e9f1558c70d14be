"""Tracked changes, accepted in the tree or shown in it."""

from __future__ import annotations

from collections.abc import Iterable

from docx.oxml import OxmlElement

from services.documents.backends.reading.docx.names import (
    P_PR,
    R_PR,
    TBL,
    TC,
    TC_PR,
    TR,
    TR_PR,
    Element,
    P,
    T,
    W,
    local,
    remove,
    unwrap,
)

_PLACED, _TAKEN = (W + "ins", W + "moveTo"), (W + "del", W + "moveFrom")
_CELL_PLACED, _CELL_TAKEN = W + "cellIns", W + "cellDel"
_OLD_PROPERTIES = tuple(
    f"{W}{name}Change" for name in ("rPr", "pPr", "sectPr", "tblPr", "tblGrid", "tblPrEx", "trPr", "tcPr", "numbering")
)
_DELETED_TEXT = {W + "delText": "w:t", W + "delInstrText": "w:instrText"}

MARKS = {True: ("[+", "+]"), False: ("[-", "-]")}
"""How a change is shown: `[+what was put there+]`, `[-what was taken away-]`; `¶` is a paragraph's end."""


def has_changes(root: Element) -> bool:
    """True when anything in the tree was tracked."""
    return next(root.iter(*_PLACED, *_TAKEN, _CELL_PLACED, _CELL_TAKEN, *_OLD_PROPERTIES), None) is not None


def accept(root: Element) -> None:
    """Make the tree what it is with all changes accepted."""
    drop_old_properties(root)
    rows, cells, ends = _taken(root)
    for element in list(root.iter(*_PLACED, *_TAKEN)):
        if _is_of_content(element):
            if element.tag in _PLACED:
                unwrap(element)
            else:
                remove(element)
    for part in [*cells, *rows]:
        remove(part)
    if cells or rows:
        _drop_empty_tables(root)
    _join(ends)


def show(root: Element) -> None:
    """Keep what was put there and what was taken away, between marks."""
    drop_old_properties(root)
    rows, cells, ends = _taken(root)
    _show_paragraphs([p for part in [*rows, *cells] for p in part.iter(P)], placed=False)
    placed = [row for row in root.iter(TR) if _says(row, TR_PR, _PLACED)]
    placed += [cell for cell in root.iter(TC) if _says(cell, TC_PR, (_CELL_PLACED,))]
    _show_paragraphs([p for part in placed for p in part.iter(P)], placed=True)
    _show_ends(root, ends)
    for element in list(root.iter(*_PLACED, *_TAKEN)):
        if _is_of_content(element):
            _show(element, placed=element.tag in _PLACED)
            unwrap(element)
    for deleted in list(root.iter(*_DELETED_TEXT)):
        kept = OxmlElement(_DELETED_TEXT[deleted.tag])
        kept.text = deleted.text
        deleted.addprevious(kept)
        remove(deleted)


def drop_old_properties(root: Element) -> None:
    """Take out what properties were before: Docling finds an old bold as well as a new one."""
    for element in list(root.iter(*_OLD_PROPERTIES)):
        remove(element)


def _taken(root: Element) -> tuple[list[Element], list[Element], list[Element]]:
    """The rows, the cells, and the paragraphs of which the end was deleted."""
    return (
        [row for row in root.iter(TR) if _says(row, TR_PR, _TAKEN)],
        [cell for cell in root.iter(TC) if _says(cell, TC_PR, (_CELL_TAKEN,))],
        [p for p in root.iter(P) if _has_end(p, _TAKEN)],
    )


def _says(element: Element, properties: str, names: Iterable[str]) -> bool:
    found = element.find(properties)
    return found is not None and any(found.find(name) is not None for name in names)


def _has_end(paragraph: Element, names: Iterable[str]) -> bool:
    properties = paragraph.find(P_PR)
    return properties is not None and _says(properties, R_PR, names)


def _is_of_content(element: Element) -> bool:
    """False for the empty marks in properties, and for what was removed with what it stood in."""
    parent = element.getparent()
    return parent is not None and not local(parent).endswith("Pr")


def _drop_empty_tables(root: Element) -> None:
    for row in [row for row in root.iter(TR) if next(row.iter(TC), None) is None]:
        remove(row)
    for table in [table for table in root.iter(TBL) if next(table.iter(TR), None) is None]:
        remove(table)


def _join(paragraphs: list[Element]) -> None:
    """Put the content of each before that of the next paragraph; backwards, so that everything moves once."""
    for paragraph in reversed(paragraphs):
        if paragraph.find(f"{P_PR}/{W}sectPr") is not None:
            continue  # a section ends here
        following = _next_paragraph(paragraph)
        content = [child for child in paragraph if child.tag != P_PR]
        if following is None:
            if not content and _has_sibling_paragraph(paragraph):
                remove(paragraph)
            continue
        join(paragraph, following)


def join(paragraph: Element, following: Element) -> None:
    """Make one paragraph of two, with the properties of the second, whose end remains."""
    first = next(following.iterchildren(), None)  # `find` looks through all children for a second one
    for child in reversed([child for child in paragraph if child.tag != P_PR]):
        if first is None or first.tag != P_PR:
            following.insert(0, child)
        else:
            first.addnext(child)
    remove(paragraph)


def _next_paragraph(paragraph: Element) -> Element | None:
    following = paragraph.getnext()
    while following is not None and following.tag not in {P, TBL, W + "sectPr"}:
        following = following.getnext()
    return following if following is not None and following.tag == P else None


def _has_sibling_paragraph(paragraph: Element) -> bool:
    return any(sibling.tag == P for sibling in paragraph.itersiblings(preceding=True)) or (
        paragraph.getparent() is not None and paragraph.getparent().tag != TC
    )


def _show_ends(root: Element, deleted: list[Element]) -> None:
    for paragraph in [p for p in root.iter(P) if _has_end(p, _PLACED)]:
        paragraph.append(_run("[+¶+]"))
    for paragraph in deleted:
        paragraph.append(_run("[-¶-]"))


def _show_paragraphs(paragraphs: list[Element], *, placed: bool) -> None:
    """Mark all of a paragraph whose row or cell changed, unless its own pieces are marked."""
    for paragraph in paragraphs:
        marked = any(_is_of_content(change) for change in paragraph.iter(*_PLACED, *_TAKEN))
        if not marked and next(paragraph.iter(T), None) is not None:
            _enclose(paragraph, MARKS[placed])


def _show(element: Element, *, placed: bool) -> None:
    if next(element.iter(T, *_DELETED_TEXT), None) is None:
        return
    inner = list(element.iter(P))
    for part in inner or [element]:
        _enclose(part, MARKS[placed])


def _enclose(element: Element, marks: tuple[str, str]) -> None:
    first = next((i for i, child in enumerate(element) if child.tag != P_PR), len(element))
    element.insert(first, _run(marks[0]))
    element.append(_run(marks[1]))


def _run(text: str) -> Element:
    run, content = OxmlElement("w:r"), OxmlElement("w:t")
    content.text = text
    run.append(content)
    return run
