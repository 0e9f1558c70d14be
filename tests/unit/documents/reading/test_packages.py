"""Variants of Office's files: each that `formats.FORMATS` names is read like the plain kind."""

# ruff: noqa: E501 - XML is easier to read in one line

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import docx
import openpyxl
import pytest
from pptx import Presentation

from services.documents.backends.reading.packages import usual
from tests.unit.documents.reading.conftest import Parse
from tests.unit.documents.reading.opendocument import opendocument

_OPEN = "vnd.openxmlformats-officedocument"
_WORD, _SLIDES = f"{_OPEN}.wordprocessingml.document.main", f"{_OPEN}.presentationml.presentation.main"


def _word() -> bytes:
    document = docx.Document()
    document.add_paragraph("kept")
    return _saved(document.save)


def _slides() -> bytes:
    deck = Presentation()
    deck.slides.add_slide(deck.slide_layouts[0]).shapes.title.text = "kept"
    return _saved(deck.save)


def _sheet() -> bytes:
    book = openpyxl.Workbook()
    book.active["A1"] = "kept"
    return _saved(book.save)


def _saved(save: Callable[[io.BytesIO], None]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


def _with(data: bytes, change: Callable[[bytes], bytes], *names: str) -> bytes:
    """A package with changed parts: those named, or all."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name in names or not names else content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("extension", "make", "kind", "variant"),
    [
        ("dotx", _word, _WORD, f"{_OPEN}.wordprocessingml.template.main"),
        ("docm", _word, _WORD, "vnd.ms-word.document.macroEnabled.main"),
        ("dotm", _word, _WORD, "vnd.ms-word.template.macroEnabledTemplate.main"),
        ("potx", _slides, _SLIDES, f"{_OPEN}.presentationml.template.main"),
        ("ppsx", _slides, _SLIDES, f"{_OPEN}.presentationml.slideshow.main"),
        ("pptm", _slides, _SLIDES, "vnd.ms-powerpoint.presentation.macroEnabled.main"),
        ("potm", _slides, _SLIDES, "vnd.ms-powerpoint.template.macroEnabled.main"),
        ("ppsm", _slides, _SLIDES, "vnd.ms-powerpoint.slideshow.macroEnabled.main"),
    ],
)
def test_templates_shows_and_files_with_macros_are_read(
    parse: Parse, extension: str, make: Callable[[], bytes], kind: str, variant: str
) -> None:
    file = _with(make(), lambda part: part.replace(f"{kind}+xml".encode(), f"{variant}+xml".encode()))
    assert variant.encode() in zipfile.ZipFile(io.BytesIO(file)).read("[Content_Types].xml")

    answer = parse(f"a.{extension}", file)

    assert answer.text.strip() == "kept"
    assert answer.errors == []


@pytest.mark.parametrize(
    ("extension", "kind", "body"),
    [
        ("ott", "text", "<text:p>kept</text:p>"),
        (
            "ots",
            "spreadsheet",
            '<table:table table:name="S"><table:table-row><table:table-cell><text:p>kept</text:p></table:table-cell></table:table-row></table:table>',
        ),
        (
            "otp",
            "presentation",
            '<draw:page draw:name="p"><draw:frame><draw:text-box><text:p>kept</text:p></draw:text-box></draw:frame></draw:page>',
        ),
    ],
)
def test_templates_of_opendocument_are_read(parse: Parse, extension: str, kind: str, body: str) -> None:
    plain = f"opendocument.{kind}".encode()
    file = _with(opendocument(kind, body), lambda part: part.replace(plain, plain + b"-template"), "mimetype")

    answer = parse(f"a.{extension}", file)

    assert "kept" in answer.text
    assert answer.errors == []


@pytest.mark.parametrize(("extension", "make"), [("docx", _word), ("pptx", _slides), ("xlsx", _sheet)])
def test_strict_files_are_read(parse: Parse, extension: str, make: Callable[[], bytes]) -> None:
    def strict(part: bytes) -> bytes:
        for name in (b"wordprocessingml", b"presentationml", b"spreadsheetml", b"drawingml", b"officeDocument"):
            part = part.replace(
                b"http://schemas.openxmlformats.org/%b/2006/" % name, b"http://purl.oclc.org/ooxml/%b/" % name
            )
        return part.replace(b"extended-properties", b"extendedProperties")

    answer = parse(f"a.{extension}", _with(make(), strict))

    assert "kept" in answer.text
    assert answer.errors == []


def test_a_file_that_repeats_itself_is_read(parse: Parse) -> None:
    packed = io.BytesIO()
    file = opendocument("text", "<text:p>kept</text:p>" + f"<text:p>{'a' * 500_000}</text:p>")
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))

    answer = parse("a.odt", packed.getvalue())

    assert answer.text.startswith("kept")


@pytest.mark.parametrize("data", [b"PK is no package", b"", _word(), _slides(), _sheet()])
def test_other_files_stay_as_they_are(data: bytes) -> None:
    assert usual(data) is data
