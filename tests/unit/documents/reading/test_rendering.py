from __future__ import annotations

import html
import re

import marko
import pytest
from docling_core.types.doc.common.formatting import Formatting
from docling_core.types.doc.document import DoclingDocument
from docling_core.types.doc.items.table.table_data import RichTableCell, TableCell, TableData
from docling_core.types.doc.labels import DocItemLabel

from services.documents.backends.base import Output
from services.documents.backends.reading import glue
from services.documents.backends.reading.glue import GLUE
from services.documents.backends.reading.rendering import render, tables
from services.documents.backends.reading.rendering.markdown import MarkdownRenderer
from tests.unit.documents.reading.conftest import compact

BOLD = Formatting(bold=True)
ITALIC = Formatting(italic=True)


def shown(document: DoclingDocument, output: Output = Output.MARKDOWN) -> str:
    return glue.clean(render(document, output))


def paragraph(text: str) -> DoclingDocument:
    document = DoclingDocument(name="a")
    document.add_text(label=DocItemLabel.TEXT, text=text)
    return document


def line(*pieces: tuple[str, Formatting | None]) -> DoclingDocument:
    document = DoclingDocument(name="a")
    group = document.add_inline_group()
    for text, formatting in pieces:
        document.add_text(label=DocItemLabel.TEXT, text=text, formatting=formatting, parent=group)
    return document


def read_back(markdown: str) -> str:
    """What a reader of the Markdown sees."""
    return html.unescape(re.sub(r"<[^>]*>", "", marko.Markdown(extensions=["gfm"])(markdown))).strip()


LIKE_MARKUP = [
    "2*3*4 = 24",
    "snake_case __init__ _x_ a _ b",
    "[link](url) and [1] and ![i](u)",
    "[x]: http://a.example",
    "<b>no</b> <!-- c --> 5 < 6 > 4 & 7 &copy; &#124; &amp;lt; AT&T",
    "`code` and ``",
    "~~x~~ and ~5",
    "# no head",
    "####### seven",
    "1. no list",
    "12) no list",
    "- no list",
    "+ no list",
    "* no list",
    "> no quote",
    "***",
    "---",
    "===",
    "~~~",
    "```js",
    r"C:\Users\*x \* \[ \\ end\ "[:-1],
    "$5 and $6 and $x$",
    "|a|b|",
    "+",
    "- [ ] no task",
]


@pytest.mark.parametrize("text", LIKE_MARKUP)
def test_text_is_text_in_markdown(text: str) -> None:
    assert read_back(shown(paragraph(text))).replace("\\$", "$") == text


@pytest.mark.parametrize("text", LIKE_MARKUP)
def test_text_is_itself_in_plain_text(text: str) -> None:
    assert shown(paragraph(text), Output.TEXT) == text


@pytest.mark.parametrize("text", LIKE_MARKUP)
def test_text_is_text_in_items_cells_and_headings(text: str) -> None:
    document = DoclingDocument(name="a")
    document.add_list_item(text=text, parent=document.add_list_group())
    document.add_heading(text=text)
    cell = TableCell(
        text=text, start_row_offset_idx=0, end_row_offset_idx=1, start_col_offset_idx=0, end_col_offset_idx=1
    )
    document.add_table(data=TableData(num_rows=1, num_cols=1, table_cells=[cell]))

    assert " ".join(read_back(shown(document)).split()) == " ".join([*text.split()] * 3)


@pytest.mark.parametrize("second", ["---", "===", "# b", "> b", "- b", "1. b", "| - |", "```"])
def test_lines_inside_of_a_paragraph_begin_no_block(second: str) -> None:
    assert read_back(shown(paragraph(f"a\n{second}"))).split() == ["a", *second.split()]


@pytest.mark.parametrize(
    ("pieces", "markdown"),
    [
        ([(f"D{GLUE}", BOLD), ("ocument", None)], "**D**ocument"),
        ([("one", BOLD), ("two", None)], "**one** two"),
        ([(f"in{GLUE}", None), (f"fix{GLUE}", ITALIC), ("ed", None)], "in*fix*ed"),
        ([(f"a{GLUE}", BOLD), ("b", ITALIC)], "**a**b"),
        ([(f"a{GLUE}", BOLD), ("b", BOLD)], "**ab**"),
        ([(f"x{GLUE}", None), (f"(y){GLUE}", BOLD), ("z", None)], "x(y)z"),
        ([(f"x{GLUE}", None), (f".{GLUE}", BOLD), (" z", None)], "x. z"),
        ([("a ", BOLD), ("b", None)], "**a** b"),
        ([("  ", BOLD), ("b", None)], "b"),
        ([("*", BOLD), ("b", Formatting(bold=True, italic=True))], r"**\*** ***b***"),
        ([("gone", Formatting(strikethrough=True))], "~~gone~~"),
        ([(f"see {GLUE}", None), ("1.", None)], "see 1."),
    ],
)
def test_emphasis_opens_and_closes_or_is_left_out(pieces: list[tuple[str, Formatting | None]], markdown: str) -> None:
    assert shown(line(*pieces)) == markdown


def test_code_is_never_escaped() -> None:
    document = DoclingDocument(name="a")
    group = document.add_inline_group()
    document.add_code(text=f"a_b*<c>{GLUE}", parent=group)
    document.add_code(text="`d`", parent=group)
    document.add_code(text="```\n<x> & _y_\n```")

    assert shown(document) == "`` a_b*<c>`d` ``\n\n````\n```\n<x> & _y_\n```\n````"
    assert shown(document, Output.TEXT) == "a_b*<c>`d`\n\n```\n<x> & _y_\n```"


def test_formulas_are_whole() -> None:
    document = DoclingDocument(name="a")
    document.add_formula(text="a_1 * b <\n\nc")
    group = document.add_inline_group()
    document.add_text(label=DocItemLabel.TEXT, text="so", parent=group)
    document.add_formula(text=f"x_1{GLUE}", parent=group)
    document.add_text(label=DocItemLabel.TEXT, text=".", parent=group)

    assert shown(document) == "$$\na_1 * b <\nc\n$$\n\nso $x_1$."
    assert shown(document, Output.TEXT).endswith("so $x_1$.")
    assert '<annotation encoding="TeX">x_1</annotation></math>.' in shown(document, Output.HTML)


def test_a_formula_that_is_no_tex_is_kept() -> None:
    document = DoclingDocument(name="a")
    document.add_formula(text=r"\begin{foo} a < b \frac")

    assert r"\begin{foo} a &lt; b \frac" in shown(document, Output.HTML)


def table(*rows: list[str], headers: int = 1) -> DoclingDocument:
    document = DoclingDocument(name="a")
    cells = [
        TableCell(
            text=text, column_header=row < headers, start_row_offset_idx=row, end_row_offset_idx=row + 1,
            start_col_offset_idx=column, end_col_offset_idx=column + 1,
        )
        for row, texts in enumerate(rows)
        for column, text in enumerate(texts)
    ]  # fmt: skip
    document.add_table(data=TableData(num_rows=len(rows), num_cols=len(rows[0]), table_cells=cells))
    return document


def test_bars_are_escaped_in_markdown_alone() -> None:
    document = table(["a|b"], ["c\nd"])

    assert compact(shown(document)) == "| a\\|b |\n| c d |"
    assert compact(shown(document, Output.TEXT)) == "| a|b |\n| c d |"


def test_stacked_headers_of_one_text_are_said_twice() -> None:
    document = table(["Total", "x"], ["Total", "y"], ["1", "2"], headers=2)

    assert compact(shown(document)).splitlines()[0] == "| Total - Total | x - y |"


def test_markers_that_are_no_markdown_are_words() -> None:
    document = DoclingDocument(name="a")
    group = document.add_list_group()
    for marker in ("a)", "7.", "•", "(ii)"):
        document.add_list_item(text="x", marker=marker, enumerated=marker != "•", parent=group)

    assert shown(document) == "- a) x\n7. x\n- x\n- (ii) x"


def test_an_item_of_a_long_list_costs_as_much_as_one_of_a_short() -> None:
    document = DoclingDocument(name="a")
    group = document.add_list_group()
    for _ in range(5000):
        document.add_list_item(text="x", enumerated=True, parent=group)

    assert shown(document).endswith("5000. x")


def test_unsafe_links_are_text() -> None:
    document = DoclingDocument(name="a")
    document.add_text(label=DocItemLabel.TEXT, text="click [me]", hyperlink="javascript:alert(1)")  # type: ignore[arg-type]

    assert shown(document) == "click [me]"
    assert "javascript" not in shown(document, Output.HTML)


def test_a_picture_keeps_its_caption_and_its_link() -> None:
    document = DoclingDocument(name="a")
    caption = document.add_text(label=DocItemLabel.CAPTION, text="A*B", hyperlink="https://a.example/")  # type: ignore[arg-type]
    document.add_picture(caption=caption)

    assert shown(document) == "[A\\*B](https://a.example/)\n\n<!-- image -->"
    assert shown(document, Output.TEXT) == "A*B"


def test_one_long_cell_does_not_pad_a_thousand_others() -> None:
    document = table(["a", "b"], *([str(row), "x"] for row in range(1000)), ["y" * 10_000, "z"])

    assert len(shown(document)) < 30_000
    assert compact(shown(document)).splitlines()[-2:] == ["| 999 | x |", f"| {'y' * 10_000} | z |"]


def test_a_run_of_spaces_in_a_cell_costs_as_much_as_letters() -> None:
    spaces = " " * 500_000

    assert shown(table(["a", "b"], [f"x{spaces}y", f"x{spaces}\n{spaces}\n{spaces}y"]), Output.TEXT).endswith(
        "| x  y |"
    )


@pytest.mark.parametrize(
    ("text", "line"), [("a\nb", "a b"), ("a \n \n b", "a  b"), (" a \n\tb ", " a \tb "), ("a\n", "a "), ("\n", " ")]
)
def test_lines_of_a_cell_are_one_line(text: str, line: str) -> None:
    assert MarkdownRenderer(DoclingDocument(name="a")).flat([text]) == line


STARTS = ["-5.50", "- a", "-", "+ 3", "+49 30", "# 7", "#tag", "> 5", "1. May", "2) b", "=", "= 4", "---", ":-)", "~~~"]


@pytest.mark.parametrize("text", STARTS)
def test_a_cell_is_no_line(text: str) -> None:
    document = table(["head", "x"], [text, f"a\n{text}"])

    assert compact(shown(document)).splitlines()[-1] == f"| {text} | a {text} |"


@pytest.mark.parametrize("text", STARTS)
def test_a_block_in_a_cell_is_no_line(text: str) -> None:
    document = DoclingDocument(name="a")
    held = document.add_table(data=TableData(num_rows=1, num_cols=2))
    for column, words in enumerate((text, "x")):
        inner = document.add_text(label=DocItemLabel.TEXT, text=words, parent=held)
        cell = RichTableCell(
            text=words, ref=inner.get_ref(), start_row_offset_idx=0, end_row_offset_idx=1,
            start_col_offset_idx=column, end_col_offset_idx=column + 1,
        )  # fmt: skip
        held.data.table_cells.append(cell)

    assert compact(shown(document)) == f"| {text} | x |"


def test_a_row_of_dashes_alone_is_a_row() -> None:
    document = table(["---", "-"], [":-:", "-"])

    assert read_back(shown(document)).split() == ["---", "-", ":-:", "-"]


@pytest.mark.parametrize("text", ["-5.50", "+49 30", "#tag", "1.5 t", "2)b", "=", "===", "= 4", ":-)"])
def test_what_begins_no_block_is_not_escaped(text: str) -> None:
    assert shown(paragraph(text)) == text


@pytest.mark.parametrize("text", ["-5.50", "+49 30", "#tag", "1.5 t"])
def test_what_begins_no_block_is_not_escaped_in_later_lines(text: str) -> None:
    assert shown(paragraph(f"a\n{text}")) == f"a  \n{text}"


def test_places_of_a_table_are_its_grid_without_cells_made_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    def cell(text: str, row: int, column: int, rows: int = 1, columns: int = 1) -> TableCell:
        return TableCell(
            text=text,
            start_row_offset_idx=row,
            end_row_offset_idx=row + rows,
            start_col_offset_idx=column,
            end_col_offset_idx=column + columns,
        )

    spanned = TableData(num_rows=2, num_cols=3, table_cells=[cell("a", 0, 0, 2, 2), cell("b", 1, 2, 9, 9)])
    full = TableData(num_rows=1, num_cols=2, table_cells=[cell("a", 0, 0), cell("b", 0, 1)])

    assert tables.places(spanned) == spanned.grid
    monkeypatch.setattr(tables, "_empty", None)
    assert tables.places(full) == full.grid
