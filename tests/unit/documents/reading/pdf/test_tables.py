"""Tables of laid-out pages, with models that see nothing or what they are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest
from docling.datamodel.base_models import Cluster, LayoutPrediction, Table
from docling_core.types.doc.base import BoundingBox
from docling_core.types.doc.labels import DocItemLabel
from docling_core.types.doc.page import TextCell

from bench.typesetting.sheet import Sheet
from services.documents.backends.engines.base import Picture, Quads, Recognized, Region, TableCell
from services.documents.backends.reading.pdf.file import PdfFile
from services.documents.backends.reading.pdf.tables import read_tables
from services.documents.backends.reading.pdf.view import SeenPage

Box = tuple[float, float, float, float]


@dataclass
class Told:
    """Engines that see the cells that they are told."""

    seen: Sequence[TableCell] = ()
    calls: int = 0

    def cells(self, table: Picture) -> Sequence[TableCell]:
        self.calls += 1
        return self.seen

    def regions(self, page: Picture) -> Sequence[Region]:
        raise AssertionError

    def lines(self, picture: Picture) -> Quads:
        raise AssertionError

    def upside_down(self, lines: Sequence[Picture]) -> Sequence[float]:
        raise AssertionError

    def recognize(self, lines: Sequence[Picture]) -> Sequence[Recognized]:
        raise AssertionError


def _page(sheet: Sheet, table: Box | None, label: DocItemLabel = DocItemLabel.TABLE) -> SeenPage:
    """A page on which one cluster holds what is in a box, and each other line has a cluster of its own."""
    backend = PdfFile(sheet.pdf()).page(1)
    page = SeenPage(page_no=1, size=backend.get_size())
    page._backend = backend
    page.parsed_page = backend.get_segmented_page()
    clusters: list[Cluster] = []
    inside: list[TextCell] = []
    for line in page.cells:
        box = line.rect.to_bounding_box()
        if table is not None and table[1] <= box.t and box.b <= table[3] and table[0] <= box.l and box.r <= table[2]:
            inside.append(line)
        else:
            clusters.append(_cluster(len(clusters), DocItemLabel.TEXT, box.as_tuple(), [line]))
    if table is not None:
        clusters.append(_cluster(len(clusters), label, table, inside))
    page.predictions.layout = LayoutPrediction(clusters=clusters)
    return page


def _cluster(number: int, label: DocItemLabel, box: Box, cells: list[TextCell]) -> Cluster:
    left, top, right, bottom = box
    return Cluster(id=number, label=label, bbox=BoundingBox(l=left, t=top, r=right, b=bottom), cells=cells)


def _read(page: SeenPage, engines: Told | None = None) -> list[Table]:
    read_tables(page, engines or Told())
    assert page.predictions.tablestructure is not None
    return list(page.predictions.tablestructure.table_map.values())


def _texts(table: Table) -> list[list[str]]:
    rows = [[""] * table.num_cols for _ in range(table.num_rows)]
    for cell in table.table_cells:
        rows[cell.start_row_offset_idx][cell.start_col_offset_idx] = cell.text
    return rows


def _words(page: SeenPage, tables: Iterable[Table]) -> list[str]:
    """All words of the page's clusters and tables."""
    assert page.predictions.layout is not None
    held = {table.id for table in tables}
    texts = [cell.text for table in tables for cell in table.table_cells]
    texts += [cell.text for each in page.predictions.layout.clusters if each.id not in held for cell in each.cells]
    return sorted(word for text in texts for word in text.split())


def _ruled(sheet: Sheet, xs: Sequence[float], ys: Sequence[float]) -> None:
    for y in ys:
        sheet.rule(xs[0], y, xs[-1], y)
    for x in xs:
        sheet.rule(x, ys[0], x, ys[-1])


def _columns(
    sheet: Sheet, rows: Sequence[Sequence[str]], *, top: float = 100, pitch: float = 16, size: float = 10
) -> Box:
    for at, row in enumerate(rows):
        for column, text in enumerate(row):
            if text:
                sheet.text(text, 80 + 110 * column, top + pitch * at, font="Helvetica", size=size)
    return 70, top - 14, 80 + 110 * len(rows[0]), top + pitch * len(rows)


def test_lines_around_cells_say_where_they_are_and_what_they_span() -> None:
    sheet = Sheet()
    for x, y in ((70, 100), (270, 100), (70, 140), (70, 180), (370, 180)):
        sheet.rule(x, y, 470 if (x, y) in {(370, 180), (270, 100)} or x == 70 else x, y)
    _ruled(sheet, (70, 470), (100, 140, 180))
    sheet.rule(270, 140, 270, 180)
    sheet.text("wide", 80, 125)
    sheet.text("one", 80, 155)
    sheet.text("more", 80, 170)
    sheet.text("two", 280, 165)

    [table] = _read(_page(sheet, (70, 100, 470, 180)))

    cells = {
        cell.text: (cell.start_row_offset_idx, cell.start_col_offset_idx, cell.col_span) for cell in table.table_cells
    }
    assert cells == {"wide": (0, 0, 2), "one more": (1, 0, 1), "two": (1, 1, 1)}


def test_gaps_part_columns_where_the_model_sees_nothing() -> None:
    sheet = Sheet()
    rows = [["Name", "Count", "Share"], ["first", "1", "0.5"], ["second", "", "0.25"], ["third", "33", ""]]

    [table] = _read(_page(sheet, _columns(sheet, rows)))

    assert _texts(table) == rows


def test_lines_of_a_cell_are_nearer_than_rows() -> None:
    sheet = Sheet()
    box = _columns(sheet, [["Name", "Text"], ["one", "many words"], ["two", "few"]], pitch=40)
    sheet.text("that go on", 190, 151, font="Helvetica", size=10)

    [table] = _read(_page(sheet, box))

    assert _texts(table) == [["Name", "Text"], ["one", "many words that go on"], ["two", "few"]]


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_table_is_read_as_its_text_runs(is_turned: bool) -> None:
    sheet = Sheet(is_turned=is_turned)
    rows = [["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]]
    left, top, right, bottom = _columns(sheet, rows)
    box = (top, 792 - right, bottom, 792 - left) if is_turned else (left, top, right, bottom)

    [table] = _read(_page(sheet, box))

    assert _texts(table) == rows
    assert all(cell.bbox is not None and box[0] <= cell.bbox.l and cell.bbox.r <= box[2] for cell in table.table_cells)


def test_no_word_is_lost_and_none_stands_twice_whatever_the_model_sees() -> None:
    sheet = Sheet()
    rows = [[f"w{row}x{column}" for column in range(4)] for row in range(6)]
    page = _page(sheet, _columns(sheet, rows))
    wrong = [
        TableCell(
            row=row, column=0, row_span=1, column_span=3, is_header=False, box=(0, 40.0 * row, 20, 40.0 * row + 9)
        )
        for row in range(9)
    ]

    tables = _read(page, Told(wrong))

    assert _words(page, tables) == sorted(word for row in rows for word in row)


def test_a_ruled_table_that_was_laid_out_as_text_is_one() -> None:
    sheet = Sheet()
    rows = [["a", "b", "c"], ["d", "e", "f"], ["g", "h", "i"]]
    _columns(sheet, rows)
    _ruled(sheet, (70, 180, 290, 400), (86, 105, 121, 137))

    [table] = _read(_page(sheet, None))

    assert _texts(table) == rows


def test_names_side_by_side_are_no_table() -> None:
    sheet = Sheet()
    _columns(sheet, [["Ada Lovelace", "Alan Turing"], ["London", "Cambridge"], ["ada", "alan"]])

    assert _read(_page(sheet, None)) == []


def test_items_of_a_list_are_no_table() -> None:
    sheet = Sheet()
    _columns(sheet, [[f"{at}.", f"item {at}"] for at in range(1, 8)])

    assert _read(_page(sheet, None)) == []


def test_a_table_of_one_column_without_lines_is_text() -> None:
    sheet = Sheet()
    box = _columns(sheet, [["def f(x):"], ["return x"], ["f(1)"]])
    page = _page(sheet, box)

    tables = _read(page)

    assert tables == []
    assert _words(page, []) == ["def", "f(1)", "f(x):", "return", "x"]


def test_columns_of_running_text_are_no_table() -> None:
    sheet = Sheet()
    for line in range(20):
        sheet.text("these are words of a column", 80, 100 + 12 * line)
        sheet.text("and those are of the next one", 300, 100 + 12 * line)
    page = _page(sheet, (70, 80, 500, 350))
    halves = [
        TableCell(
            row=0,
            column=column,
            row_span=1,
            column_span=1,
            is_header=False,
            box=(430.0 * column, 0, 430.0 * column + 400, 500),
        )
        for column in range(2)
    ]

    assert _read(page, Told(halves)) == []
    assert len(_words(page, [])) == 20 * 13


def test_the_first_column_that_layout_left_beside_a_table_comes_into_it() -> None:
    sheet = Sheet()
    rows = [["the first row", "b1", "c1"], ["the second", "b2", "c2"], ["the third one", "b3", "c3"]]
    _, top, right, bottom = _columns(sheet, rows)

    [table] = _read(_page(sheet, (180, top, right, bottom)))

    assert _texts(table) == rows


def test_a_caption_in_the_box_of_a_table_is_not_in_the_table() -> None:
    sheet = Sheet()
    sheet.text("Table 3. Counts of all that there is", 80, 84, font="Helvetica", size=10)
    rows = [["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]]
    left, _, right, bottom = _columns(sheet, rows)
    page = _page(sheet, (left, 70, right, bottom))

    [table] = _read(page)

    assert _texts(table) == rows
    assert page.predictions.layout is not None
    assert DocItemLabel.CAPTION in {cluster.label for cluster in page.predictions.layout.clusters}


def test_a_long_table_is_shown_to_the_model_in_parts() -> None:
    sheet = Sheet()
    rows = [[f"r{row}", str(row), str(2 * row)] for row in range(100)]
    engines = Told()

    [table] = _read(_page(sheet, _columns(sheet, rows, top=30, pitch=7.4, size=5)), engines)

    assert engines.calls == 2 * 3
    assert table.num_rows >= 99


def test_lines_of_a_drawing_are_not_taken_for_those_of_a_table() -> None:
    sheet = Sheet()
    rows = [["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]]
    box = _columns(sheet, rows)
    for at in range(20_000):
        sheet.rule(70 + at % 330, 90 + at % 47, 71 + at % 330, 90 + at % 47)

    [table] = _read(_page(sheet, box))

    assert _texts(table) == rows


def test_more_words_than_a_table_has_are_text() -> None:
    sheet = Sheet()
    for at in range(9_000):
        sheet.text("a", 20 + at % 100 * 5.7, 20 + at // 100 * 8, size=2)
    page = _page(sheet, (0, 0, 612, 792))

    assert _read(page) == []
    assert len(_words(page, [])) == 9_000


PROSE = "This line goes on about other things and is as wide as all of the table here."


@pytest.mark.parametrize("is_ruled", [False, True])
def test_prose_that_was_taken_for_a_part_of_a_table_leaves_it(is_ruled: bool) -> None:
    sheet = Sheet()
    rows = [["Name", "Count", "Share"], ["north", "12", "0.3"], ["south", "15", "0.4"], ["west", "11", "0.3"]]
    left, top, _, bottom = _columns(sheet, rows)
    if is_ruled:
        _ruled(sheet, [74, 180, 290, 380], [86, 105, 121, 137, 153])
    below = [PROSE, "select x"] if is_ruled else [PROSE]
    for at, text in enumerate(below):
        sheet.text(text, 80, 176 + 16 * at, font="Helvetica", size=10)
    page = _page(sheet, (left, top, 480, bottom + 60))

    [table] = _read(page)

    assert _texts(table) == rows
    assert _words(page, []) == sorted(" ".join([*below, *(" ".join(row) for row in rows)]).split())


def test_notes_and_heads_that_span_a_table_stay_in_it() -> None:
    sheet = Sheet()
    rows = [["All regions of the land", "", ""], ["north", "12", "0.3"], ["south", "15", "0.4"], ["west", "11", "0.3"]]
    box = _columns(sheet, rows)

    [table] = _read(_page(sheet, box))

    assert _texts(table)[0][0] == "All regions of the land"


@pytest.mark.parametrize(("font", "count"), [("Courier", 0), ("Helvetica", 1)])
def test_code_whose_words_are_aligned_is_no_table(font: str, count: int) -> None:
    sheet = Sheet()
    for at, (left, right) in enumerate([("SELECT", "name,"), ("FROM", "towns"), ("WHERE", "size"), ("ORDER", "name;")]):
        sheet.text(left, 80, 100 + 12 * at, font=font, size=10)
        sheet.text(right, 200, 100 + 12 * at, font=font, size=10)
    sheet.text(PROSE, 80, 300, font="Helvetica", size=10)
    sheet.text(PROSE, 80, 320, font="Helvetica", size=10)

    assert len(_read(_page(sheet, (70, 86, 300, 150)))) == count


@pytest.mark.parametrize(("is_table", "asks"), [(False, 0), (True, 2)])
def test_the_model_is_asked_of_text_alone_that_looks_like_a_table(is_table: bool, asks: int) -> None:
    sheet = Sheet()
    rows = [["north", "12", "0.3"], ["south", "15", "0.4"], ["west", "11", "0.3"], ["east", "9", "0.1"]]
    if is_table:
        _columns(sheet, [["Name", "Count", "Share"], *rows])
    else:
        for at in range(4):
            sheet.text(f"{at}.", 80, 100 + 16 * at, font="Helvetica", size=10)
            sheet.text("A point that is made in several words", 100, 100 + 16 * at, font="Helvetica", size=10)
    engines = Told()

    tables = _read(_page(sheet, None), engines)

    assert (len(tables), min(engines.calls, asks)) == (is_table, asks)
    assert is_table or not engines.calls


def test_lines_of_two_columns_are_no_rows_of_a_table() -> None:
    sheet = Sheet()
    for at in range(14):
        sheet.text(f"Item {at} on the left side of all", 40, 80 + 16 * at, font="Helvetica", size=10)
        sheet.text(f"Item {at} on the right side of all", 330, 80 + 16 * at, font="Helvetica", size=10)

    assert _read(_page(sheet, None)) == []


def test_a_row_between_lines_may_have_two_lines_in_all_its_cells() -> None:
    sheet = Sheet()
    body = [["copper", "", "0.33"], ["market", "535", ""], ["engine", "94", "0.49"], ["basin", "", ""]]
    _columns(sheet, [["Northern", "Combined", "Regional"], ["window", "harbour", "railway"]], pitch=11)
    box = _columns(sheet, body, top=136, pitch=18)
    _ruled(sheet, [74, 180, 290, 380], [88, 120, 142, 160, 178, 196])

    [table] = _read(_page(sheet, (70, 80, box[2], box[3])))

    assert _texts(table) == [["Northern window", "Combined harbour", "Regional railway"], *body]


def test_the_second_line_of_a_cell_does_not_span_it_over_the_next_row() -> None:
    sheet = Sheet()
    rows = [["Year", "Work", "Place"], ["2001", "Engineer,", "Leeds"], ["2002", "", "York"], ["2003", "Writer", "Bath"]]
    box = _columns(sheet, rows, pitch=28)
    sheet.text("two towns", 190, 140, font="Helvetica", size=10)

    [table] = _read(_page(sheet, box))

    assert [cell.row_span for cell in table.table_cells] == [1] * len(table.table_cells)
    assert _texts(table)[2] == rows[2]
