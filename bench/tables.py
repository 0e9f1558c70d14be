"""Tables of PDF files: F1 of their cells against the truth, by all that is known of a table and by the model alone.

A cell counts when its text (after white space), row, column and spans are all right. Tables are made by
`bench.typesetting`; a folder of PDF files with Docling's Markdown beside each can be added, which tells text, row and
column alone, with the text of a span in all that it covers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from docling.datamodel.base_models import Cluster, LayoutPrediction, Page, Table
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import BoundingRectangle, TextCell

from bench.typesetting.sheet import HEIGHT, WIDTH, Line
from bench.typesetting.tables import Cell, Made, made_tables
from services.documents.backends.engines.local import LocalEngines
from services.documents.backends.reading.pdf import layout, ocr, tables
from services.documents.backends.reading.pdf.file import PdfFile
from services.documents.backends.reading.pdf.grids.words import Frame
from services.documents.backends.reading.pdf.view import SeenPage

BAR = 0.93


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A page with one table and its truth."""

    name: str
    data: bytes
    cells: Sequence[Cell]
    lines: Sequence[Line] = ()
    """Of a picture: what OCR is taken to have read."""
    box: BoundingBox | None = None
    """Of the table on the page, where it is known."""
    has_spans: bool = True
    """The truth tells spans; otherwise the text of one is in all that it covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What was found of a table."""

    f1: float
    rows: int
    columns: int
    seconds: float
    differs: str
    """What differs first."""


def main() -> int:
    """Print a line for each table, and the mean."""
    options = _options()
    engines = LocalEngines(threads=options.threads)
    cases = [made_case(made, is_recognized=options.ocr) for made in made_tables(options.seed, options.only)]
    cases += (
        [case for case in _references(options.references) if options.only in case.name] if options.references else []
    )
    results = []
    print(f"{'table':28} {'F1':>6} {'placed':>6} {'model':>6} {'rows':>4} {'cols':>4} {'s':>5}  differs first")
    for case in cases:
        found = measure(case, engines)
        placed = measure(case, engines, is_placed=True)
        alone = measure(case, engines, is_placed=True, is_model_alone=True)
        results.append((found, placed, alone))
        figures = (
            f"{found.f1:6.3f} {placed.f1:6.3f} {alone.f1:6.3f} {found.rows:4} {found.columns:4} {found.seconds:5.2f}"
        )
        print(f"{case.name:28} {figures}  {placed.differs or found.differs}", flush=True)
    means = [mean(score.f1 for score in column) for column in zip(*results, strict=True)]
    seconds = mean(found.seconds for found, _, _ in results)
    print(f"{'mean':28} {means[0]:6.3f} {means[1]:6.3f} {means[2]:6.3f} {'':9} {seconds:5.2f}")
    return 0 if means[0] >= BAR else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names of tables")
    parser.add_argument("--threads", type=int, default=1, help="of the models")
    parser.add_argument("--ocr", action="store_true", help="recognize the text of pictures")
    parser.add_argument("--references", type=Path, help="a folder of PDF files with Markdown beside each")
    return parser.parse_args()


def made_case(made: Made, *, is_recognized: bool = False) -> Case:
    """A made table; the lines of a picture are given, if they are not to be recognized."""
    lines = made.lines if made.recipe.dpi and not is_recognized else ()
    frame = Frame(turns=int(made.recipe.is_turned), width=WIDTH, height=HEIGHT)
    return Case(name=made.name, data=made.data, cells=made.cells, lines=lines, box=frame.outside(*made.box))


def _references(folder: Path) -> Iterator[Case]:
    for file in sorted(folder.glob("*.pdf")):
        markdown = file.with_suffix(".md")
        rows = _markdown_rows(markdown.read_text()) if markdown.exists() else []
        cells = [
            Cell(row=row, column=column, text=text)
            for row, texts in enumerate(rows)
            for column, text in enumerate(texts)
            if text
        ]
        if cells:
            yield Case(name=file.stem, data=file.read_bytes(), cells=cells, has_spans=False)


def _markdown_rows(text: str) -> list[list[str]]:
    """Of the first table of a page."""
    rows: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("|"):
            rows.append([part.strip() for part in line.strip("|").split("|")])
        elif rows:
            break
    return [row for row in rows if set("".join(row)) - set("- ")]


def measure(case: Case, engines: LocalEngines, *, is_placed: bool = False, is_model_alone: bool = False) -> Score:
    """Read the page of a table, and compare what is largest on it.

    Args:
        case: the table.
        engines: the models.
        is_placed: say where the table is, if that is known, and do not ask the layout model.
        is_model_alone: see `read_tables`.
    """
    file = PdfFile(case.data)
    backend = file.page(1)
    page = SeenPage(page_no=1, size=backend.get_size())
    page._backend = backend
    page.parsed_page = backend.get_segmented_page()
    if case.lines:
        page.parsed_page.textline_cells = list(_recognized(case.lines))
    else:
        ocr.read_pictures(page, engines)
    if is_placed and case.box is not None:
        _place(page, case.box)
    else:
        layout.lay_out(page, engines)
    start = time.perf_counter()
    tables.read_tables(page, engines, is_model_alone=is_model_alone)
    seconds = time.perf_counter() - start
    found = page.predictions.tablestructure
    largest = max(found.table_map.values(), key=lambda table: len(table.table_cells), default=None) if found else None
    file.close()
    return _score(case, largest, seconds)


def _place(page: Page, box: BoundingBox) -> None:
    cells = [cell for cell in page.cells if cell.rect.to_bounding_box().intersection_over_self(box) > 0.5]
    cluster = Cluster(id=0, label=DocItemLabel.TABLE, bbox=box, confidence=1.0, cells=cells)
    page.predictions.layout = LayoutPrediction(clusters=[cluster])


def _recognized(lines: Sequence[Line]) -> Iterator[TextCell]:
    """Lines as OCR gives them: of pieces of text nearer than half a type size there is one line."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (round(line.baseline, 1), line.left)):
        last = rows[-1][-1] if rows else None
        near = (
            last is not None
            and abs(last.baseline - line.baseline) < 1
            and line.left - last.left - last.width < 0.5 * line.size
        )
        if near:
            rows[-1].append(line)
        else:
            rows.append([line])
    for at, row in enumerate(rows):
        left, right = row[0].left, row[-1].left + row[-1].width
        box = BoundingBox(
            l=left, t=row[0].baseline - 0.85 * row[0].size, r=right, b=row[0].baseline + 0.25 * row[0].size
        )
        text = " ".join(line.text for line in row)
        yield TextCell(index=at, rect=BoundingRectangle.from_bounding_box(box), text=text, orig=text, from_ocr=True)


def _score(case: Case, table: Table | None, seconds: float) -> Score:
    if table is None:
        return Score(f1=0.0, rows=0, columns=0, seconds=seconds, differs="no table")
    found = Counter(_found(table, has_spans=case.has_spans))
    truth = Counter(_key(cell) for cell in case.cells)
    right = sum((found & truth).values())
    missing, extra = sorted((truth - found).elements()), sorted((found - truth).elements())
    differs = f"{missing[:1]} {extra[:1]}" if missing or extra else ""
    f1 = 2 * right / (sum(found.values()) + sum(truth.values()))
    return Score(f1=f1, rows=table.num_rows, columns=table.num_cols, seconds=seconds, differs=differs)


_Key = tuple[int, int, int, int, str]


def _key(cell: Cell) -> _Key:
    return cell.row, cell.column, cell.row_span, cell.column_span, " ".join(cell.text.split())


def _found(table: Table, *, has_spans: bool) -> Iterator[_Key]:
    """Its cells, but for those that are empty and have no span."""
    for cell in table.table_cells:
        place = cell.start_row_offset_idx, cell.start_col_offset_idx
        text = " ".join(cell.text.split())
        if has_spans and (text or cell.row_span * cell.col_span > 1):
            yield *place, cell.row_span, cell.col_span, text
        if not has_spans and text:
            for row in range(cell.start_row_offset_idx, cell.end_row_offset_idx):
                for column in range(cell.start_col_offset_idx, cell.end_col_offset_idx):
                    yield row, column, 1, 1, text


if __name__ == "__main__":
    sys.exit(main())
