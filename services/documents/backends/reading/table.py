"""Tables, cell by cell, as a reader of its own puts them into a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.table.table import TableItem
from docling_core.types.doc.items.table.table_data import RichTableCell, TableCell, TableData
from docling_core.types.doc.items.text import TextItem

from services.documents.backends.reading.line import Run, add_line, is_plain, plain

_MOST_PLACES = 1_000_000
"""Rows times columns. Docling makes a grid of them, and a few characters of source may claim any number."""


@dataclass(slots=True, kw_only=True)
class Cell:
    """What a table has at a place."""

    runs: Sequence[Run] = ()
    """A line of text, or"""
    build: Callable[[NodeItem], None] | None = None
    """adds its blocks to a group."""
    columns: int = 1
    rows: int = 1
    is_column_header: bool = False
    is_row_header: bool = False


@dataclass(slots=True)
class _Placed:
    """The cells of a table with their places."""

    cells: list[tuple[int, int, Cell]] = field(default_factory=list)
    rows: int = 0
    columns: int = 0


def add_table(
    document: DoclingDocument,
    rows: Sequence[Sequence[Cell]],
    parent: NodeItem | None = None,
    caption: TextItem | None = None,
) -> TableItem:
    """Add a table. A cell stands in the first place of its row that no cell above or beside it covers."""
    placed = _place(rows)
    data = TableData(num_rows=placed.rows, num_cols=placed.columns, table_cells=[])
    table: TableItem = document.add_table(data=data, parent=parent, caption=caption)
    for row, column, cell in placed.cells:
        data.table_cells.append(_cell(document, table, row, column, cell))
    return table


def _place(rows: Sequence[Sequence[Cell]]) -> _Placed:
    placed = _spread(rows)
    if placed.rows * placed.columns > _MOST_PLACES:
        for row in rows:
            for cell in row:
                cell.columns = cell.rows = 1
        placed = _spread(rows, most_places=2**62)
    return placed


def _spread(rows: Sequence[Sequence[Cell]], most_places: int = _MOST_PLACES) -> _Placed:
    placed = _Placed(rows=len(rows))
    covered: dict[int, int] = {}  # column -> first row that is free again
    for number, row in enumerate(rows):
        column = 0
        for cell in row:
            while covered.get(column, 0) > number:
                column += 1
            cell.rows = max(1, min(cell.rows, len(rows) - number))
            cell.columns = max(1, min(cell.columns, 1000))
            placed.cells.append((number, column, cell))
            if cell.rows > 1:
                covered.update((place, number + cell.rows) for place in range(column, column + cell.columns))
            column += cell.columns
        placed.columns = max(placed.columns, column)
        if placed.columns * placed.rows > most_places:
            break
    return placed


def _cell(document: DoclingDocument, table: TableItem, row: int, column: int, cell: Cell) -> TableCell:
    place = {
        "row_span": cell.rows,
        "col_span": cell.columns,
        "start_row_offset_idx": row,
        "end_row_offset_idx": row + cell.rows,
        "start_col_offset_idx": column,
        "end_col_offset_idx": column + cell.columns,
        "column_header": cell.is_column_header,
        "row_header": cell.is_row_header,
    }
    if cell.build is None and is_plain(cell.runs):
        return TableCell(text=plain(cell.runs), **place)
    held = document.add_group(parent=table)
    if cell.build is None:
        add_line(document, cell.runs, held)
    else:
        cell.build(held)
    return RichTableCell(text=plain(cell.runs), ref=held.get_ref(), **place)
