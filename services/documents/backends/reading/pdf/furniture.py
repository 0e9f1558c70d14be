"""Headers and footers of pages: what stands in the same place of several pages, and the numbers of pages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from docling.datamodel.base_models import Page, TextElement
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.pdf.rows import is_bold, rows, usual_height

_EDGE = 0.12
"""Of the page, at its top and bottom: headers and footers stand there."""
_WIDE_EDGE = 0.25
"""Where the number of a page is looked for, if nothing stands beyond it: small pages on large paper."""
_SAME_PLACE = 6.0
"""Unit: points."""
_NEIGHBOURS = 3
"""Pages from one to the next with the same header: two for those of left and right pages, one for a page without."""
_LARGE = 1.1
"""Of the usual height: type that is no header's."""
_LONGEST = 200
"""Letters of a header."""
_SMALL = 0.95
"""Of the usual height: type that may be a header's which is seen once. Letters begin with their date and sender in
type as large as the rest."""
_LEVEL = 0.8
"""Of the higher of two texts: how much of their heights is shared side by side."""
_DIGITS = re.compile(r"\d+|(?<!\w)[ivxlc]+(?!\w)", re.IGNORECASE)
_PAGE_NUMBER = re.compile(
    r"[-–—\[(|\s]*(?:(?:page|p\.|seite|s\.|pág(?:ina)?\.?|pagina|стр\.?|صفحه|صفحة)\s*)?"
    r"(?:\d{1,5}|[ivxlc]{1,7})(?:\s*(?:/|of|von|de|di|sur|из|از|من)\s*\d{1,5})?[-–—\])|\s]*",
    re.IGNORECASE,
)  # fmt: skip
_FURNITURE = (DocItemLabel.PAGE_HEADER, DocItemLabel.PAGE_FOOTER)


def mark_furniture(pages: Sequence[Page]) -> None:
    """Give each text of the pages the label of a header or a footer, or take that of the layout model from it.

    Numbers do not count where texts are compared, but in type of headings: `1 Aims` and `2 Aims` begin pages.
    """
    found: dict[tuple[str, bool], list[tuple[int, float, TextElement]]] = defaultdict(list)
    for page in pages:
        body = _body(page)
        for element, is_top in _at_edges(page):
            text = element.text if _is_heading(element, body) else _DIGITS.sub("0", element.text)
            key = (text.strip().lower(), is_top)
            found[key].append((page.page_no, element.cluster.bbox.t, element))
    repeated = {id(element) for group in found.values() for element in _repeated(group)}
    for page in pages:
        body = _body(page)
        edges = {id(element): is_top for element, is_top in _at_edges(page)}
        for element in _texts(page):
            is_above = edges.get(id(element))
            if is_above is not None and (id(element) in repeated or _PAGE_NUMBER.fullmatch(element.text)):
                _label(element, _FURNITURE[not is_above])
            elif element.label in _FURNITURE and not _is_turned(element):
                _label(element, DocItemLabel.SECTION_HEADER if _is_heading(element, body) else DocItemLabel.TEXT)
        _mark_beside_numbers(page, small=_SMALL * body)


def _mark_beside_numbers(page: Page, *, small: float) -> None:
    """Give small type that stands beside the number of a page, with nothing beyond, the same label."""
    texts = _texts(page)
    for number in [text for text in texts if text.label in _FURNITURE and _PAGE_NUMBER.fullmatch(text.text)]:
        box = number.cluster.bbox
        for text in texts:
            if text.label in _FURNITURE or len(text.text) > _LONGEST or usual_height(text.cluster.cells) > small:
                continue
            other = text.cluster.bbox
            is_level = min(box.b, other.b) - max(box.t, other.t) > _LEVEL * max(box.height, other.height)
            is_footer = number.label is DocItemLabel.PAGE_FOOTER
            if is_level and not any(_is_beyond(one, text, is_footer=is_footer) for one in texts):
                _label(text, number.label)


def _is_beyond(one: TextElement, text: TextElement, *, is_footer: bool) -> bool:
    """Whether one is between another and the edge of the page."""
    if one.label in _FURNITURE:
        return False
    box, other = one.cluster.bbox, text.cluster.bbox
    return bool(box.t >= other.b if is_footer else box.b <= other.t)


def _body(page: Page) -> float:
    """The size of most type of a page. Unit: points."""
    return usual_height(cell for element in _texts(page) for cell in element.cluster.cells)


def _texts(page: Page) -> list[TextElement]:
    elements = page.assembled.elements if page.assembled is not None else []
    return [element for element in elements if isinstance(element, TextElement)]


def _at_edges(page: Page) -> list[tuple[TextElement, bool]]:
    """The short texts near the top or the bottom of a page, and whether it is the top."""
    if page.size is None:
        return []
    height = page.size.height
    found = []
    texts = _texts(page)
    highest = min((element.cluster.bbox.t for element in texts), default=0.0)
    lowest = max((element.cluster.bbox.b for element in texts), default=0.0)
    for element in texts:
        box = element.cluster.bbox
        if len(texts) > 1 and _PAGE_NUMBER.fullmatch(element.text):
            if box.b == lowest and box.t > (1 - _WIDE_EDGE) * height:
                found.append((element, False))
                continue
            if box.t == highest and box.b < _WIDE_EDGE * height:
                found.append((element, True))
                continue
        if len(element.text) > _LONGEST:
            continue
        if box.b < _EDGE * height:
            found.append((element, True))
        elif box.t > (1 - _EDGE) * height:
            found.append((element, False))
        elif element.label in _FURNITURE and (box.b < 1.5 * _EDGE * height or box.t > (1 - 1.5 * _EDGE) * height):
            found.append((element, box.b < height / 2))
    return found


def _repeated(group: Sequence[tuple[int, float, TextElement]]) -> list[TextElement]:
    """Those that have their like in the same place of a page nearby."""
    ordered = sorted(group, key=lambda place: place[0])
    kept = set()
    for at, (page, top, _) in enumerate(ordered):
        for other in range(at + 1, len(ordered)):
            if ordered[other][0] - page > _NEIGHBOURS:
                break
            if ordered[other][0] > page and abs(ordered[other][1] - top) < _SAME_PLACE:
                kept |= {at, other}
                break
    return [ordered[at][2] for at in kept]


def _is_heading(element: TextElement, body: float) -> bool:
    return usual_height(element.cluster.cells) > _LARGE * body or _is_bold(element)


def _is_bold(element: TextElement) -> bool:
    return all(is_bold(row.font) for row in rows(element.cluster.cells))


def _is_turned(element: TextElement) -> bool:
    return bool(element.cluster.cells) and all(abs(cell.rect.angle % 3.14159) > 0.1 for cell in element.cluster.cells)


def _label(element: TextElement, label: DocItemLabel) -> None:
    element.label = label
    element.cluster.label = label
