"""The tables of a page: their cells, with the text that stands in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from docling.datamodel.base_models import Cluster, Page, Table, TableStructurePrediction
from docling.models.stages.page_assemble.page_assemble_model import PageAssembleModel, PageAssembleOptions
from docling_core.types.doc.items.table.table_data import TableCell

from services.documents.backends.engines.base import Engines
from services.documents.backends.reading.pdf.file import PdfPage
from services.documents.backends.reading.pdf.grids.choosing import GridReader
from services.documents.backends.reading.pdf.grids.clusters import complete, find, is_text, to_text
from services.documents.backends.reading.pdf.grids.grid import Grid
from services.documents.backends.reading.pdf.grids.mirror import is_mirrored, line_text
from services.documents.backends.reading.pdf.grids.regions import TABLES
from services.documents.backends.reading.pdf.grids.sheet import Sheet
from services.documents.backends.reading.pdf.grids.words import Frame, Word, all_phrases, hull, lines_of

_ASSEMBLE = PageAssembleModel(PageAssembleOptions())


def read_tables(page: Page, engines: Engines, *, is_model_alone: bool = False) -> None:
    """Find the tables of a page that is laid out, and the cells of each.

    Its clusters change: text that is a table, or a part of one, comes into it; a table that is none becomes text.

    Args:
        page: with its layout.
        engines: the models.
        is_model_alone: take the tables as they were laid out, and of each what the table model sees first, as it is: to
            measure what the rest is good for.
    """
    found = TableStructurePrediction()
    page.predictions.tablestructure = found
    if not isinstance(page._backend, PdfPage) or page.parsed_page is None or page.predictions.layout is None:
        return
    sheet = Sheet(page, page._backend)
    reader = GridReader(sheet, engines, is_model_alone=is_model_alone)
    if not is_model_alone:
        complete(sheet)
        find(sheet, reader)
        complete(sheet)
    for cluster in [cluster for cluster in sheet.clusters if cluster.label in TABLES]:
        grid = reader.best(cluster)
        if not is_model_alone and is_text(sheet, cluster, grid):
            to_text(sheet, cluster)
        elif grid is not None:
            found.table_map[cluster.id] = _table(sheet, cluster, grid, page.page_no)


def _table(sheet: Sheet, cluster: Cluster, grid: Grid, page_no: int) -> Table:
    frame = sheet.frame(cluster.cells)
    words = sheet.words(cluster.cells, frame)
    cells = list(_cells(grid, words, frame))
    if is_mirrored(words):
        for cell in cells:
            first, end = cell.start_col_offset_idx, cell.end_col_offset_idx
            cell.start_col_offset_idx, cell.end_col_offset_idx = grid.columns - end, grid.columns - first
    return Table(
        otsl_seq=[],
        table_cells=cells,
        num_rows=grid.rows,
        num_cols=grid.columns,
        id=cluster.id,
        page_no=page_no,
        cluster=cluster,
        label=cluster.label,
    )


def _cells(grid: Grid, words: Sequence[Word], frame: Frame) -> Iterator[TableCell]:
    filled = grid.filled(all_phrases(words))
    for place in grid.places():
        inside = filled.get(place, [])
        yield TableCell(
            bbox=frame.outside(*(hull(inside) if inside else grid.box(place))),
            row_span=place.row_span,
            col_span=place.column_span,
            start_row_offset_idx=place.row,
            end_row_offset_idx=place.row + place.row_span,
            start_col_offset_idx=place.column,
            end_col_offset_idx=place.column + place.column_span,
            text=_text(inside),
            column_header=place.row < grid.heads,
        )


def _text(words: Sequence[Word]) -> str:
    """Lines joined as those of a paragraph are."""
    return _ASSEMBLE.sanitize_text([line_text(line) for line in lines_of(words)])
