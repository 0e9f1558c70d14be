"""Pages that docling-parse cannot read, and PDFium draws."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.errors import UnprocessableFile
from services.documents.backends.base import Document, Output, Paging
from services.documents.backends.reading.parser import DoclingParser
from tests.pdfs import beside, flated, shown, stream

_MAP = b"""/CIDInit /ProcSet findresource begin
begincmap
1 begincodespacerange
<00> <ff>
endcodespacerange
3 beginbfchar
<61> <0041>
<62>
<63> <0043>
endbfchar
endcmap
end"""
_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 11 0 R >>"
DAMAGED = Document(
    filename="a.pdf",
    data=beside(stream(shown(b"quokka")), resources=b"/Font << /F1 10 0 R >>", more=[_FONT, flated(_MAP)]),
    outputs=[Output.TEXT],
)


def test_such_a_page_is_read_from_its_picture_and_says_so_and_what_that_lacks(parser: DoclingParser) -> None:
    parsed = parser.parse_whole(DAMAGED)

    text = parsed.outputs[Output.TEXT].decode()
    assert "wombat" in text
    assert "echidna" in text
    assert parsed.errors[0] == "page 2: its text is damaged; what is in the answer was read from its picture"
    assert len(parsed.errors) == 2  # the engines of this test see nothing in pictures
    assert "not in the answer" in parsed.errors[1]


def test_without_its_picture_such_a_page_cannot_be_read(parser: DoclingParser) -> None:
    document = replace(DAMAGED, paging=Paging(do_ocr=False))
    parser.parse(document)

    with pytest.raises(UnprocessableFile, match="page 2: it cannot be read"):
        parser.read_page(document, 2)
    parser.close()
