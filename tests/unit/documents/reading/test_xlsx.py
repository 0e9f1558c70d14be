"""XLSX: cells as the sheet shows them, at the cost of the cells that exist."""

from __future__ import annotations

import datetime
import io
import re
import time
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import BarChart, PieChart, Reference
from openpyxl.comments import Comment

from services.documents.backends.base import Include
from services.documents.backends.reading import numbers, sheets
from tests.unit.documents.reading.conftest import Parse


def _file(fill: Callable[[Any], None], title: str = "Costs") -> bytes:
    book = openpyxl.Workbook()
    book.active.title = title
    fill(book.active)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def _changed(file: bytes, changes: dict[str, str], part: str = "xl/worksheets/sheet1.xml") -> bytes:
    """A file with words of one part replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            for before, after in changes.items() if name == part else ():
                assert before.encode() in content
                content = content.replace(before.encode(), after.encode())
            new.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.155, "0.0%", "15.5%"),
        (1234.5, '"$"#,##0.00', "$1,234.50"),
        (1234.5, "#,##0.00\\ [$€-407]", "1,234.50 €"),
        (datetime.date(2026, 3, 9), "yyyy-mm-dd", "2026-03-09"),
        (datetime.date(2026, 3, 9), "dd.mm.yyyy", "09.03.2026"),
        (datetime.date(2026, 3, 9), "d mmmm yyyy", "9 March 2026"),
        (datetime.datetime(2026, 3, 9, 14, 5), "yyyy-mm-dd hh:mm", "2026-03-09 14:05"),  # noqa: DTZ001 - sheets know no zones
        (datetime.time(7, 30), "hh:mm", "07:30"),
        (datetime.time(19, 30), "h:mm AM/PM", "7:30 PM"),
        (datetime.timedelta(hours=30), "[h]:mm", "30:00"),
        (1067, "00000", "01067"),
        (5551234, "000-0000", "555-1234"),
        (-5.5, "0.00;(0.00)", "(5.50)"),
        (-5.5, "0.00", "-5.50"),
        (1.5, "# ?/?", "1 1/2"),
        (12345, "0.00E+00", "1.23E+04"),
        (1234567, '#,##0,"K"', "1,235K"),
        (7, '[<10]"low" 0;"high" 0', "low 7"),
        (0.1 + 0.2, "General", "0.3"),
        (True, "General", "TRUE"),
        ("007", "@", "007"),
        (42, ";;;", "42"),
    ],
)
def test_values_are_as_the_sheet_shows_them(parse: Parse, value: object, code: str, shown: str) -> None:
    def fill(sheet: Any) -> None:
        sheet["A1"], sheet["B1"] = "kind", "value"
        sheet["A2"], sheet["B2"] = "this", value
        sheet["B2"].number_format = code

    answer = parse("a.xlsx", _file(fill))

    assert re.search(rf"\| +{re.escape(shown)} +\|", answer.md)
    assert answer.errors == []


def test_a_format_that_is_not_understood_loses_no_digit() -> None:
    assert numbers.shown(1234.5, '"' * 300) == "1234.5"
    assert numbers.shown(-3, "yyyy") == "-3"


def test_formulas_that_nobody_computed_are_their_text_and_are_told(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["a", "b", "c"])
        sheet.append([1, 2, "=A2+B2"])
        sheet.append([3, 4, "=A3+B3"])

    shared = '<f t="shared" ref="C2:C3" si="0">A2+B2</f>'
    file = _changed(_file(fill), {"<f>A2+B2</f>": shared, "<f>A3+B3</f>": '<f t="shared" si="0"/>'})

    answer = parse("a.xlsx", file)

    for output in (answer.md, answer.html, answer.text, answer.json):
        assert "=A2+B2" in output
        assert "=A3+B3" in output
    assert answer.errors == [
        "cells C2, C3 of sheet Costs: no spreadsheet has computed their formulas; "
        "the answer has the formula in place of the value"
    ]


def test_a_computed_formula_is_its_value(parse: Parse) -> None:
    file = _file(lambda sheet: sheet.append(["sum", "=1+2", "=T(0)"]))
    changes = {"<f>1+2</f><v></v>": "<f>1+2</f><v>3</v>", "<f>T(0)</f><v></v>": "<f>T(0)</f><v>4</v>"}

    answer = parse("a.xlsx", _changed(file, changes))

    assert "=" not in answer.text
    assert answer.errors == []


def test_rich_text_is_whole_and_escaped_characters_are_characters(parse: Parse) -> None:
    rich = "<is><r><rPr><b/></rPr><t>D</t></r><r><t>ocument_x000D_s</t></r><rPh sb='0' eb='1'><t>furi</t></rPh></is>"
    file = _changed(_file(lambda sheet: sheet.append(["here"])), {"<is><t>here</t></is>": rich})

    answer = parse("a.xlsx", file)

    assert "| Documents " in answer.md
    assert "furi" not in answer.json


def test_a_sheet_costs_by_its_cells(parse: Parse) -> None:
    file = _changed(
        _file(lambda sheet: sheet.append(["near"])),
        {"</row>": '</row><row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row>'},
    )
    parse("a.xlsx", file)
    started = time.perf_counter()

    answer = parse("a.xlsx", file)

    assert time.perf_counter() - started < 1
    assert answer.text.split() == ["Costs", "|", "near", "|", "|--------|", "|", "far", "|", "|-------|"]
    assert '"t": 1048575.0' in answer.json


def test_a_table_of_gaps_is_a_list_of_its_cells(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        for step in range(1, 301):
            sheet.cell(step, step).value = f"down{step}"
            sheet.cell(step, step + 1).value = f"right{step}"

    answer = parse("a.xlsx", _file(fill))

    assert "KN300" in answer.md
    assert answer.md.count("down") == 300
    assert answer.errors == []


def test_each_cell_is_in_one_table() -> None:
    ring = {(row, column) for row in range(3) for column in range(3)} - {(0, 1), (1, 1), (1, 0)}
    cells = {place: sheets.Cell(str(place)) for place in ring}

    found = sheets.regions(cells)

    assert sorted(place for region in found for place in region.cells) == sorted(ring)


def test_merged_cells_are_said_once(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["x", "y", "z"])
        sheet.append(["wide", None, "w"])
        sheet.append(["p", "q", "r"])
        sheet.merge_cells("A2:B2")

    answer = parse("a.xlsx", _file(fill))

    assert answer.html.count(">wide<") == 1
    assert 'colspan="2"' in answer.html


def test_hidden_sheets_rows_and_columns_are_left_out_unless_asked_for(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        for row in ("1", "2", "3"):
            sheet.append([f"a{row}", f"b{row}", f"c{row}"])
        sheet.row_dimensions[2].hidden = True
        sheet.column_dimensions["B"].hidden = True
        sheet.parent.create_sheet("Away")["A1"] = "secret"
        sheet.parent["Away"].sheet_state = "veryHidden"

    without, asked = parse("a.xlsx", _file(fill)), parse("a.xlsx", _file(fill), Include.HIDDEN)

    assert [line.split() for line in without.md.splitlines()[2:]] == [
        ["|", "a1", "|", "c1", "|"],
        ["|------|------|"],
        ["|", "a3", "|", "c3", "|"],
    ]
    assert all(word in asked.md for word in ("a2", "b2", "c2", "b1", "b3", "secret", "## Away"))
    assert without.errors == asked.errors == []


def test_sheets_have_their_names_and_tables_their_order(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet["A1"], sheet["A5"], sheet["D1"] = "first", "third", "second"
        sheet.parent.create_sheet("Empty one")

    answer = parse("a.xlsx", _file(fill))

    order = [answer.text.index(word) for word in ("Costs", "first", "second", "third", "Empty one")]
    assert order == sorted(order)
    assert answer.errors == []


def test_comments_headers_and_footers_stand_where_they_belong(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["cost", 42])
        sheet["A5"] = "below"
        sheet["B1"].comment = Comment("too high", "Ann")
        sheet.oddHeader.left.text = "Acme && Sons"
        sheet.oddFooter.center.text = "Page &P"

    without = parse("a.xlsx", _file(fill))
    asked = parse("a.xlsx", _file(fill), Include.COMMENTS, Include.HEADERS)

    assert not any(word in without.text for word in ("Ann", "Acme", "Page"))
    assert "too high" in without.json
    order = [
        asked.text.index(w) for w in ("Costs", "Acme & Sons", "cost", "B1 [author: Ann]: too high", "below", "Page")
    ]
    assert order == sorted(order)
    assert without.errors == asked.errors == []


def test_charts_and_boxes_say_what_they_say(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["month", "sold"])
        sheet.append(["Apr", 3])
        chart = BarChart()
        chart.title, chart.y_axis.title = "Sales chart", "tons"
        chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=2), titles_from_data=True)
        chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=2))
        sheet.add_chart(chart, "D4")

    box = (
        "<oneCellAnchor><from><col>9</col><colOff>0</colOff><row>20</row><rowOff>0</rowOff></from><ext cx='1' cy='1'/>"
        "<sp><nvSpPr><cNvPr id='9' name='Box'/><cNvSpPr/></nvSpPr><spPr/>"
        "<txBody xmlns:a='http://schemas.openxmlformats.org/drawingml/2006/main'><a:bodyPr/>"
        "<a:p><a:r><a:t>in a </a:t></a:r><a:r><a:t>b</a:t></a:r><a:r><a:t>ox</a:t></a:r></a:p></txBody></sp>"
        "<clientData/></oneCellAnchor></wsDr>"
    )
    file = _changed(_file(fill), {"</wsDr>": box}, part="xl/drawings/drawing1.xml")

    answer = parse("a.xlsx", file)

    assert all(word in answer.text for word in ("Sales chart", "tons", "sold", "Apr", "in a box"))
    assert answer.errors == []


def test_a_sheet_that_is_a_chart_is_read(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["sold"])
        sheet.append([3])
        chart = PieChart()
        chart.title = "Pie chart"
        chart.add_data(Reference(sheet, min_col=1, min_row=1, max_row=2), titles_from_data=True)
        sheet.parent.create_chartsheet("Pies").add_chart(chart)

    answer = parse("a.xlsx", _file(fill), *Include)

    assert "## Pies" in answer.md
    assert "Pie chart" in answer.text


def test_shapes_of_a_hidden_group_are_left_out_unless_asked_for(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["sold"])
        sheet.append([3])
        chart = PieChart()
        chart.add_data(Reference(sheet, min_col=1, min_row=1, max_row=2), titles_from_data=True)
        sheet.add_chart(chart, "D4")

    group = (
        "<oneCellAnchor><from><col>9</col><colOff>0</colOff><row>20</row><rowOff>0</rowOff></from><ext cx='1' cy='1'/>"
        "<grpSp><nvGrpSpPr><cNvPr id='8' name='Group' hidden='1'/><cNvGrpSpPr/></nvGrpSpPr><grpSpPr/>"
        "<sp><nvSpPr><cNvPr id='9' name='Box'/><cNvSpPr/></nvSpPr><spPr/>"
        "<txBody xmlns:a='http://schemas.openxmlformats.org/drawingml/2006/main'><a:bodyPr/>"
        "<a:p><a:r><a:t>secret</a:t></a:r></a:p></txBody></sp></grpSp><clientData/></oneCellAnchor></wsDr>"
    )
    file = _changed(_file(fill), {"</wsDr>": group}, part="xl/drawings/drawing1.xml")

    without, asked = parse("a.xlsx", file), parse("a.xlsx", file, Include.HIDDEN)

    assert "secret" not in without.text
    assert "secret" in asked.text
    assert without.errors == asked.errors == []


def test_headers_of_pages_that_no_sheet_has_are_left_out(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet["A1"] = "cost"
        sheet.oddHeader.left.text, sheet.evenHeader.left.text, sheet.firstFooter.left.text = "odd", "even", "first"

    def fill_all(sheet: Any) -> None:
        fill(sheet)
        sheet.HeaderFooter.differentOddEven = sheet.HeaderFooter.differentFirst = True

    few = parse("a.xlsx", _file(fill), Include.HEADERS)
    all_ = parse("a.xlsx", _file(fill_all), Include.HEADERS)

    assert re.findall(r"\w+", few.text) == ["Costs", "odd", "cost"]
    assert re.findall(r"\w+", all_.text) == ["Costs", "odd", "even", "cost", "first"]


def test_a_reference_to_a_column_of_a_table_is_no_lost_word(parse: Parse) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Price"])
        sheet["A2"] = "=SUM(Costs[Price])"

    answer = parse("a.xlsx", _file(fill))

    [told] = answer.errors
    assert told.startswith("cell A2 of sheet Costs: no spreadsheet has computed its formula")


def test_an_embedded_document_is_named(parse: Parse) -> None:
    part = "xl/worksheets/_rels/sheet1.xml.rels"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/oleObject"
    relation = f'<Relationship Id="rId99" Type="{kind}" Target="../embeddings/oleObject1.bin"/></Relationships>'

    def fill(sheet: Any) -> None:
        sheet["A1"] = "cost"
        sheet["A1"].hyperlink = "https://example.org"

    answer = parse("a.xlsx", _changed(_file(fill), {"</Relationships>": relation}, part=part))

    assert answer.errors == ["sheet Costs: an embedded object (oleObject1.bin) is not in the answer"]
