"""Packages with damaged and missing parts: the rest is in the answer, and each part that is not is named."""

# ruff: noqa: E501 - XML is easier to read in one line

from __future__ import annotations

import io
import zipfile
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from services.common.errors import UnprocessableFile
from services.documents.backends.base import Include
from tests.unit.documents.reading.conftest import Parse
from tests.unit.documents.reading.opendocument import NAMESPACES, opendocument
from tests.unit.documents.reading.test_docx import p, r, word

_GONE = "it is missing from the file"


def _with(file: bytes, part: str, content: bytes | None) -> bytes:
    """The file with another part, or without it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name != part:
                new.writestr(name, old.read(name))
            elif content is not None:
                new.writestr(name, content)
        assert part in old.namelist()
    return out.getvalue()


def _half(file: bytes, part: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        content = archive.read(part)
    return _with(file, part, content[: len(content) // 2])


def _with_bad_checksum(file: bytes, part: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        checksum = archive.getinfo(part).CRC.to_bytes(4, "little")
    return file.replace(checksum, b"\0\1\2\3")


@pytest.fixture(scope="module")
def book() -> bytes:
    """Two sheets, with a chart on the first."""
    made = openpyxl.Workbook()
    made.active.title = "Income"
    made.active["A1"] = "wombat"
    made.active["B1"] = 7
    costs = made.create_sheet("Costs")
    costs["A1"] = "numbat"
    chart = BarChart()
    chart.title = "quokka"
    chart.add_data(Reference(made.active, min_col=2, min_row=1))
    made.active.add_chart(chart)
    saved = io.BytesIO()
    made.save(saved)
    return saved.getvalue()


@pytest.fixture(scope="module")
def deck() -> bytes:
    """Two slides: a chart on the first, notes to the second."""
    made = Presentation()
    first, second = (made.slides.add_slide(made.slide_layouts[6]) for _ in range(2))
    for slide, text in ((first, "wombat"), (second, "numbat")):
        slide.shapes.add_textbox(Inches(1), Inches(1), Inches(2), Inches(1)).text_frame.text = text
    data: Any = CategoryChartData()  # type: ignore[no-untyped-call]
    data.categories = ["quokka"]
    data.add_series("quoll", (1,))
    first.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(3), Inches(4), Inches(3), data)
    second.notes_slide.notes_text_frame.text = "bilby"
    saved = io.BytesIO()
    made.save(saved)
    return saved.getvalue()


_NOTES = {
    "footnotes": '<w:footnote w:id="2"><w:p><w:r><w:t>numbat</w:t></w:r></w:p></w:footnote>',
    "comments": '<w:comment w:id="0" w:author="Ann"><w:p><w:r><w:t>quoll</w:t></w:r></w:p></w:comment>',
    "header": "<w:p><w:r><w:t>quokka</w:t></w:r></w:p>",
}
_SECTION = '<w:sectPr><w:headerReference w:type="default" r:id="header"/></w:sectPr>'
_TEXT = word(
    p("wombat", r("") + '<w:r><w:footnoteReference w:id="2"/></w:r>') + p("more") + _SECTION,
    files=None,
    **_NOTES,
)


def test_a_missing_sheet_is_named_and_the_others_are_read(parse: Parse, book: bytes) -> None:
    answer = parse("a.xlsx", _with(book, "xl/worksheets/sheet2.xml", None))

    assert "wombat" in answer.text
    assert answer.errors == [f"xl/worksheets/sheet2.xml, sheet Costs: {_GONE}; its cells are not in the answer"]


def test_a_workbook_without_any_sheet_is_refused(parse: Parse, book: bytes) -> None:
    neither = _half(_with(book, "xl/worksheets/sheet2.xml", None), "xl/worksheets/sheet1.xml")

    with pytest.raises(UnprocessableFile, match=r"xl/worksheets/sheet1\.xml, sheet Income: it is damaged \(line 1\)$"):
        parse("a.xlsx", neither)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("xl/styles.xml", "xl/styles.xml: {}; its styles (headings, lists, formats of numbers) are not in the answer"),
        ("xl/charts/chart1.xml", "xl/charts/chart1.xml, sheet Income: {}; its chart is not in the answer"),
        ("xl/drawings/drawing1.xml", "xl/drawings/drawing1.xml, sheet Income: {}; what is drawn there is not in the answer"),
        ("docProps/core.xml", ""),
        ("xl/theme/theme1.xml", ""),
    ],
)  # fmt: skip
def test_parts_of_a_workbook_are_named_and_the_rest_is_read(
    parse: Parse, book: bytes, part: str, sentence: str
) -> None:
    missing = parse("a.xlsx", _with(book, part, None))
    damaged = parse("a.xlsx", _with(book, part, b"garbage"))

    assert "7" in missing.text
    assert "7" in damaged.text
    assert missing.errors == ([sentence.format(_GONE)] if sentence else [])
    assert damaged.errors == ([sentence.format("it is damaged (line 1)")] if sentence else [])


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("ppt/slides/slide2.xml", "ppt/slides/slide2.xml, slide 2: {}; its slide is not in the answer"),
        ("ppt/charts/chart{}.xml", "ppt/charts/chart{}.xml, slide 1: {}; its chart is not in the answer"),
        ("ppt/notesSlides/notesSlide1.xml", "ppt/notesSlides/notesSlide1.xml, slide 2: {}; its notes are not in the answer"),
        ("ppt/slideLayouts/slideLayout7.xml", ""),
        ("ppt/slideMasters/slideMaster1.xml", ""),
        ("ppt/theme/theme1.xml", ""),
        ("docProps/core.xml", ""),
    ],
)  # fmt: skip
def test_parts_of_a_deck_are_named_and_the_rest_is_read(parse: Parse, deck: bytes, part: str, sentence: str) -> None:
    with zipfile.ZipFile(io.BytesIO(deck)) as archive:
        chart = next(name for name in archive.namelist() if name.startswith("ppt/charts/chart"))
    number = chart.removeprefix("ppt/charts/chart").removesuffix(".xml")
    part, sentence = part.replace("chart{}", f"chart{number}"), sentence.replace("chart{}", f"chart{number}")

    missing = parse("a.pptx", _with(deck, part, None), Include.SPEAKER_NOTES)
    damaged = parse("a.pptx", _half(deck, part), Include.SPEAKER_NOTES)

    assert "wombat" in missing.text
    assert "wombat" in damaged.text
    assert missing.errors == ([sentence.format(_GONE)] if sentence else [])
    assert len(damaged.errors) == (1 if sentence else 0)
    assert all("it is damaged (line " in error for error in damaged.errors)


@pytest.mark.parametrize("include", [[], [Include.FOOTNOTES, Include.COMMENTS, Include.HEADERS]])
@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("footnotes", "its footnotes are"),
        ("comments", "its comments are"),
        ("header", "its header is"),
        ("styles", "its styles (headings, lists, formats of numbers) are"),
        ("numbering", "the numbers and signs of its lists are"),
    ],
)
def test_parts_of_a_text_are_named_and_the_rest_is_read(
    parse: Parse, part: str, says: str, include: list[Include]
) -> None:
    for file, damage in (
        (_with(_TEXT, f"word/{part}.xml", None), _GONE),
        (_with(_TEXT, f"word/{part}.xml", b"garbage"), "it is damaged (line 1)"),
        (_half(_TEXT, f"word/{part}.xml"), "it is damaged (line 1)"),
        (_with_bad_checksum(_TEXT, f"word/{part}.xml"), "it is damaged"),
    ):
        answer = parse("a.docx", file, *include)

        assert answer.text.startswith("quokka" if include and part != "header" else "wombat")
        assert answer.errors == [f"word/{part}.xml: {damage}; {says} not in the answer"]


def test_a_sound_file_is_not_doubted(parse: Parse, book: bytes, deck: bytes) -> None:
    for name, file in (("a.xlsx", book), ("a.pptx", deck), ("a.docx", _TEXT)):
        assert parse(name, file, *Include).errors == []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.docx", "word/document.xml"),
        ("a.xlsx", "xl/workbook.xml"),
        ("a.pptx", "ppt/presentation.xml"),
    ],
)
def test_a_damaged_main_part_is_what_the_refusal_names(
    parse: Parse, book: bytes, deck: bytes, name: str, part: str
) -> None:
    file = {"a.docx": _TEXT, "a.xlsx": book, "a.pptx": deck}[name]

    with pytest.raises(UnprocessableFile, match=rf"^{name}: {part}: it is damaged \(line \d+\)$"):
        parse(name, _half(file, part))
    with pytest.raises(UnprocessableFile, match=r"_rels/\.rels: it is missing"):
        parse(name, _with(file, "_rels/.rels", None))


def test_damaged_relationships_are_named(parse: Parse, book: bytes) -> None:
    answer = parse("a.xlsx", _with(book, "xl/worksheets/_rels/sheet1.xml.rels", b"garbage"))

    assert "wombat" in answer.text
    assert answer.errors == [
        "xl/worksheets/_rels/sheet1.xml.rels, sheet Income: it is damaged (line 1); "
        "what its part refers to is not in the answer"
    ]
    missing = parse("a.xlsx", _with(book, "xl/worksheets/_rels/sheet1.xml.rels", None))
    assert missing.errors == [
        f"xl/worksheets/_rels/sheet1.xml.rels, sheet Income: {_GONE}; what its part refers to is not in the answer"
    ]
    with pytest.raises(UnprocessableFile, match=r"xl/_rels/workbook\.xml\.rels: it is missing"):
        parse("a.xlsx", _with(book, "xl/_rels/workbook.xml.rels", None))
    with pytest.raises(UnprocessableFile, match=r"word/_rels/document\.xml\.rels: it is damaged"):
        parse("a.docx", _with(_TEXT, "word/_rels/document.xml.rels", b"garbage"))


def test_a_picture_that_is_missing_or_damaged_takes_nothing_with_it(parse: Parse) -> None:
    blip = '<a:graphic><a:graphicData><a:blip r:embed="rId9"/></a:graphicData></a:graphic>'
    blip = f"<w:drawing><wp:inline>{blip}</wp:inline></w:drawing>"
    file = word(p("wombat") + f"<w:p><w:r>{blip}</w:r></w:p>", files={"rId9": ("image", "<picture/>")})

    answer = parse("a.docx", _with(file, "word/rId9.xml", None))

    assert "wombat" in answer.text
    assert answer.errors == []


def test_a_link_to_a_place_that_some_programs_take_for_a_part_stays_one(parse: Parse) -> None:
    body = '<w:p><w:hyperlink r:id="there"><w:r><w:t>wombat</w:t></w:r></w:hyperlink></w:p>'
    file = word(body, files={"there": ("hyperlink", "<x/>")})

    answer = parse("a.docx", _with(file, "word/there.xml", None))

    assert "[wombat](there.xml)" in answer.md
    assert answer.errors == []


def test_a_password_is_what_the_refusal_names(parse: Parse) -> None:
    file = bytearray(_TEXT)
    for sign, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = -1
        while (at := file.find(sign, at + 1)) >= 0:
            file[at + offset] |= 1

    with pytest.raises(UnprocessableFile, match="protected by a password"):
        parse("a.docx", bytes(file))


def test_a_workbook_without_the_texts_of_its_cells_is_refused(parse: Parse, book: bytes) -> None:
    name = "xl/_rels/workbook.xml.rels"
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        relations = archive.read(name).decode()
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    lost = f'<Relationship Id="s" Type="{kind}" Target="sharedStrings.xml"/></Relationships>'

    with pytest.raises(UnprocessableFile, match=r"xl/sharedStrings\.xml: it is missing"):
        parse("a.xlsx", _with(book, name, relations.replace("</Relationships>", lost).encode()))


_OBJECT = "Object 1/content.xml"
_FORMULA = f"<math:math {NAMESPACES}><math:mi>q</math:mi></math:math>"


def _odf(kind: str, body: str) -> bytes:
    """A file with an object and a header, which its manifest lists."""
    header = '<style:master-page style:name="Standard"><style:header><text:p>quokka</text:p></style:header></style:master-page>'
    file = opendocument(kind, body, styles=header, parts={_OBJECT: _FORMULA})
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        manifest = archive.read("META-INF/manifest.xml").decode()
    entries = "".join(f'<manifest:file-entry manifest:full-path="{name}"/>' for name in ("styles.xml", _OBJECT))
    end = "</manifest:manifest>"
    return _with(file, "META-INF/manifest.xml", manifest.replace(end, entries + end).encode())


_FRAME = '<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>'
_ODF = {
    "a.odt": _odf("text", f"<text:p>wombat</text:p><text:p>{_FRAME}</text:p>"),
    "a.ods": _odf(
        "spreadsheet",
        '<table:table table:name="A"><table:table-row><table:table-cell><text:p>wombat</text:p></table:table-cell>'
        f"</table:table-row><table:shapes>{_FRAME}</table:shapes></table:table>",
    ),
    "a.odp": _odf(
        "presentation",
        '<draw:page draw:name="p1" draw:master-page-name="Standard"><draw:frame><draw:text-box><text:p>wombat</text:p>'
        f"</draw:text-box></draw:frame>{_FRAME}</draw:page>",
    ),
}


@pytest.mark.parametrize("name", _ODF)
@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("styles.xml", "its headers, footers and styles are"),
        (_OBJECT, "its object (a chart, a formula) is"),
        ("meta.xml", ""),
        ("META-INF/manifest.xml", ""),
    ],
)
def test_parts_of_opendocument_are_named_and_the_rest_is_read(parse: Parse, name: str, part: str, says: str) -> None:
    file = _ODF[name]
    for changed, damage in (
        (_with(file, part, None), _GONE),
        (_with(file, part, b"garbage"), "it is damaged (line 1)"),
        (_half(file, part), "it is damaged (line 1)"),
        (_with_bad_checksum(file, part), "it is damaged"),
    ):
        answer = parse(name, changed, Include.HEADERS)

        assert "wombat" in answer.text
        assert [error for error in answer.errors if "an embedded object (Object 1)" not in error] == (
            [f"{part}: {damage}; {says} not in the answer"] if says else []
        )


@pytest.mark.parametrize("name", _ODF)
def test_opendocument_without_its_content_is_refused(parse: Parse, name: str) -> None:
    assert parse(name, _ODF[name], *Include).errors == []
    with pytest.raises(UnprocessableFile, match=rf"^{name}: content\.xml: it is damaged \(line 1\)$"):
        parse(name, _half(_ODF[name], "content.xml"))
    with pytest.raises(UnprocessableFile, match=r"content\.xml: it is missing"):
        parse(name, _with(_ODF[name], "content.xml", None))


def test_opendocument_with_a_password_is_refused_as_such(parse: Parse) -> None:
    entry = '<manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry>'
    manifest = f'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">{entry}</manifest:manifest>'
    file = _with(_with(_ODF["a.odt"], "content.xml", b"\x93\x01"), "META-INF/manifest.xml", manifest.encode())

    with pytest.raises(UnprocessableFile, match="protected by a password"):
        parse("a.odt", file)


def test_a_text_without_its_relationships_says_what_it_can(parse: Parse) -> None:
    name = "word/_rels/document.xml.rels"

    answer = parse("a.docx", _with(word(p("wombat"), footnotes=_NOTES["footnotes"]), name, None))

    assert answer.text == "wombat"
    assert answer.errors == [f"{name}: {_GONE}; what its part refers to is not in the answer"]


def test_a_slide_without_its_relationships_is_read(parse: Parse, deck: bytes) -> None:
    of_slide, of_layout = "ppt/slides/_rels/slide2.xml.rels", "ppt/slideLayouts/_rels/slideLayout7.xml.rels"
    for name, content in ((of_slide, b"garbage"), (of_slide, None), (of_layout, b"garbage"), (of_layout, None)):
        answer = parse("a.pptx", _with(deck, name, content))

        assert "numbat" in answer.text
        assert [error.partition(",")[0] for error in answer.errors] == ([name] if name == of_slide else [])


def test_a_drawing_without_its_relationships_takes_nothing_with_it(parse: Parse, book: bytes) -> None:
    name = "xl/drawings/_rels/drawing1.xml.rels"

    answer = parse("a.xlsx", _with(book, name, b"garbage"))

    assert "wombat" in answer.text
    assert [error.partition(",")[0] for error in answer.errors] == [name, "xl/drawings/drawing1.xml"]
