"""What the pages of a PDF say, for the guard: every line that was read, and what only PDFium found."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from docling.datamodel.base_models import Page
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.pdf import remains
from services.documents.backends.reading.pdf.flow import Item
from services.documents.backends.reading.pdf.rows import without_leaders

_FURNITURE = frozenset({DocItemLabel.PAGE_HEADER, DocItemLabel.PAGE_FOOTER})
_UNKNOWN = "\ufffd"


def passages(pages: Sequence[Page], items: Iterable[Item], *, has_headers: bool) -> Iterator[Passage]:
    """The text of each page but for its headers and footers, unless these are asked for; then the words that are lost.

    The mark of an item of a list is no word of it, nor is its number.
    """
    marked = _marked(items)
    for page in pages:
        place = f"page {page.page_no}"
        hidden = Counter() if has_headers else _furniture(page)
        for line in remains.text(page).splitlines():
            if hidden[line] > 0:
                hidden[line] -= 1
                continue
            if waiting := marked.get((page.page_no, line)):
                line = waiting.pop()  # noqa: PLW2901 - the same line, without its mark
            yield Passage(place, without_leaders(line.replace("\u00ad", "")))
        if lost := remains.missing(page):
            yield Passage(place, unicodedata.normalize("NFC", lost))


def unreadable(pages: Sequence[Page]) -> Iterator[str]:
    """A sentence for each page with letters that its fonts name no characters for."""
    for page in pages:
        if (count := remains.text(page).count(_UNKNOWN)) > 0:
            yield f"page {page.page_no}: {count} letters have no character in the file; they are shown as {_UNKNOWN}"


def _marked(items: Iterable[Item]) -> dict[tuple[int, str], list[str]]:
    """By page and text, the cells with the marks of items, each without its mark."""
    found: dict[tuple[int, str], list[str]] = defaultdict(list)
    for item in items:
        if item.label is DocItemLabel.LIST_ITEM and item.rows and (mark := item.rows[0].mark) is not None:
            text = item.rows[0].cells[0].text
            found[item.parts[0].page, text].append(text.strip().removeprefix(mark.text))
    return found


def _furniture(page: Page) -> Counter[str]:
    elements = page.assembled.elements if page.assembled is not None else []
    return Counter(cell.text for element in elements if element.label in _FURNITURE for cell in element.cluster.cells)
