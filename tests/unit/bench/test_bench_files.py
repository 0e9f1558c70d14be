from __future__ import annotations

import io
import re
import zipfile
from email import message_from_bytes
from typing import Any

import docx
import pytest

from bench.files import FORM_TYPE, File, Files, html_page, torn


@pytest.fixture(scope="module")
def files() -> list[File]:
    return Files(1).mixed(60)


def words(file: File) -> set[str]:
    if file.name.endswith("html"):
        return set(re.findall(r"\w+", re.sub(r"</?b>", "", file.data.decode())))
    document = docx.Document(io.BytesIO(file.data))
    return {word for paragraph in document.paragraphs for word in re.findall(r"\w+", paragraph.text)}


def test_files_are_small_and_of_both_formats(files: list[File]) -> None:
    assert all(4_000 <= len(file.data) <= 50_000 for file in files)
    assert [file.name.rsplit(".", 1)[1] for file in files[:4]] == ["html", "docx", "html", "docx"]
    assert len({file.name for file in files}) == len({file.data for file in files}) == 60


def test_no_two_files_hold_the_same_words(files: list[File]) -> None:
    several = [words(file) for file in files[:8]]

    assert all(len(one & other) < len(one) for one in several for other in several if one is not other)


def test_the_same_seed_gives_the_same_files() -> None:
    assert [file.data for file in Files(3).html(3)] == [file.data for file in Files(3).html(3)]
    assert Files(3).html(1)[0].data != Files(4).html(1)[0].data


def test_a_page_has_every_construct(files: list[File]) -> None:
    page = files[0].data.decode()

    assert all(f"<{tag}" in page for tag in ("h2", "b", "a href", "ul", "table"))
    assert re.search(r"\w<b>\w+</b>\w", page)


@pytest.mark.parametrize("number", [1, 3])
def test_a_word_file_opens_with_every_construct_in_both_packages(files: list[File], number: int) -> None:
    document = docx.Document(io.BytesIO(files[number].data))

    styles = {paragraph.style.name for paragraph in document.paragraphs if paragraph.style}
    assert {"Heading 2", "List Bullet"} <= styles
    assert document.tables[0].cell(3, 1).text
    assert any(run.bold for paragraph in document.paragraphs for run in paragraph.runs)
    assert any(paragraph.hyperlinks for paragraph in document.paragraphs)
    with zipfile.ZipFile(io.BytesIO(files[number].data)) as package:
        assert package.testzip() is None


def test_half_of_the_word_files_have_the_styles_of_word(files: list[File]) -> None:
    sizes = [len(file.data) for file in files if file.name.endswith("docx")]

    assert sum(size > 36_000 for size in sizes) == len(sizes) // 2


def test_bold_starts_in_the_middle_of_the_longest_word() -> None:
    assert torn("an extraordinary day") == ("an e", "xt", "raordinary day")


def test_a_form_is_what_a_client_sends() -> None:
    file = File(name="a.html", data=html_page([]))

    message: Any = message_from_bytes(f"Content-Type: {FORM_TYPE}\r\n\r\n".encode() + file.form)

    option, upload = message.get_payload()
    assert option.get_payload() == "md"
    assert upload.get_filename() == "a.html"
    assert upload.get_payload(decode=True).strip() == file.data.strip()
