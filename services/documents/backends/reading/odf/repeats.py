"""Rows and cells that stand for many: a text of 60 bytes may hold a table of a million rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from services.documents.backends.reading import sheets
from services.documents.backends.reading.odf.names import CELL, COVERED, DRAW, OFFICE, ROW, TABLE
from services.documents.backends.reading.reader import Report

MOST_REPEATED = 5_000
"""Elements of a text or of slides that repetitions may stand for: Docling walks through a table five times."""

ROWS = tuple(f"{TABLE}{name}" for name in ("table-header-rows", "table-row-group", "table-rows"))
_TABLE = f"{TABLE}table"
_MOST = 2**24
"""Rows or columns that any program has."""
_DOWN, _ACROSS = "number-rows-repeated", "number-columns-repeated"


class Repeats:
    """What the tables of one file may still repeat."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._left = MOST_REPEATED
        self._number = 0

    def limit(self, root: Any) -> None:
        """Say once what would be too much, and tell so; what is empty is no loss.

        Args:
            root: a body, a slide, a header or a footer, mended in place.
        """
        copies: dict[Any, int] = {}
        for table in root.iter(_TABLE):
            self._number += 1
            copies[table] = _copies(table, copies)
            self._table(table, copies[table], table.get(f"{TABLE}name") or str(self._number))

    def _table(self, table: Any, copies: int, title: str) -> None:
        found = list(rows(table))
        _trim(found, _DOWN)
        at = 0
        for row in found:
            down = count(row, _DOWN)
            if not self._takes(row, down, copies):
                _once(row, _DOWN)
                self._tell(row, f"row {at + 1} of table {title}")
            kept = count(row, _DOWN)
            cells = list(row.iterchildren(CELL, COVERED))
            _trim(cells, _ACROSS)
            column = 0
            for cell in cells:
                across = count(cell, _ACROSS)
                if not self._takes(cell, across, copies * kept):
                    _once(cell, _ACROSS)
                    self._tell(cell, f"cell {sheets.name(at, column)} of table {title}")
                column += across
            at += down

    def _takes(self, element: Any, times: int, copies: int) -> bool:
        if times == 1:
            return True
        more = (times - 1) * copies
        elements = sum(1 for _ in islice(element.iter(), self._left // more + 1))
        if elements * more > self._left:
            return False
        self._left -= elements * more
        return True

    def _tell(self, element: Any, place: str) -> None:
        if _says(element):
            self._report.problems.append(f"{place} is repeated too often; the answer says it once")


def rows(table: Any) -> Iterator[Any]:
    """The rows of a table, in groups or not, but for those of tables in it."""
    waiting = [table.iterchildren(ROW, *ROWS)]
    while waiting:
        element = next(waiting[-1], None)
        if element is None:
            waiting.pop()
        elif element.tag == ROW:
            yield element
        else:
            waiting.append(element.iterchildren(ROW, *ROWS))


def count(element: Any, name: str) -> int:
    """How often an element stands, or how far it reaches."""
    value = element.get(f"{TABLE}{name}") or "1"
    return max(1, min(int(value[:20]), _MOST)) if value.isdecimal() else 1


def _copies(table: Any, copies: dict[Any, int]) -> int:
    """How often a table stands, by the rows and cells that it is in."""
    times = 1
    for element in table.iterancestors(ROW, CELL, COVERED, _TABLE):
        if element.tag == _TABLE:
            return times * copies.get(element, 1)
        times *= count(element, _DOWN if element.tag == ROW else _ACROSS)
    return times


def _trim(elements: Iterable[Any], name: str) -> None:
    """Empty ones at the end only fill a page."""
    for element in reversed(list(elements)):
        if element.tag == COVERED or _says(element) or element.find(f".//{COVERED}") is not None:
            return
        _once(element, name)


def _once(element: Any, name: str) -> None:
    element.attrib.pop(f"{TABLE}{name}", None)


def _says(element: Any) -> bool:
    """True where something is to be seen, or would be with another program."""
    return any(
        (inner.text or "").strip() or (inner is not element and (inner.tail or "").strip()) or _has_value(inner)
        for inner in element.iter()
    )


def _has_value(element: Any) -> bool:
    if not isinstance(element.tag, str):
        return False
    return element.tag.startswith(DRAW) or any(name.startswith(OFFICE) for name in element.attrib)
