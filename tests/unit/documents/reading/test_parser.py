"""What holds for every format."""

from __future__ import annotations

import pytest

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
