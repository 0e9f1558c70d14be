"""Whole PDFs, without a layout model: the rules have to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bench.typesetting import sheet as typesetting
from services.documents.backends.base import Include
from services.documents.backends.engines.base import Picture, Recognized, Region, RegionKind
from services.documents.backends.reading.pdf import ocr
from services.documents.backends.reading.pdf import pages as pages_module
from services.documents.backends.reading.pdf import reader as reader_module
from services.documents.backends.reading.pdf.ocr import FROM_PICTURE
from tests.unit.documents.reading.pdf.conftest import NoLayout, Pdf
from tests.unit.documents.reading.pdf.files import File, Sheet, one, paragraph, show

BODY = [
    "This is the first line of a text that is long enough to be taken",
    "for a paragraph by everyone who reads it, and that goes on for a",
    "third line before it ends.",
]


def body(y: float) -> str:
    return paragraph(BODY, 72, y)


def test_a_paragraph_is_one_text_with_its_place(pdf: Pdf) -> None:
    answer = pdf(one(body(700)))

    [text] = answer.document.texts
    assert text.text == " ".join(BODY)
    assert text.prov[0].page_no == 1
    assert 690 < text.prov[0].bbox.t < 720
    assert not answer.errors


def test_type_that_is_larger_or_bold_makes_headings_of_several_levels(pdf: Pdf) -> None:
    content = [
        show("A Report of Things", 72, 740, size=22, font="B"),
        show("1 Aims", 72, 700, size=15, font="B"),
        body(680),
        show("1.1 Details", 72, 620, size=12, font="B"),
        body(600),
    ]

    answer = pdf(one("\n".join(content)))

    assert "# A Report of Things\n" in answer.md
    assert "## 1 Aims\n" in answer.md
    assert "### 1.1 Details\n" in answer.md


def test_bullets_and_numbers_make_lists_one_within_the_other(pdf: Pdf) -> None:
    content = [
        body(740),
        show("\u2022", 80, 680) + "\n" + show("first item, which goes on to", 96, 680),
        show("a second line", 96, 666),
        show("1.", 100, 652) + "\n" + show("inner one", 116, 652),
        show("2.", 100, 638) + "\n" + show("inner two", 116, 638),
        show("\u2022", 80, 624) + "\n" + show("last item", 96, 624),
    ]

    answer = pdf(one("\n".join(content)))

    assert "- first item, which goes on to a second line\n    1. inner one\n    2. inner two\n- last item" in answer.md
    assert not answer.errors


def test_a_bullet_that_is_drawn_is_one(pdf: Pdf) -> None:
    content = [show("drawn one", 96, 700), "86 703 3 3 re f", show("drawn two", 96, 686), "86 689 3 3 re f"]

    answer = pdf(one("\n".join(content)))

    assert answer.md == "- drawn one\n- drawn two"


def test_code_keeps_its_lines_and_its_indents(pdf: Pdf) -> None:
    code = [show("def run(x):", 72, 600, font="C"), show("return x", 72 + 4 * 6.6, 586, font="C")]

    answer = pdf(one("\n".join([body(740), *code])))

    assert "```\ndef run(x):\n    return x\n```" in answer.md


def test_a_link_is_on_its_words_and_the_paragraph_stays_whole(pdf: Pdf) -> None:
    link = "<< /Type /Annot /Subtype /Link /Rect [104 695 160 712] /A << /S /URI /URI (https://example.org/a) >> >>"
    line = "See the report for all of the details, they are long"

    answer = pdf(one(show(line, 72, 700, font="C"), annotations=[link]))

    assert "[" in answer.md
    assert "(https://example.org/a)" in answer.md
    assert answer.text.replace("\n", " ") == line
    assert not answer.errors


def test_headers_and_numbers_of_pages_are_told_apart(pdf: Pdf) -> None:
    sheets = [
        Sheet(
            content="\n".join([show("Annual Report", 72, 760, size=9), body(700), show(f"{number}", 300, 30, size=9)])
        )
        for number in (1, 2, 3)
    ]
    data = File(sheets=sheets).bytes()

    answer = pdf(data)

    assert "Annual Report" not in answer.md
    assert [item.label.value for item in answer.document.texts if item.text == "Annual Report"] == ["page_header"] * 3
    assert [item.text for item in answer.document.texts if item.label.value == "page_footer"] == ["1", "2", "3"]
    assert pdf(data, Include.HEADERS).md.count("Annual Report") == 3


def test_a_paragraph_goes_on_over_a_page_with_its_header_between(pdf: Pdf) -> None:
    sheets = [
        Sheet(
            content="\n".join(
                [show("Header of all", 72, 760, size=9), body(700), show("and one that goes on, to the", 72, 600)]
            )
        ),
        Sheet(content="\n".join([show("Header of all", 72, 760, size=9), show("next page where it ends.", 72, 700)])),
    ]

    answer = pdf(File(sheets=sheets).bytes())

    assert "and one that goes on, to the next page where it ends." in answer.md
    [item] = [item for item in answer.document.texts if item.text.startswith("and one")]
    assert [place.page_no for place in item.prov] == [1, 2]


def test_two_columns_are_read_one_after_the_other_below_their_title(pdf: Pdf) -> None:
    left = [f"left {number} of the column that is here" for number in range(8)]
    right = [f"right {number} of the column over there" for number in range(8)]
    content = [
        show("A Title over Both of the Columns of a Page", 90, 740, size=20, font="B"),
        paragraph(left, 72, 690),
        paragraph(right, 320, 690),
    ]

    words = pdf(one("\n".join(content))).md

    assert words.index("Title") < words.index("left 0") < words.index("left 7") < words.index("right 0")


def test_text_that_is_not_seen_or_drawn_again_is_not_read(pdf: Pdf) -> None:
    content = [
        show("seen once", 72, 700),
        show("seen once", 72.3, 700),
        show("not painted", 72, 680, before="3 Tr"),
        show("beyond the edge", 700, 660),
    ]

    answer = pdf(one("\n".join([body(600), *content])))

    assert answer.md.count("seen once") == 1
    assert "painted" not in answer.md
    assert "beyond" not in answer.md
    assert not answer.errors


def test_a_page_that_is_turned_is_read_as_it_is_shown(pdf: Pdf) -> None:
    content = "\n".join(f"BT /H 11 Tf 0 1 -1 0 {200 + at * 14} 72 Tm ({line}) Tj ET" for at, line in enumerate(BODY))

    assert pdf(one(content, extra="/Rotate 90")).md == " ".join(BODY)


def test_values_of_a_form_are_text_and_boxes_are_ticked(pdf: Pdf) -> None:
    field = (
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Jane Roe) /DA (/H 11 Tf 0 g) /Rect [120 695 300 715] >>"
    )
    box = "<< /Type /Annot /Subtype /Widget /FT /Btn /T (ok) /V /Yes /AS /Yes /Rect [72 655 84 667] >>"
    content = show("Name:", 72, 700) + "\n" + show("I agree", 92, 657)

    answer = pdf(
        File(sheets=[Sheet(content=content, annotations=[field, box])], catalogue="/AcroForm << /Fields [] >>").bytes()
    )

    assert "Name: Jane Roe" in answer.md
    assert "- [x] I agree" in answer.md


def test_comments_are_shown_where_they_are_asked_for_and_text_boxes_always(pdf: Pdf) -> None:
    note = "<< /Type /Annot /Subtype /Text /Rect [400 700 420 720] /Contents (Check this) /T (Ann) >>"
    box = "<< /Type /Annot /Subtype /FreeText /Rect [300 500 500 520] /Contents (Typed over it) /DA (/H 11 Tf 0 g) >>"
    data = one(body(700), annotations=[note, box])

    assert "Check this" not in pdf(data).md
    assert "[author: Ann]: Check this" in pdf(data, Include.COMMENTS).text
    assert "Typed over it" in pdf(data).md


def test_the_outline_tells_levels_of_headings(pdf: Pdf) -> None:
    outline = {
        1000: "<< /Type /Outlines /First 1001 0 R /Last 1001 0 R /Count 2 >>",
        1001: "<< /Title (Alpha part) /Parent 1000 0 R /Dest [8 0 R /Fit] /First 1002 0 R /Last 1002 0 R /Count 1 >>",
        1002: "<< /Title (Beta part) /Parent 1001 0 R /Dest [8 0 R /Fit] >>",
    }
    content = [
        show("Alpha part", 72, 740, size=14, font="B"),
        body(720),
        show("Beta part", 72, 640, size=14, font="B"),
        body(620),
    ]

    data = File(sheets=[Sheet(content="\n".join(content))], catalogue="/Outlines 1000 0 R", objects=outline).bytes()

    assert "## Alpha part" in pdf(data).md
    assert "### Beta part" in pdf(data).md


def test_a_caption_belongs_to_the_figure_beside_it(pdf: Pdf) -> None:
    figure = Region(kind=RegionKind.FIGURE, score=0.9, box=(72, 200, 300, 350))
    content = [body(700), "72 442 228 150 re S", show("Figure 1: What is drawn above", 72, 425)]

    answer = pdf(one("\n".join(content)), regions=[figure])

    [picture] = answer.document.pictures
    assert [caption.resolve(answer.document).text for caption in picture.captions] == ["Figure 1: What is drawn above"]


def test_words_in_a_figure_are_kept(pdf: Pdf) -> None:
    figure = Region(kind=RegionKind.FIGURE, score=0.9, box=(72, 200, 300, 350))
    content = [body(700), "72 442 228 150 re S", show("axis label", 100, 500, size=8)]

    answer = pdf(one("\n".join(content)), regions=[figure])

    assert "axis label" in answer.md
    assert not answer.errors


def test_a_page_that_cannot_be_read_is_told_of_and_the_others_are_read(
    pdf: Pdf, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_page = pages_module.read_page

    def failing(file: object, number: int, *rest: object) -> object:
        if number == 2:
            raise RuntimeError("broken")
        return read_page(file, number, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(reader_module, "read_page", failing)
    sheets = [Sheet(content=show(f"page number {name} has text", 72, 500)) for name in ("one", "two", "three")]

    answer = pdf(File(sheets=sheets).bytes())

    assert "one" in answer.md
    assert "three" in answer.md
    assert answer.errors == ["page 2: it cannot be read; the file is damaged there"]


def test_an_empty_page_is_an_empty_document(pdf: Pdf) -> None:
    answer = pdf(one(""))

    assert answer.md == ""
    assert list(answer.document.pages) == [1]


def test_a_title_over_two_columns_is_first_even_where_a_short_heading_is_not_under_it(pdf: Pdf) -> None:
    left = [f"left {number} of the column that is here" for number in range(8)]
    right = [f"right {number} of the column over there" for number in range(8)]
    content = [
        show("A Title over the Middle", 190, 740, size=20, font="B"),
        show("Aims", 72, 705, size=13, font="B"),
        paragraph(left, 72, 680),
        paragraph(right, 320, 705),
    ]

    words = pdf(one("\n".join(content))).md

    assert words.index("Title") < words.index("Aims") < words.index("left 7") < words.index("right 0")


def test_a_figure_in_which_nothing_is_drawn_is_its_text(pdf: Pdf) -> None:
    words = "\n".join(show(f"item {at} with a few words", 96, 700 - 30 * at) for at in range(5))
    figure = Region(kind=RegionKind.FIGURE, box=(60, 60, 560, 400), score=0.9)
    drawn = "\n".join(f"{100 + 9 * at} 400 m {104 + 9 * at} 430 l S" for at in range(40))

    bare, real = (pdf(one("\n".join([body(750), words, more])), regions=[figure]) for more in ("", drawn))

    assert ("<!-- image -->" in bare.md, "<!-- image -->" in real.md) == (False, True)
    assert "item 4 with a few words" in bare.md
    assert "item 4 with a few words" in real.md


def test_a_sentence_about_a_table_is_no_caption(pdf: Pdf) -> None:
    content = [
        body(760),
        show("Table 2 shows what the others found in the same year.", 72, 690),
        show("Table 2 What the others found", 72, 660, size=9, font="I"),
    ]
    table = Region(kind=RegionKind.TABLE, box=(60, 140, 560, 300), score=0.9)
    cells = [show(text, x, y) for y in (620, 600, 580) for x, text in ((80, "left"), (300, "right"))]

    answer = pdf(one("\n".join([*content, *cells])), regions=[table])

    labels = {text.text.split()[2]: text.label for text in answer.document.texts if text.text.startswith("Table")}
    assert labels == {"shows": "text", "What": "caption"}


def test_what_stands_beside_the_number_of_a_page_is_its_footer(pdf: Pdf) -> None:
    footer = show("12", 72, 30, size=9) + "\n" + show("A chapter of its own", 110, 30, size=9)

    answer = pdf(one("\n".join([body(700), footer])))

    assert "chapter" not in answer.md
    assert "A chapter of its own" in pdf(one("\n".join([body(700), footer])), Include.HEADERS).md


def test_a_small_page_is_drawn_as_large_as_others_for_the_layout_model(
    pdf: Pdf, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []

    def regions(_self: NoLayout, page: Picture) -> Sequence[Region]:
        seen.append(page.shape)
        return []

    monkeypatch.setattr(NoLayout, "regions", regions)

    for width, height in ((300, 400), (612, 792), (842, 1190)):
        pdf(File(sheets=[Sheet(content=show("word", 72, 300), width=width, height=height)]).bytes())

    assert [shape[:2] for shape in seen] == [(792, 594), (792, 612), (1190, 842)]


def test_a_figure_of_many_long_lines_is_text_whatever_is_drawn_in_it(pdf: Pdf) -> None:
    drawn = "\n".join(f"{100 + 9 * at} 100 m {104 + 9 * at} 130 l S" for at in range(40))
    lines = ["It is a line of running text as long as others", *["and goes on below it as such texts mostly do"] * 11]
    figure = Region(kind=RegionKind.FIGURE, box=(60, 60, 560, 720), score=0.7)

    short, long = (
        pdf(one("\n".join([paragraph(text, 80, 700, step=3), drawn])), regions=[figure]).md
        for text in ([line[:20] for line in lines], lines)
    )

    assert ("<!-- image -->" in short, "<!-- image -->" in long) == (True, False)


@pytest.mark.parametrize(("score", "words"), [(0.9, "read from its picture"), (0.2, "signs")])
def test_a_line_of_unknown_signs_is_read_from_its_picture(
    pdf: Pdf, monkeypatch: pytest.MonkeyPatch, score: float, words: str
) -> None:
    read = Recognized(text="read from its picture", score=score)
    monkeypatch.setattr(NoLayout, "recognize", lambda _self, lines: [read] * len(lines))
    monkeypatch.setattr(ocr, "is_unknown", lambda text: text == "signs")

    answer = pdf(one("\n".join([body(700), show("signs", 72, 600)])))

    assert answer.md == " ".join(BODY) + "\n\n" + words


def test_a_line_of_a_table_of_contents_is_no_heading(pdf: Pdf) -> None:
    led = show("Chapter 1. What it is about" + " ." * 40 + " 12", 72, 600, font="B")

    answer = pdf(one("\n".join([body(700), led])))

    assert "\nChapter 1. What it is about ... 12" in answer.md


@pytest.mark.parametrize("kind", [RegionKind.TITLE, RegionKind.HEADER])
def test_the_number_of_a_heading_is_a_part_of_it_where_the_model_sees_two(pdf: Pdf, kind: RegionKind) -> None:
    content = [
        show("3", 72, 720, size=14, font="B"),
        show("What was done", 92, 720, size=14, font="B"),
        body(690),
    ]
    regions = [
        Region(kind=RegionKind.TEXT, box=(70, 56, 84, 78), score=0.9),
        Region(kind=kind, box=(88, 56, 240, 78), score=0.9),
        Region(kind=RegionKind.TEXT, box=(70, 90, 560, 140), score=0.9),
    ]

    assert pdf(one("\n".join(content)), regions=regions).md.startswith("## 3 What was done\n")


def test_lists_side_by_side_are_no_table(pdf: Pdf) -> None:
    lists = [["apples and pears", "plums and cherries", "some quinces"], ["walnuts and almonds", "hazel", "chestnuts"]]
    items = [
        show("\u2022", 80 + 220 * column, 600 - 16 * at) + "\n" + show(text, 96 + 220 * column, 600 - 16 * at)
        for column, texts in enumerate(lists)
        for at, text in enumerate(texts)
    ]
    region = Region(kind=RegionKind.TEXT, box=(60, 170, 560, 250), score=0.9)

    answer = pdf(one("\n".join(items)), regions=[region])

    assert [line for line in answer.md.splitlines() if line] == [f"- {text}" for texts in lists for text in texts]


def test_the_first_line_of_a_letter_is_text_whatever_the_layout_model_says(pdf: Pdf) -> None:
    header = Region(kind=RegionKind.HEADER, box=(60, 40, 400, 70), score=0.9)
    footer = Region(kind=RegionKind.FOOTER, box=(60, 740, 400, 770), score=0.9)
    content = [show("Invoice No. 4711", 72, 735), body(690), show("Payable in 30 days", 72, 36), show("1", 300, 12)]

    answer = pdf(one("\n".join(content)), regions=[header, footer])

    assert answer.md == "\n\n".join(["Invoice No. 4711", " ".join(BODY), "Payable in 30 days"])


def test_a_small_line_beside_the_number_of_a_page_is_its_header(pdf: Pdf) -> None:
    content = [show("An Author and Others", 72, 750, size=8), show("12", 400, 750, size=8), body(690)]

    assert pdf(one("\n".join(content))).md == " ".join(BODY)


@pytest.mark.parametrize(("dash", "text"), [("\u2014", "rather wide\u2014 or at"), ("-", "rather wideor at")])
def test_a_dash_at_the_end_of_a_line_cuts_no_word(pdf: Pdf, dash: str, text: str) -> None:
    content = paragraph([f"It is a road that is rather wide{dash}", "or at least it was so when we came"], 72, 700)

    assert text in pdf(one(content)).md


def test_a_text_that_is_thrown_away_for_its_picture_is_named(pdf: Pdf, monkeypatch: pytest.MonkeyPatch) -> None:
    found = np.array([[[20, 20], [400, 20], [400, 40], [20, 40]]], np.float32)
    read = Recognized(text="A clear line of words", score=0.9)
    monkeypatch.setattr(ocr, "is_doubtful", lambda _texts: True)
    monkeypatch.setattr(ocr, "is_better", lambda _read, _held: True)
    monkeypatch.setattr(NoLayout, "lines", lambda _self, _picture: found)
    monkeypatch.setattr(NoLayout, "recognize", lambda _self, lines: [read] * len(lines))

    answer = pdf(one(show("\u0178\u0161 \u017e\u0178 \u0161\u0178", 72, 700)))

    assert (answer.md, answer.errors) == ("A clear line of words", [FROM_PICTURE])


def test_a_number_that_is_written_over_its_picture_is_read_once(pdf: Pdf, monkeypatch: pytest.MonkeyPatch) -> None:
    found = np.array([[[20, 20], [60, 20], [60, 60], [20, 60]]], np.float32)
    monkeypatch.setattr(NoLayout, "lines", lambda _self, _picture: found)
    monkeypatch.setattr(NoLayout, "recognize", lambda _self, lines: [Recognized(text="1", score=0.9)] * len(lines))
    image = "q 100 0 0 100 72 600 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \u00a0 EI Q"

    answer = pdf(one("\n".join([body(760), image, show("1", 90, 668)])))

    assert answer.md.count("1") == 1


def test_kinds_that_only_a_larger_model_tells_are_what_it_says(pdf: Pdf) -> None:
    told = {
        RegionKind.LIST_ITEM: "- an item without a mark",
        RegionKind.CODE: "```",
        RegionKind.FOOTNOTE: "a note of small moment",
        RegionKind.TICKED_BOX: "- [x] a box with a tick",
        RegionKind.EMPTY_BOX: "- [ ] a box without one",
    }
    texts = [
        "an item without a mark",
        "a line of code",
        "a note of small moment",
        "a box with a tick",
        "a box without one",
    ]
    content = [body(760), *(show(text, 72, 600 - 60 * at) for at, text in enumerate(texts))]
    regions = [
        Region(kind=kind, score=0.9, box=(70, 180 + 60 * at, 400, 198 + 60 * at)) for at, kind in enumerate(told)
    ]

    answer = pdf(one("\n".join(content)), regions=regions)

    assert {kind: words for kind, words in told.items() if words not in answer.md} == {}
    assert [text.label for text in answer.document.texts if text.text == "a note of small moment"] == ["footnote"]
    assert not answer.errors


def test_a_table_of_contents_is_lines_and_no_table_of_dots(pdf: Pdf) -> None:
    sheet = typesetting.Sheet()
    titles = ("Introduction", "Scope", "Terms and definitions", "Requirements", "Tests", "Annex")
    for at, title in enumerate(titles):
        sheet.text(str(at + 1), 72, 100 + 18 * at)
        end = 100 + sheet.text(title, 100, 100 + 18 * at)
        sheet.text("." * int((480 - end) / 2.5), end + 10, 100 + 18 * at)
        sheet.text(str(10 + at), 510, 100 + 18 * at)

    lines = pdf(sheet.pdf()).md.split("\n\n")

    assert [line.replace("\\", "") for line in lines] == [
        f"{at + 1} {title} ... {10 + at}" for at, title in enumerate(titles)
    ]


def test_words_of_a_neighbour_do_not_cut_a_paragraph_at_every_line(pdf: Pdf) -> None:
    lines = [f"Line {at} of a paragraph that goes on and" for at in range(14)]
    content = [paragraph(lines, 72, 700), show("of a figure", 450, 700 - 3 * 11 * 1.25)]
    region = Region(kind=RegionKind.TEXT, box=(60, 70, 560, 290), score=0.9)

    answer = pdf(one("\n".join(content)), regions=[region])

    assert len(answer.document.texts) == 1
