"""OpenDocument sheets: cells as they are shown, at the cost of the cells that exist."""

# ruff: noqa: E501 - XML is easier to read in one line
from __future__ import annotations

import re
import time

from services.documents.backends.base import Include
from tests.unit.documents.reading.conftest import Parse
from tests.unit.documents.reading.opendocument import opendocument

_HIDDEN = (
    '<style:style style:name="off" style:family="table"><style:table-properties table:display="false"/></style:style>'
)


def _cell(text: str = "", more: str = "", attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{more}{f'<text:p>{text}</text:p>' if text else ''}</table:table-cell>"


def _row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def _sheet(*rows: str, name: str = "Costs", attributes: str = "", columns: str = "") -> str:
    return f'<table:table table:name="{name}" {attributes}>{columns}{"".join(rows)}</table:table>'


def _file(*tables: str, styles: str = "") -> bytes:
    return opendocument("spreadsheet", "".join(tables), automatic=_HIDDEN, styles=styles)


def test_cells_are_as_the_sheet_shows_them(parse: Parse) -> None:
    file = _file(
        _sheet(
            _row(_cell("kind"), _cell("value")),
            _row(_cell("money"), _cell("1.234,50 €", attributes='office:value-type="currency" office:value="1234.5"')),
            _row(
                _cell("day"),
                _cell("9. März 2026", attributes='office:value-type="date" office:date-value="2026-03-09"'),
            ),
            _row(_cell("share"), _cell(attributes='office:value-type="percentage" office:value="0.155"')),
            _row(_cell("hour"), _cell(attributes='office:value-type="time" office:time-value="PT07H30M00S"')),
            _row(_cell("yes"), _cell(attributes='office:value-type="boolean" office:boolean-value="true"')),
            _row(_cell("rich"), _cell("<text:span>whole</text:span>some")),
            _row(_cell("two"), "<table:table-cell><text:p>upper</text:p><text:p>lower</text:p></table:table-cell>"),
        )
    )

    answer = parse("a.ods", file)

    for shown in ("1.234,50 €", "9. März 2026", "15.5%", "07:30:00", "TRUE", "wholesome", "upper lower"):
        assert f"| {shown} " in answer.md
    assert answer.md.startswith("## Costs")
    assert answer.errors == []


def test_a_formula_that_nobody_computed_is_its_text_and_is_told(parse: Parse) -> None:
    formula = 'table:formula="of:=SUM([.A1:.A2];[$Other.B3])"'

    answer = parse("a.ods", _file(_sheet(_row(_cell("1")), _row(_cell("2")), _row(_cell(attributes=formula)))))

    assert "=SUM(A1:A2;$Other.B3)" in answer.text
    assert answer.errors == [
        "cell A3 of sheet Costs: no spreadsheet has computed its formula; the answer has the formula in place of the value"
    ]


def test_empty_places_cost_nothing(parse: Parse) -> None:
    far = _sheet(
        _row(_cell("near"), _cell(attributes='table:number-columns-repeated="16383"')),
        _row(_cell(), attributes='table:number-rows-repeated="1048574"'),
        _row(_cell(attributes='table:number-columns-repeated="16383"'), _cell("far")),
    )
    started = time.perf_counter()

    answer = parse("a.ods", _file(far))

    assert time.perf_counter() - started < 1
    assert answer.text.split() == ["Costs", "|", "near", "|", "|--------|", "|", "far", "|", "|-------|"]
    assert '"t": 1048575.0' in answer.json


def test_cells_that_are_repeated_without_end_are_said_once_and_told(parse: Parse) -> None:
    answer = parse("a.ods", _file(_sheet(_row(_cell("same"), attributes='table:number-rows-repeated="1048576"'))))

    assert answer.text.count("same") == 1
    assert answer.errors == ["cells A1 to A1048576 of sheet Costs: all say the same; the answer says it once"]


def test_a_few_repeated_cells_are_all_there(parse: Parse) -> None:
    answer = parse("a.ods", _file(_sheet(_row(_cell("x", attributes='table:number-columns-repeated="3"')))))

    assert answer.md.splitlines()[2].split() == ["|", "x", "|", "x", "|", "x", "|"]


def test_merged_cells_are_said_once_and_covered_ones_never(parse: Parse) -> None:
    file = _file(
        _sheet(
            _row(
                _cell("wide", attributes='table:number-columns-spanned="2"'),
                "<table:covered-table-cell><text:p>under</text:p></table:covered-table-cell>",
            ),
            _row(_cell("left"), _cell("right")),
        )
    )

    answer = parse("a.ods", file)

    assert answer.json.count('"text": "wide"') == 3  # the cell, and its two places in the grid
    assert 'colspan="2"' in answer.html
    assert "under" not in answer.json
    assert answer.errors == []


def test_hidden_sheets_rows_and_columns_are_left_out_unless_asked_for(parse: Parse) -> None:
    columns = '<table:table-column/><table:table-column table:visibility="collapse"/><table:table-column/>'
    file = _file(
        _sheet(
            _row(_cell("a1"), _cell("b1"), _cell("c1")),
            _row(_cell("a2"), _cell("b2"), _cell("c2"), attributes='table:visibility="filter"'),
            _row(_cell("a3"), _cell("b3"), _cell("c3")),
            columns=columns,
        ),
        _sheet(_row(_cell("secret")), name="Away", attributes='table:style-name="off"'),
    )

    without, asked = parse("a.ods", file), parse("a.ods", file, Include.HIDDEN)

    assert [line.split() for line in without.md.splitlines()[2:]] == [
        ["|", "a1", "|", "c1", "|"],
        ["|------|------|"],
        ["|", "a3", "|", "c3", "|"],
    ]
    assert all(word in asked.md for word in ("a2", "b2", "c2", "b1", "b3", "secret", "## Away"))
    assert without.errors == asked.errors == []


def test_comments_boxes_and_headers_stand_where_they_belong(parse: Parse) -> None:
    comment = "<office:annotation><dc:creator>Ann</dc:creator><text:p>too high</text:p></office:annotation>"
    box = "<draw:frame><draw:text-box><text:p>a box</text:p></draw:text-box></draw:frame>"
    master = '<style:master-page style:name="M"><style:header><style:region-left><text:p>Acme</text:p></style:region-left></style:header></style:master-page>'
    own = '<style:style style:name="own" style:family="table" style:master-page-name="M"/>'
    table = _sheet(_row(_cell("cost", comment)), _row(_cell("42", box)), attributes='table:style-name="own"')
    file = opendocument("spreadsheet", table, automatic=own, styles=master)

    without, asked = parse("a.ods", file), parse("a.ods", file, Include.COMMENTS, Include.HEADERS)

    assert "Ann" not in without.text
    assert "a box" in without.text
    order = [asked.text.index(word) for word in ("Costs", "Acme", "cost", "42", "A1 [author: Ann]: too high", "a box")]
    assert order == sorted(order)
    assert without.errors == asked.errors == []


def _printed(kind: str, text: str, attributes: str = "") -> str:
    return f"<style:{kind} {attributes}><style:region-left><text:p>{text}</text:p></style:region-left></style:{kind}>"


def test_headers_and_footers_of_the_usual_page_stand_at_the_ends(parse: Parse) -> None:
    footer = _printed("footer", "of <text:sheet-name>???</text:sheet-name>")
    off = _printed("header-first", "unshown", 'style:display="false"')
    master = (
        f'<style:master-page style:name="Other">{_printed("header", "elsewhere")}</style:master-page>'
        f'<style:master-page style:name="Default">{_printed("header", "Ac<text:span>me</text:span>")}'
        f"{_printed('header-left', 'Acme')}{off}{footer}"
        f"{_printed('footer-left', 'Printed<text:s/>here')}</style:master-page>"
    )
    file = opendocument(
        "spreadsheet",
        _sheet(_row(_cell("first")))
        + _sheet(_row(_cell("away")), name="Away", attributes='table:style-name="off"')
        + _sheet(_row(_cell("last")), name="Sums"),
        automatic=_HIDDEN,
        styles=master,
    )

    without, asked = parse("a.ods", file), parse("a.ods", file, Include.HEADERS)

    assert "Acme" not in without.text
    words = ["Costs", "Acme", "first", "of Costs", "Sums", "last", "of Sums", "Printed here"]
    for text in (asked.md, asked.html, asked.text):
        assert [text.count(word) for word in ("Acme", "Printed here", "unshown", "elsewhere", "???")] == [1, 1, 0, 0, 0]
        order = [text.index(word) for word in words]
        assert order == sorted(order)
    assert without.errors == asked.errors == []


def test_formulas_on_a_sheet_are_text(parse: Parse) -> None:
    formula = '<math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>x</mi><mn>42</mn></msup></math>'
    shape = '<table:shapes><draw:frame><draw:object xlink:href="./Object 1"/></draw:frame></table:shapes>'
    file = opendocument("spreadsheet", _sheet(shape, _row(_cell("cost"))), parts={"Object 1/content.xml": formula})

    answer = parse("a.ods", file)

    assert re.findall(r"[\w^{}]+", answer.text) == ["Costs", "cost", "x^{42}"]
    assert answer.errors == []
