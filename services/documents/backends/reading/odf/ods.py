"""ODS: Docling's backend, with the tables of a sheet found by the cells that exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from docling.backend.opendocument_backend import OdsDocumentBackend, _add_odf_charts
from docling.datamodel.base_models import InputFormat
from docling_core.types.doc.base import BoundingBox, CoordOrigin
from docling_core.types.doc.common.content_layer import ContentLayer
from docling_core.types.doc.common.reference import ProvenanceItem
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.node import NodeItem
from docling_core.types.doc.items.table.table_data import TableCell, TableData
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.base import Include
from services.documents.backends.reading import layers, numbers, sheets
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.odf import repeats, tree
from services.documents.backends.reading.odf.names import (
    ANNOTATION,
    CELL,
    COVERED,
    DC,
    FRAME,
    GROUP,
    OFFICE,
    ROW,
    SHAPES,
    STYLE,
    SVG,
    TABLE,
    TEXT,
    H,
    P,
)
from services.documents.backends.reading.odf.objects import unread
from services.documents.backends.reading.odf.package import Parts, mended
from services.documents.backends.reading.odf.passages import words
from services.documents.backends.reading.parts import mending
from services.documents.backends.reading.reader import Report, Source, opened
from services.documents.backends.reading.sheets import Cell, Place, Region, Shown

MOST_REPEATED = 100_000
"""Cells of a file that repetitions may stand for; a row of one cell may be repeated a million times in 60 bytes."""

MOST_COVERED = 1_000_000
"""Places of a sheet that merged cells may cover; those above are not merged."""

_SHEET = f"{TABLE}table"
_COLUMNS = tuple(f"{TABLE}{name}" for name in ("table-header-columns", "table-column-group", "table-columns"))
_USUAL_PAGES = ("Default", "Standard")
_DRAWN = (FRAME, GROUP, *SHAPES)
_HIDING = frozenset({"collapse", "filter"})


class _At(NamedTuple):
    row: int
    column: int
    rows: int
    """How many rows in a row are the same."""
    columns: int
    element: Any


@dataclass(slots=True)
class _Sheet:
    cells: dict[Place, Cell] = field(default_factory=dict)
    places: dict[Place, Place] = field(default_factory=dict)
    """Where the shown cells stand in the file."""
    comments: list[tuple[Place, str]] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    footers: list[str] = field(default_factory=list)
    is_hidden: bool = False


@mending(mended)
def read(source: Source, report: Report) -> DoclingDocument:
    """Read a workbook."""
    with opened(source, InputFormat.ODS, _Workbook) as backend:
        backend.prepare(source, report)
        document: DoclingDocument = backend.convert()
        return document


class _Workbook(OdsDocumentBackend):
    """Docling's backend, which asks this one for the tables of a sheet."""

    def prepare(self, source: Source, report: Report) -> None:
        """Read the sheets, and empty them for Docling: it would walk through each place up to the last."""
        self._include = source.include
        self._report = report
        self._parts = Parts(self.odf_obj)
        self._repeated = MOST_REPEATED
        self._sheets = {table: self._sheet(table) for table in self._parts.body.iterchildren(_SHEET)}
        if Include.HEADERS in source.include:
            self._print()

    def _convert_sheet_table(
        self,
        doc: DoclingDocument,
        table: Any,
        parent: NodeItem,
        page_no: int,
        content_layer: ContentLayer | None,
    ) -> None:
        self._group = parent
        sheet = self._sheets[table._xml_element]
        doc.add_heading(table.name or "", level=1, parent=parent, content_layer=content_layer)
        if Include.HEADERS in self._include:
            for text in sheet.headers:
                doc.add_text(label=DocItemLabel.TEXT, text=text, parent=parent, content_layer=content_layer)
        owners: dict[Place, Any] = {}
        for region in sheets.regions(sheet.cells):
            prov = _prov(region, sheet, page_no)
            item = doc.add_table(data=_table(region, sheet), parent=parent, prov=prov, content_layer=content_layer)
            owners.update(dict.fromkeys((sheet.places[place] for place in region.cells), item))
        for text in sheet.drawn:
            doc.add_text(label=DocItemLabel.TEXT, text=text, parent=parent, content_layer=content_layer)
        behind: dict[str, list[Any]] = {}
        is_wanted = Include.COMMENTS in self._include
        for place, text in sheet.comments:
            said = f"{sheets.name(*place)} {text}"
            layer = content_layer if is_wanted else ContentLayer.NOTES
            item = doc.add_text(label=DocItemLabel.TEXT, text=said, parent=parent, content_layer=layer)
            if place in owners:
                behind.setdefault(owners[place].self_ref, []).append(item.get_ref())
        moved = {reference.cref for references in behind.values() for reference in references}
        parent.children = [
            reference
            for child in parent.children
            if child.cref not in moved
            for reference in [child, *behind.get(child.cref, [])]
        ]

    def _find_images_in_sheet(
        self,
        doc: DoclingDocument,
        table: Any,
        parent: NodeItem,
        page_no: int,
        content_layer: ContentLayer | None,
    ) -> None:
        super()._find_images_in_sheet(doc, table, parent, page_no, content_layer)
        for frame in table.get_elements("table:shapes/draw:frame"):
            _add_odf_charts(doc, frame, parent, content_layer, self.odf_obj)
        if Include.HEADERS in self._include:
            for text in self._sheets[table._xml_element].footers:
                doc.add_text(label=DocItemLabel.TEXT, text=text, parent=parent, content_layer=content_layer)

    def _find_page_size(self, doc: DoclingDocument, page_no: int) -> tuple[float, float]:  # type: ignore[override]  # noqa: ARG002
        """As Docling's, which takes hidden sheets for empty ones and looks through those before it."""
        return layers.size(doc, self._group)

    def _get_sheet_content_layer(self, table: Any) -> ContentLayer | None:  # type: ignore[override]
        return ContentLayer.INVISIBLE if self._sheets[table._xml_element].is_hidden else None

    def _sheet(self, table: Any) -> _Sheet:
        title = table.get(f"{TABLE}name", "")
        sheet = _Sheet(is_hidden=Include.HIDDEN not in self._include and _is_hidden(table, self._parts))
        rows, columns = (Shown(), Shown()) if Include.HIDDEN in self._include else _shown(table)
        if not sheet.is_hidden:
            self._report.passages.extend(self._passages(table, title, rows, columns))
            self._report.problems.extend(unread(table, self._parts.load, f" of sheet {title}"))
        shapes = _gather_shapes(table)
        tree.write_formulas(shapes, self._parts.load)
        sheet.drawn = list(_drawn_texts(shapes))
        comments = [(at, text) for at in _cells(table) if (text := _comment(at.element))]
        sheet.comments = [
            ((at.row, at.column), text)
            for at, text in comments
            if rows.is_shown(at.row) and columns.is_shown(at.column)
        ]
        for annotation in list(table.iter(ANNOTATION)):
            tree.remove(annotation)
        tree.mend(table, self._parts.styles, self._include, self._parts.load)
        self._fill(sheet, table, title, rows, columns)
        for child in list(table):
            if child.tag in {ROW, *repeats.ROWS, *_COLUMNS, f"{TABLE}table-column"}:
                table.remove(child)
        return sheet

    def _fill(self, sheet: _Sheet, table: Any, title: str, rows: Shown, columns: Shown) -> None:
        uncomputed = []
        for at in _cells(table):
            text, is_computed = _text(at.element)
            down = repeats.count(at.element, "number-rows-spanned")
            right = repeats.count(at.element, "number-columns-spanned")
            if at.element.tag == COVERED or not (text or down > 1 or right > 1):
                continue
            for row, column in self._repetitions(at, title):
                first_row, first_column = rows.first(row, row + down - 1), columns.first(column, column + right - 1)
                if first_row is None or first_column is None:
                    continue
                place = rows.at(first_row), columns.at(first_column)
                spans = rows.count(row, row + down - 1), columns.count(column, column + right - 1)
                sheet.cells[place] = Cell(text, *spans)
                sheet.places[place] = first_row, first_column
                if not is_computed and not sheet.is_hidden:
                    uncomputed.append((row, column))
        _clip_spans(sheet)
        if uncomputed:
            self._report.problems.append(sheets.uncomputed(uncomputed, title))

    def _repetitions(self, at: _At, title: str) -> Iterator[Place]:
        count = at.rows * at.columns
        if count > 1 and count > self._repeated:
            last = sheets.name(at.row + at.rows - 1, at.column + at.columns - 1)
            self._report.problems.append(
                f"cells {sheets.name(at.row, at.column)} to {last} of sheet {title}: "
                "all say the same; the answer says it once"
            )
            yield at.row, at.column
            return
        self._repeated -= count - 1
        for row in range(at.row, at.row + at.rows):
            for column in range(at.column, at.column + at.columns):
                yield row, column

    def _passages(self, table: Any, title: str, rows: Shown, columns: Shown) -> Iterator[Passage]:
        styles = self._parts.styles
        for at in _cells(table):
            if at.element.tag == COVERED or not (rows.is_shown(at.row) and columns.is_shown(at.column)):
                continue
            for paragraph in at.element.iter(P, H):
                is_comment = next(paragraph.iterancestors(ANNOTATION), None) is not None
                if is_comment and Include.COMMENTS not in self._include:
                    continue
                if text := words(paragraph, styles, self._include).strip():
                    yield Passage(f"cell {sheets.name(at.row, at.column)} of sheet {title}", text)
        for shapes in table.iterchildren(f"{TABLE}shapes"):
            for paragraph in shapes.iter(P, H):
                yield Passage(f"drawing on sheet {title}", words(paragraph, styles, self._include))

    def _print(self) -> None:
        """Give the first sheet of a page its header, the last one its footer: pages of one kind say the same."""
        masters = _Masters(self._parts)
        for part in masters.printed():
            tree.mend(part, self._parts.styles, self._include, self._parts.load)
        pages = [(sheet, *masters.texts(table)) for table, sheet in self._sheets.items() if not sheet.is_hidden]
        said: set[str] = set()
        for sheet, headers, _ in pages:
            sheet.headers = [text for text in headers if text not in said]
            said.update(headers)
        said = set()
        for sheet, _, footers in reversed(pages):
            sheet.footers = [text for text in footers if text not in said]
            said.update(footers)


def _cells(table: Any) -> Iterator[_At]:
    row = 0
    for element in repeats.rows(table):
        repeated = repeats.count(element, "number-rows-repeated")
        column = 0
        for cell in element.iterchildren(CELL, COVERED):
            across = repeats.count(cell, "number-columns-repeated")
            if len(cell) or cell.attrib:
                yield _At(row, column, repeated, across, cell)
            column += across
        row += repeated


def _shown(table: Any) -> tuple[Shown, Shown]:
    """Which rows and columns are seen."""
    rows, columns = [], []
    at = 0
    for row in repeats.rows(table):
        count = repeats.count(row, "number-rows-repeated")
        if row.get(f"{TABLE}visibility") in _HIDING:
            rows.append((at, at + count - 1))
        at += count
    at = 0
    nested = {_SHEET, CELL}
    for column in table.iter(f"{TABLE}table-column"):
        if next((a for a in column.iterancestors() if a.tag in nested), None) is not table:
            continue
        count = repeats.count(column, "number-columns-repeated")
        if column.get(f"{TABLE}visibility") in _HIDING:
            columns.append((at, at + count - 1))
        at += count
    return Shown(rows), Shown(columns)


def _text(cell: Any) -> tuple[str, bool]:
    """What a cell shows, and whether that was computed: a formula without a value is its own text."""
    lines = [tree.line(paragraph) for paragraph in cell.iter(P, H)]
    if text := "\n".join(filter(None, lines)):
        return text, True
    if text := _value(cell):
        return text, True
    formula = cell.get(f"{TABLE}formula") or ""
    return sheets.formula(formula), not formula


def _value(cell: Any) -> str:
    kind = cell.get(f"{OFFICE}value-type")
    value = cell.get(f"{OFFICE}value") or ""
    match kind:
        case "boolean":
            return (cell.get(f"{OFFICE}boolean-value") or "").upper()
        case "date" | "string":
            return cell.get(f"{OFFICE}{kind}-value") or ""
        case "time":
            return sheets.clock(cell.get(f"{OFFICE}time-value") or "")
        case "percentage":
            return _number(value, "0.##########%")
        case "currency":
            return " ".join(filter(None, (_number(value, "General"), cell.get(f"{OFFICE}currency"))))
        case _:
            return _number(value, "General")


def _number(value: str, code: str) -> str:
    try:
        return numbers.shown(float(value), code)
    except ValueError:
        return value


def _clip_spans(sheet: _Sheet) -> None:
    """No span beyond the last cell that exists, as Docling has it."""
    last_row = max((row for row, _ in sheet.cells), default=0)
    last_column = max((column for _, column in sheet.cells), default=0)
    left = MOST_COVERED
    for place, cell in sheet.cells.items():
        if cell.rows > 1 or cell.columns > 1:
            rows, columns = min(cell.rows, last_row - place[0] + 1), min(cell.columns, last_column - place[1] + 1)
            if rows * columns > left:
                rows = columns = 1
            left -= rows * columns
            sheet.cells[place] = Cell(cell.text, rows, columns)


def _comment(cell: Any) -> str:
    for annotation in cell.iterchildren(ANNOTATION):
        author = annotation.findtext(f"{DC}creator") or ""
        texts = ("".join(paragraph.itertext()).strip() for paragraph in annotation.iter(P, H))
        text = " ".join(filter(None, texts))
        return f"[author: {author}]: {text}" if author else f": {text}"
    return ""


def _gather_shapes(table: Any) -> Any:
    """All that is drawn on a sheet, in the element where Docling looks for pictures."""
    shapes = next(table.iterchildren(f"{TABLE}shapes"), None)
    if shapes is None:
        shapes = table.makeelement(f"{TABLE}shapes")
        table.insert(0, shapes)
    for drawn in list(table.iter(*_DRAWN)):
        if drawn.getparent().tag in {CELL, COVERED}:
            drawn.tail = None
            shapes.append(drawn)
    return shapes


def _drawn_texts(shapes: Any) -> Iterator[str]:
    for element in list(shapes.iter(P, H, f"{SVG}title", f"{SVG}desc")):
        if next(element.iterancestors(ANNOTATION), None) is None:
            for child in list(element.iter(f"{TEXT}s", f"{TEXT}tab", f"{TEXT}line-break")):
                tree.replace(child, " ")
            if text := " ".join("".join(element.itertext()).split()):
                yield text


def _is_hidden(table: Any, parts: Parts) -> bool:
    return table.get(f"{TABLE}display") == "false" or parts.styles.hides("table", table.get(f"{TABLE}style-name"))


class _Masters:
    """The pages that sheets are printed on."""

    def __init__(self, parts: Parts) -> None:
        self._pages = parts.masters()
        usual = [name for name in _USUAL_PAGES if name in self._pages]
        self._usual = next(iter([*usual, *self._pages]), "")
        root = parts.body.getroottree().getroot()
        self._of_style = {
            style.get(f"{STYLE}name", ""): style.get(f"{STYLE}master-page-name", "")
            for style in root.iter(f"{STYLE}style")
            if style.get(f"{STYLE}family") == "table"
        }

    def printed(self) -> Iterator[Any]:
        """The headers and footers of all pages."""
        for page in self._pages.values():
            yield from (part for part in page if isinstance(part.tag, str) and part.get(f"{STYLE}display") != "false")

    def texts(self, table: Any) -> tuple[list[str], list[str]]:
        """The headers and the footers of a sheet, each text once."""
        name = self._of_style.get(table.get(f"{TABLE}style-name", ""), "")
        page = self._pages.get(name, self._pages.get(self._usual))
        found: dict[str, list[str]] = {"header": [], "footer": []}
        for part in () if page is None else page:
            kind = part.tag.removeprefix(STYLE).split("-")[0] if isinstance(part.tag, str) else ""
            if kind not in found or part.get(f"{STYLE}display") == "false":
                continue
            for field_ in part.iter(f"{TEXT}sheet-name"):  # files have ??? there
                field_.text = table.get(f"{TABLE}name", "")
            text = " ".join(" ".join(map(tree.line, part.iter(P, H))).split())
            if text and text not in found[kind]:
                found[kind].append(text)
        return found["header"], found["footer"]


def _prov(region: Region, sheet: _Sheet, page_no: int) -> ProvenanceItem:
    stand = [sheet.places[place] for place in region.cells]
    top, left = min(row for row, _ in stand), min(column for _, column in stand)
    bottom, right = max(row for row, _ in stand) + 1, max(column for _, column in stand) + 1
    box = BoundingBox.from_tuple((left, top, right, bottom), origin=CoordOrigin.TOPLEFT)
    return ProvenanceItem(page_no=page_no, charspan=(0, 0), bbox=box)


def _table(region: Region, sheet: _Sheet) -> TableData:
    cells = [
        TableCell(
            text=cell.text,
            row_span=cell.rows,
            col_span=cell.columns,
            start_row_offset_idx=row,
            end_row_offset_idx=row + cell.rows,
            start_col_offset_idx=column,
            end_col_offset_idx=column + cell.columns,
            column_header=row == 0,
        )
        for row, column, cell in sheets.grid(region, sheet.cells, sheet.places)
    ]
    if region.is_sparse:
        return TableData(num_rows=len(region.cells), num_cols=2, table_cells=cells)
    rows, columns = region.bottom - region.top + 1, region.right - region.left + 1
    return TableData(num_rows=rows, num_cols=columns, table_cells=cells)
