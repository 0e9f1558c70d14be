"""Tables as rows of texts, for the forms that know no spans: a spanning cell stands in each place that it covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docling_core.types.doc.items.table.table import TableItem
from docling_core.types.doc.items.table.table_data import TableCell, TableData
from tabulate import _column_type, tabulate

_MOST_PADDING = 5
"""Characters of a padded table for each of its texts."""
_LEVELS = " - "
"""Between the texts of stacked headers."""


def places(data: TableData) -> list[list[TableCell]]:
    """The cell in each place of a table: `TableData.grid`, which makes an empty cell for every place beforehand, and
    so takes twice the memory.
    """
    grid: list[list[Any]] = [[None] * data.num_cols for _ in range(data.num_rows)]
    for cell in data.table_cells:
        for row in grid[cell.start_row_offset_idx : cell.end_row_offset_idx]:
            for column in range(cell.start_col_offset_idx, min(cell.end_col_offset_idx, data.num_cols)):
                row[column] = cell
    for number, row in enumerate(grid):
        for column, found in enumerate(row):
            if found is None:
                row[column] = _empty(number, column)
    return grid


def _empty(row: int, column: int) -> TableCell:
    return TableCell(
        text="",
        start_row_offset_idx=row,
        end_row_offset_idx=row + 1,
        start_col_offset_idx=column,
        end_col_offset_idx=column + 1,
    )


def rows(item: TableItem, shown: Callable[[Any], str]) -> list[list[str]]:
    """The rows of a table; the first one is its header, the stacked ones joined.

    Args:
        item: the table.
        shown: a cell as text.
    """
    grid = places(item.data)
    texts: dict[int, str] = {}

    def text(cell: TableCell) -> str:
        if cell.row_span == cell.col_span == 1:
            return shown(cell)
        key = id(cell)
        if key not in texts:
            texts[key] = shown(cell)
        return texts[key]

    shown_rows = [[text(cell) for cell in row] for row in grid]
    headers = _header_rows(item, grid)
    header = [_LEVELS.join(_stacked(column)) for column in _columns(grid[:headers], shown_rows[:headers])]
    return [header or [""] * len(grid[0]), *shown_rows[headers:]] if grid else []


def drawn(table: list[list[str]]) -> str:
    """Rows with bars between their cells, in the widths that Docling gives them; without padding where it would be
    most of the table, as beside one long cell.
    """
    header, *body = table
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if len(table) * sum(widths) > _MOST_PADDING * (1000 + sum(len(text) for row in table for text in row)):
        lines = [header, ["-" * 3] * len(header), *body]
        return "\n".join(f"| {' | '.join(row)} |" for row in lines)
    is_number = [_column_type([row[index] for row in body]) in (int, float) for index in range(len(header))]
    alignment = tuple("right" if number else "left" for number in is_number) if body else None
    return str(tabulate(body, headers=header, tablefmt="github", disable_numparse=True, colalign=alignment))


def _columns(grid: list[list[TableCell]], texts: list[list[str]]) -> list[list[tuple[TableCell, str]]]:
    width = max(map(len, grid), default=0)
    return [
        [(row[index], shown[index]) for row, shown in zip(grid, texts, strict=True) if index < len(row)]
        for index in range(width)
    ]


def _stacked(column: list[tuple[TableCell, str]]) -> list[str]:
    """The texts of a column's headers; one cell that spans rows is said once, two with one text are two."""
    return [
        text for index, (cell, text) in enumerate(column) if text and (not index or column[index - 1][0] is not cell)
    ]


def _header_rows(item: TableItem, grid: list[list[TableCell]]) -> int:
    """How many rows are the header: those that Docling counts, or one where no cell is marked."""
    counted: int = item.data._count_column_header_rows(grid=grid)
    return counted or (0 if any(cell.column_header for row in grid for cell in row) else 1)
