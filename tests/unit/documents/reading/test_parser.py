"""What holds for every format."""

from __future__ import annotations

import pytest

from services.common.errors import TooLarge
from services.documents.backends import frames
from tests.unit.documents.reading.conftest import Parse


@pytest.mark.parametrize(
    ("filename", "data"),
    [
        ("a.adoc", b"include::a.adoc[]\n" * 20_000),
        ("a.vtt", b"WEBVTT\n\n" + b"foo\n\n" * 20_000),
        ("a.tex", b"\\documentclass{article}\\begin{document}\n" + b"\\input{a}\n" * 20_000),
        ("a.tex", b"\\documentclass{article}\\begin{document}\n\\input{" + b"a" * 2_000_000 + b"}\n\\end{document}"),
    ],
)
def test_errors_fit_into_an_answer_whatever_the_file_is_made_of(parse: Parse, filename: str, data: bytes) -> None:
    errors = parse(filename, data).errors

    [_, header] = frames.encode(frames.Message(header={"errors": errors}))
    assert errors
    assert len(header) < 64 * 1024
    assert len(errors) <= 101 + 21
    assert len(errors) < 100 or errors[100].endswith("more of such problems")


def test_a_table_of_more_cells_than_docling_holds_is_refused_with_both_numbers(parse: Parse) -> None:
    rows, columns = 1001, 1000

    with pytest.raises(
        TooLarge, match=rf"^a\.csv: a table of {rows} rows and {columns} columns; at most 1000000 cells"
    ):
        parse("a.csv", b",\n" * (rows - 1) + b"," * (columns - 1))
