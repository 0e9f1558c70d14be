"""Grids that are no tables, and the lines of those that are."""

from __future__ import annotations

import time

from docling.datamodel.base_models import Cluster, Table
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.items.table.table_data import TableCell
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import BoundingRectangle, TextCell

from services.documents.backends.reading.pdf.forms import parts


def grid(rows: int, columns: int) -> Table:
    """A table with a line in each of its cells of 10 x 10 points."""
    boxes = [
        BoundingBox(l=10 * column, t=10 * row, r=10 * column + 9, b=10 * row + 9)
        for row in range(rows)
        for column in range(columns)
    ]
    lines = [
        TextCell(index=at, rect=BoundingRectangle.from_bounding_box(box), text=str(at), orig="Times", from_ocr=False)
        for at, box in enumerate(boxes)
    ]
    cells = [
        TableCell(
            bbox=box,
            text=str(at),
            start_row_offset_idx=at // columns,
            end_row_offset_idx=at // columns + 1,
            start_col_offset_idx=at % columns,
            end_col_offset_idx=at % columns + 1,
        )
        for at, box in enumerate(boxes)
    ]
    whole = BoundingBox(l=0, t=0, r=10 * columns, b=10 * rows)
    cluster = Cluster(id=1, label=DocItemLabel.TABLE, bbox=whole, confidence=1.0, cells=lines)
    return Table(
        otsl_seq=[],
        table_cells=cells,
        num_rows=rows,
        num_cols=columns,
        id=1,
        page_no=1,
        cluster=cluster,
        label=DocItemLabel.TABLE,
        text="",
    )


def test_boxes_in_one_row_are_no_table() -> None:
    found = parts(grid(1, 4))

    assert found is not None
    assert [[line.text for line in part] for part in found] == [["0"], ["1"], ["2"], ["3"]]


def test_a_table_of_thousands_of_cells_costs_no_time_for_each_pair_of_cell_and_line() -> None:
    table = grid(100, 40)
    began_s = time.process_time()

    found = parts(table)

    assert found is None
    assert time.process_time() - began_s < 4  # each with each, one by one, it is 50 s
