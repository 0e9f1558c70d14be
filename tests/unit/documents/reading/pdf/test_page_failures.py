"""What is said of a page that cannot be read for a reason that is not the file's, and of a page on the way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.typesetting.sheet import Sheet
from services.common.errors import UnprocessableFile
from services.documents.backends.base import Document, Output
from services.documents.backends.engines.base import Picture, Region
from services.documents.backends.engines.calls import EnginesFailed
from services.documents.backends.engines.fake import FakeEngines
from services.documents.backends.reading.parser import DoclingParser
from tests.pdfs import text_pdf

PAGE = Document(filename="a.pdf", data=text_pdf(["A wombat."]), outputs=[Output.TEXT])


class Failing(FakeEngines):
    """Engines of a process that is gone, or of a worker that has no memory."""

    def __init__(self, problem: Exception) -> None:
        self._problem = problem

    def regions(self, page: Picture) -> Sequence[Region]:
        raise self._problem


def parser_with(problem: Exception) -> DoclingParser:
    parser = DoclingParser(engines=Failing(problem), max_unpacked_bytes=2**28, max_output_bytes=2**26)
    parser.parse(PAGE)
    return parser


def test_a_file_is_not_called_damaged_where_the_models_have_failed() -> None:
    parser = parser_with(EnginesFailed("not ready after 60 s"))

    with pytest.raises(UnprocessableFile, match=r"page 1: .* the models .* failed \(not ready after 60 s\)"):
        parser.read_page(PAGE, 1)
    parser.close()


def test_memory_that_is_out_in_a_library_is_not_taken_for_damage_of_the_page() -> None:
    parser = parser_with(SystemError("error return without exception set"))

    with pytest.raises(MemoryError):
        parser.read_page(PAGE, 1)
    parser.close()


def test_the_text_of_a_page_on_the_way_has_the_words_of_its_tables(parser: DoclingParser) -> None:
    sheet = Sheet()
    for row, words in enumerate([("Region", "Sales"), ("North", "12"), ("South", "34")]):
        for column, word in enumerate(words):
            sheet.text(word, 80 + 120 * column, 100 + 20 * row)
    for at in range(4):
        sheet.rule(72, 86 + 20 * at, 312, 86 + 20 * at)
        sheet.rule(72 + 80 * at, 86, 72 + 80 * at, 146)
    document = Document(filename="a.pdf", data=sheet.pdf(), outputs=[Output.MARKDOWN])
    parser.close()
    parser.parse(document)

    page = parser.read_page(document, 1)

    assert "| Region" in parser.assemble(document, [page]).outputs[Output.MARKDOWN].decode()
    assert set(page.text.split()) == {"Region", "Sales", "North", "12", "South", "34"}
