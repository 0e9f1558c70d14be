"""Notes on a page that nobody sees."""

from __future__ import annotations

import pytest

from services.documents.backends.reading.pdf.file import PdfFile
from tests.pdfs import beside, shown, stream

_NOTE = b"/MediaBox [0 0 612 792] /Annots [<< /Subtype /FreeText /F %d /Rect [99 99 299 199] /Contents (A numbat.) >>]"


@pytest.mark.parametrize(("flags", "is_seen"), [(0, True), (4, True), (2, False), (32, False)])
def test_a_text_box_that_is_hidden_is_not_read(flags: int, is_seen: bool) -> None:
    file = PdfFile(beside(stream(shown(b"Between them.")), page=_NOTE % flags))

    text = " ".join(cell.text for cell in file.page(2).get_text_cells())

    assert ("numbat" in text) is is_seen
