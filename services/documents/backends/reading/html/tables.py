"""The rows of an HTML table and the places of its cells, as browsers lay them out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from docling.backend.utils.table_spans import MAX_COLSPAN, MAX_ROWSPAN, clamp_span, table_width

from services.documents.backends.reading.html.dom import Element

_DIGITS = re.compile(r"\s*\+?(\d{1,6})")
_MOST_PLACES = 100_000
_MOST_EMPTY = 20
"""Places of a table for each of its cells."""
_GROUPS = ("thead", "tbody", "tfoot")


@dataclass(frozen=True, slots=True)
class Place:
    """A cell and what it covers."""

    cell: Element
    row: int
    column: int
    row_span: int
    column_span: int
    is_header: bool
    """Its whole row is made of header cells."""


Shows = Callable[[Element], bool]


def places(table: Element, shows: Shows) -> tuple[list[Place], int, int]:
    """The cells of a table, row by row, with its numbers of rows and columns.

    Args:
        table: the element.
        shows: whether an element is shown.
    """
    rows: list[list[Element]] = []
    ends: list[int] = []  # of each row: where its group ends
    for group in _groups(table, shows):
        rows += group
        ends += [len(rows)] * len(group)
    spans = [[_spans(cell, len(rows)) for cell in row] for row in rows]
    return _laid(rows, spans, ends)


def parts(found: list[Place], rows: int, columns: int) -> list[tuple[list[Place], int, int]]:
    """The table, or where most of its places are empty the runs of its rows that are equally wide.

    2,000 rows of one cell and one of 2,000 cells are 32 KB, and 4 million places.
    """
    if rows * columns <= _MOST_PLACES + _MOST_EMPTY * len(found):
        return [(found, rows, columns)]
    widths: dict[int, int] = {}
    for place in found:
        widths[place.row] = max(widths.get(place.row, 0), place.column + place.column_span)
    split = []
    for width, run in groupby(found, key=lambda place: widths[place.row]):
        cells = list(run)
        first, last = cells[0].row, cells[-1].row
        moved = [
            replace(cell, row=cell.row - first, row_span=min(cell.row_span, last - cell.row + 1)) for cell in cells
        ]
        split.append((moved, last - first + 1, width))
    return split


def strays(table: Element) -> Iterator[Element | str]:
    """What stands between the rows of a table, which browsers show in front of it."""
    for node in table.children:
        if isinstance(node, str):
            if node.strip():
                yield node
        elif node.tag in (*_GROUPS, "tr", "form"):
            yield from strays(node)
        elif node.tag not in ("td", "th", "caption", "colgroup", "col", "script", "style", "template"):
            yield node


def _laid(
    rows: list[list[Element]], spans: list[list[tuple[int, int]]], ends: list[int]
) -> tuple[list[Place], int, int]:
    width = table_width(spans)
    covered: dict[int, int] = {}  # column: the first row that is free again
    found = []
    for index, row in enumerate(rows):
        column = 0
        is_header = bool(row) and all(cell.tag == "th" for cell in row)
        for cell, (columns, lines) in zip(row, spans[index], strict=True):
            while covered.get(column, 0) > index:
                column += 1
            width = max(width, column + 1)
            place = Place(cell, index, column, min(lines, ends[index] - index), min(columns, width - column), is_header)
            for number in range(column, column + place.column_span):
                covered[number] = index + place.row_span
            found.append(place)
            column += place.column_span
    return found, len(rows), width


def _groups(table: Element, shows: Shows) -> Iterator[list[list[Element]]]:
    """The rows by their groups: the first head is shown first, the first foot last."""
    head: list[list[Element]] | None = None
    foot: list[list[Element]] | None = None
    body: list[list[list[Element]]] = []
    loose: list[list[Element]] = []
    for kind, rows in _sections(table, shows):
        if kind in _GROUPS and loose:
            body.append(loose)
            loose = []
        if kind == "thead" and head is None:
            head = rows
        elif kind == "tfoot" and foot is None:
            foot = rows
        elif kind in _GROUPS:
            body.append(rows)
        else:
            loose += rows
    yield from filter(None, [head, *body, loose, foot])


def _sections(parent: Element, shows: Shows) -> Iterator[tuple[str, list[list[Element]]]]:
    stray: list[Element] = []
    for node in parent.elements():
        if not shows(node):
            continue
        if node.tag in ("td", "th"):  # no row was opened for it
            stray.append(node)
            continue
        if stray:
            yield "", [stray]
            stray = []
        if node.tag in _GROUPS:
            yield node.tag, [row for _, rows in _sections(node, shows) for row in rows]
        elif node.tag == "tr":
            yield "", [list(_cells(node, shows))]
        elif node.tag == "form":
            yield from _sections(node, shows)
    if stray:
        yield "", [stray]


def _cells(row: Element, shows: Shows) -> Iterator[Element]:
    for node in filter(shows, row.elements()):
        if node.tag in ("td", "th"):
            yield node
        elif node.tag == "form":
            yield from _cells(node, shows)


def _spans(cell: Element, most_rows: int) -> tuple[int, int]:
    columns = _number(cell.get("colspan"), 1) or 1
    rows = _number(cell.get("rowspan"), 1) or most_rows  # 0 reaches to the end of the group
    return clamp_span(columns, MAX_COLSPAN), clamp_span(rows, MAX_ROWSPAN)


def _number(text: str, default: int) -> int:
    match = _DIGITS.match(text)
    return int(match[1]) if match else default
