"""Notes on a page that nobody sees, and those that are too many or too long."""

from __future__ import annotations

import pytest

from services.documents.backends.base import Document, Output
from services.documents.backends.reading.parser import DoclingParser
from services.documents.backends.reading.pdf.file import PdfFile
from tests.pdfs import beside, shown, stream

_NOTE = b"/MediaBox [0 0 612 792] /Annots [<< /Subtype /FreeText /F %d /Rect [99 99 299 199] /Contents (A numbat.) >>]"


@pytest.mark.parametrize(("flags", "is_seen"), [(0, True), (4, True), (2, False), (32, False)])
def test_a_text_box_that_is_hidden_is_not_read(flags: int, is_seen: bool) -> None:
    file = PdfFile(beside(stream(shown(b"Between them.")), page=_NOTE % flags))

    text = " ".join(cell.text for cell in file.page(2).get_text_cells())

    assert ("numbat" in text) is is_seen


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        (
            b"<< /Subtype /FreeText /Rect [99 99 299 199] /Contents (" + b"numbat " * 3000 + b") >>",
            "page 2: a comment or text box of 21000 letters is not in the answer; at most 20000",
        ),
        (
            b"<< /Subtype /Text /Rect [9 9 29 19] /Contents (A numbat.) >> " * 2001,
            "page 2: only 2000 of its 2001 annotations are looked at for comments and text boxes",
        ),
    ],
)
def test_a_note_that_is_left_out_is_named(parser: DoclingParser, notes: bytes, said: str) -> None:
    page = b"/MediaBox [0 0 612 792] /Annots [%b]" % notes
    data = beside(stream(shown(b"Between them.")), page=page)

    parsed = parser.parse_whole(Document(filename="a.pdf", data=data, outputs=[Output.TEXT]))

    assert said in parsed.errors
