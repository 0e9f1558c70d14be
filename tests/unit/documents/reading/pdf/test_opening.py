"""PDFs as they are opened: locked, cut, and with a number of pages that is none."""

from __future__ import annotations

import re

import pytest

from services.common.errors import UnprocessableFile
from services.documents.backends.base import Document, Output
from services.documents.backends.reading.parser import DoclingParser
from services.documents.backends.reading.pdf.file import PdfFile
from services.documents.backends.reading.pdf.opening import Locked
from services.documents.backends.reading.pdf.reader import PdfReader
from services.documents.backends.reading.reader import Source
from tests.pdf_locks import LOCKS, Lock, locked
from tests.pdfs import text_pdf

THREE = text_pdf(*[[f"Page {number} is about apples."] * 20 for number in (1, 2, 3)])


def words(file: PdfFile, number: int) -> str:
    return " ".join(cell.text for cell in file.page(number).get_text_cells())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_file_with_a_password_says_so(lock: Lock) -> None:
    data = locked(lock, "A wombat.", user=b"secret")

    with pytest.raises(UnprocessableFile, match=r"^a.pdf: it is protected by a password; save it without$"):
        PdfReader(Source(filename="a.pdf", data=data))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_file_that_only_its_owner_may_change_is_read(lock: Lock) -> None:
    file = PdfFile(locked(lock, "A wombat.", user=b""))

    assert words(file, 1) == "A wombat."


def test_a_protection_that_is_not_known_says_so() -> None:
    data = locked(LOCKS[0], "A wombat.", user=b"").replace(b"/Filter /Standard", b"/Filter /Nobody  ")

    with pytest.raises(Locked, match="it is protected in a way that is not known; save it without"):
        PdfFile(data)


def test_a_file_that_was_cut_is_read_as_far_as_it_goes() -> None:
    file = PdfFile(THREE[: len(THREE) * 6 // 10])

    assert "Page 1 is about apples." in words(file, 1)
    assert file.problems[0] == "its end is damaged or missing: what is there is in the answer; send the whole file"


def test_a_file_without_its_catalogue_cannot_be_opened() -> None:
    with pytest.raises(Exception, match="Failed to load document"):
        PdfFile(THREE.replace(b"/Catalog", b"/Nothing")[: len(THREE) // 2])


@pytest.mark.parametrize(("said", "there"), [(b"1000000", 3), (b"4", 3), (b"-1", 3), (b"3", 3)])
def test_the_number_of_pages_is_that_of_the_pages_that_are_there(said: bytes, there: int) -> None:
    file = PdfFile(THREE.replace(b"/Count 3", b"/Count " + said))

    assert file.page_count == there
    assert [problem.split(",")[0] for problem in file.problems] == (
        [f"it says that it has {int(said)} pages"] if int(said) > 3 else []
    )


def test_a_file_without_pages_is_none(parser: DoclingParser) -> None:
    data = re.sub(rb"/Kids \[.*?\]", b"/Kids [99 0 R]", text_pdf(["A page."]))

    with pytest.raises(UnprocessableFile, match="no pages"):
        parser.parse(Document(filename="a.pdf", data=data, outputs=[Output.TEXT]))


def test_pages_that_the_file_does_not_count_are_named() -> None:
    file = PdfFile(THREE.replace(b"/Count 3", b"/Count 1"))

    assert list(file.problems) == ["it says that it has 1 pages, but holds 3; 2 are not in the answer"]
