"""The order of what stands on a page, where the layout model sees nothing."""

from __future__ import annotations

from bench.typesetting.sheet import Sheet
from tests.unit.documents.reading.pdf.conftest import Pdf

SENTENCE = "The committee met on Tuesday to discuss the budget of the coming year, and said so in its report"


def test_what_stands_alone_on_the_right_above_the_text_is_read_before_it(pdf: Pdf) -> None:
    sheet = Sheet()
    for at, line in enumerate(("Anna Berg", "Oak Lane 3", "Leeds")):
        sheet.text(line, 400, 60 + 12 * at)
    for at, line in enumerate(("Council Office", "Civic Square", "Leeds")):
        sheet.text(line, 72, 120 + 12 * at)
    sheet.text("3 May 2024", 400, 180)
    sheet.text("Dear Sir or Madam,", 72, 210)
    for at in range(12):
        sheet.text(f"{SENTENCE} {at}" + "." * (at % 6 == 5), 72, 240 + 12 * at + 12 * (at // 6))

    text = pdf(sheet.pdf()).text

    places = [
        text.index(words) for words in ("Anna Berg", "Council Office", "3 May", "Dear Sir", "report 0", "report 11")
    ]
    assert places == sorted(places)


def test_two_columns_below_a_title_are_read_one_after_the_other(pdf: Pdf) -> None:
    sheet = Sheet()
    sheet.text("A title over both of the columns of this page", 150, 60, size=16)
    for at in range(20):
        sheet.text(f"left line {at} of the text of a column that is narrow", 60, 120 + 12 * at)
        sheet.text(f"right line {at} of the text of a column as narrow", 320, 132 + 12 * at)

    text = " ".join(pdf(sheet.pdf()).text.split())

    places = [
        text.index(words) for words in ("A title", "left line 0", "left line 19", "right line 0", "right line 19")
    ]
    assert places == sorted(places)
