"""Grids that are no tables: one row or column of boxes, and forms of names in bold type with their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from docling.datamodel.base_models import Table
from docling_core.types.doc.items.table.table_data import TableCell
from docling_core.types.doc.page import TextCell

from services.documents.backends.reading.pdf.rows import font_name, is_bold

Floats = npt.NDArray[np.float64]

_FEW = 2
"""Boxes with text that make no table, wherever they are."""
_LEAST_NAMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """A cell with the lines in it."""

    cell: TableCell
    lines: Sequence[TextCell]

    @property
    def is_bold(self) -> bool:
        return all(is_bold(font_name(line)) for line in self.lines)


def parts(table: Table) -> list[list[TextCell]] | None:
    """The lines of each box, in the order of reading, where a grid is no table; None for a table.

    A form is told from a table by its type: what is in the first column is bold, nothing beside it is, and no heads are
    above, but for a title over its whole width.
    """
    boxes = _boxes(table)
    if not boxes:
        return None
    rows, columns = ({getattr(box.cell, f"start_{way}_offset_idx") for box in boxes} for way in ("row", "col"))
    if len(boxes) <= _FEW or len(rows) == 1 or len(columns) == 1:
        return [list(box.lines) for box in boxes]
    titles = _titles(boxes, table.num_cols)
    pairs = _pairs(boxes[len(titles) :])
    return None if pairs is None else [*(list(title.lines) for title in titles), *pairs]


def _boxes(table: Table) -> list[_Box]:
    """The cells with text, row by row."""
    cells = sorted(
        (cell for cell in table.table_cells if cell.text.strip() and cell.bbox is not None),
        key=lambda cell: (cell.start_row_offset_idx, cell.start_col_offset_idx),
    )
    if not cells:
        return []
    # As one array: a page of a directory has a thousand of each, and compared one by one they take seconds.
    places = np.array([cell.bbox.as_tuple() for cell in cells if cell.bbox is not None])
    inside: dict[int, list[TextCell]] = {}
    for line in table.cluster.cells:
        if line.text.strip():
            inside.setdefault(_most_shared(line, places), []).append(line)
    return [_Box(cell=cells[at], lines=lines) for at, lines in sorted(inside.items())]


def _most_shared(line: TextCell, places: Floats) -> int:
    """Which of the places has most of a line."""
    left, top, right, bottom = line.rect.to_bounding_box().as_tuple()
    wide = np.minimum(places[:, 2], right) - np.maximum(places[:, 0], left)
    high = np.minimum(places[:, 3], bottom) - np.maximum(places[:, 1], top)
    return int((wide.clip(min=0) * high.clip(min=0)).argmax())


def _titles(boxes: Sequence[_Box], columns: int) -> list[_Box]:
    """Those that are over the whole width, at the top."""
    found = []
    for box in boxes:
        if box.cell.col_span < columns:
            break
        found.append(box)
    return found


def _pairs(boxes: Sequence[_Box]) -> list[list[TextCell]] | None:
    """The names of a form, each followed by its values; None where it is none."""
    names = [box for box in boxes if box.cell.start_col_offset_idx == 0]
    values = [box for box in boxes if box.cell.start_col_offset_idx > 0]
    if len(names) < _LEAST_NAMES or not all(box.is_bold for box in names) or any(box.is_bold for box in values):
        return None
    found: list[tuple[list[TextCell], list[TextCell]]] = []
    for box in names:
        row = box.cell.start_row_offset_idx
        own = _lines(value for value in values if row <= value.cell.start_row_offset_idx < box.cell.end_row_offset_idx)
        if own or not found:
            found.append((list(box.lines), own))
        else:  # a name of several lines
            found[-1][0].extend(box.lines)
    told = {id(line) for _, lines in found for line in lines}
    if any(id(line) not in told for value in values for line in value.lines):
        return None
    return [part for pair in found for part in pair if part]


def _lines(boxes: Iterable[_Box]) -> list[TextCell]:
    return [line for box in boxes for line in box.lines]
