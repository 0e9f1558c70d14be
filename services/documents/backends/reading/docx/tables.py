"""Tables whose grid says less than their rows: Docling drops what stands outside of the grid."""

from __future__ import annotations

from docx.oxml import OxmlElement

from services.documents.backends.reading.docx.names import TBL, TC, TC_PR, TR, TR_PR, VALUE, Element, T, W, remove

_GRID, _COLUMN, _SPAN, _MERGE, _BEFORE = (
    W + name for name in ("tblGrid", "gridCol", "gridSpan", "vMerge", "gridBefore")
)


def mend(root: Element) -> None:
    """Give each table a grid for all its cells, and cells that were merged by mistake their own place."""
    for table in root.iter(TBL):
        grid = table.find(_GRID)
        if grid is None:
            grid = OxmlElement("w:tblGrid")
            first = table.find(TR)
            if first is None:
                continue
            first.addprevious(grid)
        columns = len(grid.findall(_COLUMN))
        wanted = _lay_out(table, columns)
        for _ in range(wanted - columns):
            grid.append(OxmlElement("w:gridCol"))


def _lay_out(table: Element, columns: int) -> int:
    """The number of columns that the rows need; mends spans and merges on the way."""
    above: dict[int, bool] = {}
    wanted = columns
    for row in table.iterfind(TR):
        cells = row.findall(TC)
        for cell in cells:
            if (span := cell.find(f"{TC_PR}/{_SPAN}")) is not None and _number(span, 1) < 1:
                remove(span)
        start = _number(row.find(f"{TR_PR}/{_BEFORE}"), 0)
        spans = [max(1, _number(cell.find(f"{TC_PR}/{_SPAN}"), 1)) for cell in cells]
        if start + sum(spans) > columns:
            start, spans = _fitted(row, cells, start, spans, columns)
            wanted = max(wanted, start + sum(spans))
        above = _merges(cells, start, spans, above)
    return wanted


def _fitted(row: Element, cells: list[Element], start: int, spans: list[int], columns: int) -> tuple[int, list[int]]:
    """A row that passes the grid. Its spans count as long as they are few; a file may claim millions."""
    if start + sum(spans) <= max(columns, _MOST_COLUMNS):
        return start, spans
    for path, elements in ((f"{TR_PR}/{_BEFORE}", [row]), (f"{TC_PR}/{_SPAN}", cells)):
        for element in elements:
            if (span := element.find(path)) is not None:
                remove(span)
    return 0, [1] * len(cells)


_MOST_COLUMNS = 63
"""Word's own limit."""


def _merges(cells: list[Element], start: int, spans: list[int], above: dict[int, bool]) -> dict[int, bool]:
    """Which columns have a merged cell that may go on; a cell with words, or below none, is one of its own."""
    below: dict[int, bool] = {}
    column = start
    for cell, span in zip(cells, spans, strict=True):
        merge = cell.find(f"{TC_PR}/{_MERGE}")
        goes_on = merge is not None and merge.get(VALUE, "continue") == "continue"
        if goes_on and (not above.get(column) or any((text.text or "").strip() for text in cell.iter(T))):
            merge.set(VALUE, "restart")
        below[column] = merge is not None
        column += span
    return below


def _number(element: Element | None, default: int) -> int:
    value = element.get(VALUE, "") if element is not None else ""
    return int(value) if value.isdecimal() and len(value) < 10 else default
