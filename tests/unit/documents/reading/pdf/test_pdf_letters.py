"""The letters of a page that a reader sees."""

from __future__ import annotations

from types import SimpleNamespace

import pypdfium2
import pytest

from services.documents.backends.reading.pdf.file import PdfFile
from services.documents.backends.reading.pdf.letters import MONO, visible
from services.documents.backends.reading.pdf.paper import paper
from services.documents.backends.reading.pdf.type_sizes import TypeSizes
from tests.pdfs import beside, stream
from tests.unit.documents.reading.pdf.files import one, show


def cell(text: str, x: float, y: float = 100, *, mode: int = -1, font: str = "F", width: float = 5) -> SimpleNamespace:
    """A letter of docling-parse, 10 high; y goes up."""
    return SimpleNamespace(
        text=text, r_x0=x, r_y0=y, r_x1=x + width, r_y1=y, r_x2=x + width, r_y2=y + 10, r_x3=x, r_y3=y + 10,
        font_name=font, rendering_mode=mode, widget=False,
    )  # fmt: skip


def word(text: str, x: float, *, font: str = "F", width: float = 5) -> list[SimpleNamespace]:
    return [cell(char, x + 5 * at, font=font, width=width) for at, char in enumerate(text)]


def seen(*cells: SimpleNamespace, is_scan: bool = False) -> str:
    return "".join(letter.text for letter in visible(cells, 200, 200, is_scan=is_scan))


def test_a_letter_that_is_drawn_again_is_read_once_and_doubled_letters_twice() -> None:
    assert seen(cell("a", 10), cell("l", 15), cell("l", 20), cell("a", 10.4), cell("l", 15.4)) == "all"


@pytest.mark.parametrize(("is_scan", "text"), [(False, ""), (True, "x")])
def test_text_without_paint_is_read_where_it_was_recognized_in_a_scan(is_scan: bool, text: str) -> None:
    assert seen(cell("x", 10, mode=3), is_scan=is_scan) == text


def test_what_is_outside_of_the_page_is_not_read() -> None:
    assert seen(cell("a", 10), cell("b", 300), cell("c", 10, -50)) == "a"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ﬁ", "fi"), ("\ufedf", "ل"), ("\u200b", ""), ("\x02", "-"), ("\t", " "), ("\uf0b7", "•"), ("²", "²")],
)
def test_ligatures_and_forms_are_the_letters_that_they_stand_for(text: str, shown: str) -> None:
    assert seen(cell(text, 10)) == shown


def test_a_line_that_is_drawn_over_single_letters_of_it_stays_whole() -> None:
    single = [cell("S", 10), cell("i", 30), cell("f", 35), cell("i", 40)]
    whole = word("Specific", 10)

    found = visible([*single, *whole], 200, 200, is_scan=False)

    assert "".join(letter.text for letter in found) == "Specific"


@pytest.mark.parametrize(
    ("text", "width", "shown"), [("SM590000", 5.0, "\ufffd"), ("ffi", 8.0, "ffi"), ("No", 7.0, "No")]
)
def test_the_name_of_a_glyph_is_no_text(text: str, width: float, shown: str) -> None:
    assert seen(cell(text, 10, width=width)) == shown


@pytest.mark.parametrize(
    ("text", "font", "shown"),
    [
        ("n", "ABCDEF+Wingdings-Regular", "■"),
        ("\x84", "Wingdings", "•"),
        ("\x84", "AllumiStd-DingbatsTwo", "•"),
        ("*", "AllumiStd-DingbatsTwo", "*"),
        ("\u25a0", "Wingdings", "■"),
        ("\x84", "Helvetica", ""),
        ("n", "Helvetica", "n"),
    ],
)
def test_letters_of_fonts_of_signs_are_what_they_look_like(text: str, font: str, shown: str) -> None:
    assert seen(cell(text, 10, font=font)) == shown


@pytest.mark.parametrize(("narrow", "is_fixed"), [(5.0, True), (2.5, False)])
def test_a_font_whose_letters_have_one_width_is_known_by_them(narrow: float, is_fixed: bool) -> None:
    cells = [*word("iltil.", 10, font="Gothic", width=narrow), *word("mwAHmw", 60, font="Gothic")]

    found = visible(cells, 200, 200, is_scan=False)

    assert {letter.font.endswith(MONO) for letter in found} == {is_fixed}


@pytest.mark.parametrize(
    ("told", "x", "decoded"), [("\xa5", 80, "\u2022"), ("\xe9", 80, "\u2022"), ("\xa5", 200, "\xa5"), ("v", 80, "v")]
)
def test_a_letter_that_pdfium_decodes_otherwise_is_as_it_says(told: str, x: float, decoded: str) -> None:
    page = pypdfium2.PdfDocument(one(show("\u2022 item", 80, 700)))[0]
    sizes = TypeSizes(page, paper(page))

    try:
        assert sizes.decoded(cell(told, x, 700, width=3.85)) == decoded
    finally:
        sizes.close()


def test_a_letter_is_not_given_the_place_of_the_same_letter_in_the_next_line() -> None:
    shown = b"BT /T 6 Tf 60 330 Td (wobaer wpbaed wqbaing) Tj 0 -7.2 Td (wrbaing wsbaer) Tj ET"
    times = b"/Font << /T << /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >> >>"
    file = PdfFile(beside(stream(shown), page=b"/MediaBox [0 0 612 792] /Rotate 90", resources=times))

    assert [cell.text for cell in file.page(2).get_text_cells()] == ["wobaer wpbaed wqbaing", "wrbaing wsbaer"]
