"""Tables as rows of texts, for the forms that know no spans: a spanning cell stands in each place that it covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docling_core.types.doc.items.table.table import TableItem
from docling_core.types.doc.items.table.table_data import TableCell
from tabulate import _column_type, tabulate

_MOST_PADDING = 5
"""Characters of a padded table for each of its texts."""
_LEVELS = " - "
"""Between the texts of stacked headers."""


def rows(item: TableItem, shown: Callable[[Any], str]) -> list[list[str]]:
    """The rows of a table; the first one is its header, the stacked ones joined.

    Args:
        item: the table.
        shown: a cell as text.
    """
    grid = item.data.grid
    texts: dict[int, str] = {}

    def text(cell: TableCell) -> str:
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
