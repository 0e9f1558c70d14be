"""XLSX: Docling's backend, with the cells as their own XML has them and as the sheet shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from typing import Any

from docling.backend.msexcel_backend import ExcelCell, ExcelTable, MsExcelDocumentBackend
from docling.datamodel.base_models import InputFormat
from docling_core.types.doc.base import BoundingBox, CoordOrigin
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.common.reference import ProvenanceItem
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.node import DocItem
from docling_core.types.doc.labels import DocItemLabel
from openpyxl.styles.numbers import BUILTIN_FORMATS
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from services.documents.backends.base import Include
from services.documents.backends.reading import drawings, layers, opc, sheets
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.parts import mending
from services.documents.backends.reading.reader import Report, Source, opened
from services.documents.backends.reading.sheets import Cell, Place, Region, Shown
from services.documents.backends.reading.workbook import Package, Sheet

_LOCAL_DATES = {14: "yyyy-mm-dd", 22: "yyyy-mm-dd hh:mm"}
"""Formats that follow the reader's country."""
_FIRST_OWN_FORMAT = 164
_XDR = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_FIRST_LEVEL = 1

Thread = list[tuple[str, str, datetime | None]]
"""A comment and its answers: author, text, time."""


@mending(opc.mended)
def read(source: Source, report: Report) -> DoclingDocument:
    """Read a workbook."""
    with opened(source, InputFormat.XLSX, _Workbook) as backend:
        backend.prepare(source, report)
        document: DoclingDocument = backend.convert()
        return document


class _Workbook(MsExcelDocumentBackend):
    """Docling's backend, which asks this one for the tables of a sheet."""

    workbook: Any
    _include: Set[Include] = frozenset()

    def prepare(self, source: Source, report: Report) -> None:
        self._include = source.include
        self._report = report
        self._package = Package(source.data)
        self._read: dict[str, Sheet] = {}
        self._owners: dict[Place, Place] = {}
        self._items: dict[Place, DocItem] = {}
        self._threads: dict[Place, Thread] = {}

    # What Docling calls.

    def _convert_sheet(self, doc: DoclingDocument, sheet: Any, page_no: int) -> DoclingDocument:
        self._owners, self._items, self._threads = {}, {}, {}
        own = self._own(sheet)
        if not self._is_hidden(sheet):
            self._report.passages.extend(self._passages(sheet, own))
            self._tell_uncomputed(sheet, own)
            self._tell_embedded(sheet)
        doc = super()._convert_sheet(doc, sheet, page_no)
        if self.parent is None:
            return doc
        if Include.COMMENTS in self._include:
            self._add_comments(doc, sheet)
        layer = self._get_sheet_content_layer(sheet)
        headers = own.headers if Include.HEADERS in self._include else []
        first = [
            doc.add_heading(sheet.title, level=_FIRST_LEVEL, parent=self.parent, content_layer=layer),
            *(self._add_text(doc, text, layer) for text in headers),
        ]
        self._move(first, to=0)
        for text in own.footers if Include.HEADERS in self._include else []:
            self._add_text(doc, text, layer)
        return doc

    def _find_data_tables(self, sheet: Any) -> tuple[list[ExcelTable], dict[Place, Thread]]:
        own = self._own(sheet)
        rows, columns = self._shown(own)
        cells, places = _seen(own, sheet, rows, columns)
        tables = []
        found = sheets.regions(cells)
        for region in found:
            tables.append(_table(region, cells, places))
        self._threads = {place: thread for place, thread in self._comments(sheet).items() if thread}
        if self._threads:
            self._find_owners(found, places)
        is_shown = Include.COMMENTS in self._include
        return tables, {} if is_shown else self._threads

    def _find_cell_item(self, doc: DoclingDocument, page_no: int, row: int, col: int) -> DocItem | None:  # noqa: ARG002
        if not self._items and self.parent is not None:
            for reference in self.parent.children:
                item = reference.resolve(doc)
                if isinstance(item, DocItem) and item.prov:
                    box = item.prov[0].bbox
                    self._items[int(box.t), int(box.l)] = item
        corner = self._owners.get((row, col))
        if corner is None:
            return None
        # A section label above a table is a text of its own, and the table begins a row lower.
        below = self._items.get((corner[0] + 1, corner[1])) if row > corner[0] else None
        return below or self._items.get(corner)

    def _find_chart_in_sheet(self, doc: DoclingDocument, sheet: Any, page_no: int) -> DoclingDocument:
        doc = super()._find_chart_in_sheet(doc, sheet, page_no)
        layer = self._get_sheet_content_layer(sheet)
        for row, column, text in self._drawn(sheet):
            box = BoundingBox(l=column, t=row, r=column + 1, b=row + 1, coord_origin=CoordOrigin.TOPLEFT)
            self._add_text(doc, text, layer, ProvenanceItem(page_no=page_no, charspan=(0, len(text)), bbox=box))
        return doc

    def _find_page_size(self, doc: DoclingDocument, page_no: int) -> tuple[float, float]:  # type: ignore[override]  # noqa: ARG002
        """As Docling's, which looks through the sheets before it as well."""
        return layers.size(doc, self.parent)

    def _get_sheet_content_layer(self, sheet: Any) -> ContentLayer | None:  # type: ignore[override]
        return ContentLayer.INVISIBLE if self._is_hidden(sheet) else None

    def _parse_threaded_comments(self, sheet_name: str) -> dict[str, Thread]:
        """As Docling's, which reads them from files on a disk only."""
        part = self._package.sheets.get(sheet_name, "")
        people = {
            person.get("id"): person.get("displayName", "")
            for of_book in self._package.related(self._package.book, "person")
            if (root := self._package.tree(of_book)) is not None
            for person in root.iter("{*}person")
        }
        found: dict[str, Thread] = {}
        for threads in self._package.related(part, "threadedComment") if part else []:
            root = self._package.tree(threads)
            for comment in [] if root is None else root.iter("{*}threadedComment"):
                text = "".join(comment.itertext("{*}text")).strip()
                author = people.get(comment.get("personId")) or ""
                found.setdefault(comment.get("ref", ""), []).append((author, text, None))
        return found

    # What this one adds.

    def _own(self, sheet: Any) -> Sheet:
        title = sheet.title
        if title not in self._read:
            is_1904 = self.workbook.epoch == CALENDAR_MAC_1904
            self._read[title] = self._package.sheet(title, self._code, from_1904=is_1904)
        return self._read[title]

    def _code(self, style: int) -> str:
        styles = self.workbook._cell_styles
        number = styles[style].numFmtId if 0 <= style < len(styles) else 0
        if number >= _FIRST_OWN_FORMAT:
            own = self.workbook._number_formats
            return own[number - _FIRST_OWN_FORMAT] if number - _FIRST_OWN_FORMAT < len(own) else "General"
        return _LOCAL_DATES.get(number) or BUILTIN_FORMATS.get(number, "General")

    def _is_hidden(self, sheet: Any) -> bool:
        return sheet.sheet_state != "visible" and Include.HIDDEN not in self._include

    def _shown(self, own: Sheet) -> tuple[Shown, Shown]:
        if Include.HIDDEN in self._include:
            return Shown(), Shown()
        return Shown(own.hidden_rows), Shown(sorted(own.hidden_columns))

    def _tell_uncomputed(self, sheet: Any, own: Sheet) -> None:
        rows, columns = self._shown(own)
        places = [place for place in own.uncomputed if rows.is_shown(place[0]) and columns.is_shown(place[1])]
        if places:
            self._report.problems.append(sheets.uncomputed(places, sheet.title))

    def _tell_embedded(self, sheet: Any) -> None:
        part = self._package.sheets.get(sheet.title, "")
        for kind in ("oleObject", "package"):
            for target in self._package.related(part, kind) if part else []:
                name = target.rpartition("/")[2]
                self._report.problems.append(f"sheet {sheet.title}: an embedded object ({name}) is not in the answer")

    def _passages(self, sheet: Any, own: Sheet) -> Iterator[Passage]:
        """What openpyxl has read of texts, and what the XML says of all else."""
        rows, columns = self._shown(own)
        for (row, column), cell in sorted(getattr(sheet, "_cells", {}).items()):
            if cell.value is None or not (rows.is_shown(row - 1) and columns.is_shown(column - 1)):
                continue
            text = own.cells.get((row - 1, column - 1), "")
            if not text and cell.hyperlink:
                continue  # openpyxl writes the target into empty cells
            is_text = cell.data_type in {"s", "str", "inlineStr"} and "_x" not in str(cell.value)
            yield Passage(
                f"cell {cell.coordinate} of sheet {sheet.title}", str(cell.value) if is_text or not text else text
            )
        for place in own.uncomputed:
            if rows.is_shown(place[0]) and columns.is_shown(place[1]):
                yield Passage(f"cell {sheets.name(*place)} of sheet {sheet.title}", own.cells[place])
        for row, column, text in self._drawn(sheet):
            yield Passage(f"drawing at {sheets.name(row, column)} of sheet {sheet.title}", text)
        if Include.COMMENTS in self._include:
            for place, thread in self._comments(sheet).items():
                for _, text, _ in thread:
                    yield Passage(f"comment on cell {sheets.name(*place)} of sheet {sheet.title}", text)

    def _comments(self, sheet: Any) -> dict[Place, Thread]:
        threaded = self._parse_threaded_comments(sheet.title)
        rows, columns = self._shown(self._own(sheet))
        found = {}
        for (row, column), cell in sorted(getattr(sheet, "_cells", {}).items()):
            if cell.comment is None or not (rows.is_shown(row - 1) and columns.is_shown(column - 1)):
                continue
            text = str(cell.comment.text or "").strip()
            thread = threaded.get(cell.coordinate) or [(cell.comment.author or "", text, None)]
            found[row - 1, column - 1] = [entry for entry in thread if entry[1]]
        return found

    def _find_owners(self, found: Sequence[Region], places: dict[Place, Place]) -> None:
        """Which table each commented cell belongs to, by the table's first cell."""
        for region in found:
            corner = _corner(region, places)
            for place in region.cells:
                if places[place] in self._threads:
                    self._owners[places[place]] = corner

    def _add_comments(self, doc: DoclingDocument, sheet: Any) -> None:
        """Each behind the table of its cell."""
        behind: dict[str, list[DocItem]] = {}
        layer = self._get_sheet_content_layer(sheet)
        for place, thread in self._threads.items():
            owner = self._find_cell_item(doc, 0, *place)
            for author, text, _ in thread:
                by = f" [author: {author}]" if author else ""
                item = self._add_text(doc, f"{sheets.name(*place)}{by}: {text}", layer)
                if owner is not None:
                    behind.setdefault(owner.self_ref, []).append(item)
        if self.parent is None:
            return
        moved = {item.self_ref for items in behind.values() for item in items}
        children = [child for child in self.parent.children if child.cref not in moved]
        self.parent.children = [
            reference
            for child in children
            for reference in [child, *(item.get_ref() for item in behind.get(child.cref, []))]
        ]

    def _add_text(
        self, doc: DoclingDocument, text: str, layer: ContentLayer | None, prov: ProvenanceItem | None = None
    ) -> DocItem:
        item: DocItem = doc.add_text(
            label=DocItemLabel.TEXT, text=text, parent=self.parent, prov=prov, content_layer=layer
        )
        return item

    def _move(self, items: Sequence[DocItem], *, to: int) -> None:
        if self.parent is None or not items:
            return
        moved = {item.self_ref for item in items}
        rest = [child for child in self.parent.children if child.cref not in moved]
        self.parent.children = [*rest[:to], *(item.get_ref() for item in items), *rest[to:]]

    def _drawn(self, sheet: Any) -> Iterator[tuple[int, int, str]]:
        """Texts of boxes, SmartArt and descriptions, with the cell that they begin at."""
        part = self._package.sheets.get(sheet.title, "")
        for drawing in self._package.related(part, "drawing") if part else []:
            root = self._package.tree(drawing)
            if root is None:
                continue
            drawings.choose_alternatives(root)
            for anchor in root:
                row, column = (int(anchor.findtext(f"{_XDR}from/{_XDR}{tag}") or 0) for tag in ("row", "col"))
                for text in self._texts(anchor, drawing):
                    yield row, column, text

    def _texts(self, anchor: Any, drawing: str) -> Iterator[str]:
        for element in anchor.iter(f"{_XDR}sp", f"{_XDR}cxnSp", f"{_XDR}pic", f"{_XDR}graphicFrame"):
            properties = next(element.iter(f"{_XDR}cNvPr"), None)
            if properties is None or (Include.HIDDEN not in self._include and drawings.is_hidden(element)):
                continue
            if element.tag == f"{_XDR}pic" and (text := drawings.description(properties)):
                yield text
            for body in element.iterchildren(f"{_XDR}txBody"):
                yield from drawings.paragraphs(body)
            if element.tag == f"{_XDR}graphicFrame":
                yield from self._of_parts(element, drawing)

    def _of_parts(self, element: Any, drawing: str) -> Iterator[str]:
        """What SmartArt says, and a chart beside its table."""
        for ids in element.iter(f"{drawings.DGM}relIds"):
            root = self._package.tree(self._package.target(drawing, ids.get(f"{drawings.R}dm", "")))
            for _, text in [] if root is None else drawings.diagram(root):
                yield text
        for chart in element.iter(f"{drawings.C}chart", f"{drawings.CX}chart"):
            root = self._package.tree(self._package.target(drawing, chart.get(f"{drawings.R}id", "")))
            if root is not None:
                is_new = chart.tag.startswith(drawings.CX)
                yield from (drawings.new_chart_texts if is_new else drawings.chart_labels)(root)


def _seen(own: Sheet, sheet: Any, rows: Shown, columns: Shown) -> tuple[dict[Place, Cell], dict[Place, Place]]:
    """The cells that are shown, by their places among what is shown; and where each stands in the file."""
    cells: dict[Place, Cell] = {}
    places: dict[Place, Place] = {}
    covered: set[Place] = set()
    for merged in sheet.merged_cells.ranges:
        top, left, bottom, right = merged.min_row - 1, merged.min_col - 1, merged.max_row - 1, merged.max_col - 1
        covered.update((row, column) for row in range(top, bottom + 1) for column in range(left, right + 1))
        row, column = rows.first(top, bottom), columns.first(left, right)
        if row is None or column is None:
            continue
        place = rows.at(row), columns.at(column)
        text = own.cells.get((top, left), "")
        cells[place] = Cell(text, rows.count(top, bottom), columns.count(left, right))
        places[place] = (row, column)
    for (row, column), text in own.cells.items():
        if (row, column) not in covered and rows.is_shown(row) and columns.is_shown(column):
            place = rows.at(row), columns.at(column)
            cells[place] = Cell(text)
            places[place] = (row, column)
    return cells, places


def _corner(region: Region, places: dict[Place, Place]) -> Place:
    stand = [places[place] for place in region.cells]
    return min(row for row, _ in stand), min(column for _, column in stand)


def _table(region: Region, cells: dict[Place, Cell], places: dict[Place, Place]) -> ExcelTable:
    row, column = _corner(region, places)
    is_sparse = region.is_sparse
    return ExcelTable.model_construct(
        anchor=(column, row),
        num_rows=len(region.cells) if is_sparse else region.bottom - region.top + 1,
        num_cols=2 if is_sparse else region.right - region.left + 1,
        data=[_excel_cell(*cell) for cell in sheets.grid(region, cells, places)],
    )


def _excel_cell(row: int, column: int, cell: Cell) -> ExcelCell:
    return ExcelCell(row=row, col=column, text=cell.text, row_span=cell.rows, col_span=cell.columns)
