"""CSV: every cell as it is written."""

from __future__ import annotations

import json

import pytest

from tests.unit.documents.reading.conftest import Answer, Parse


def _rows(answer: Answer) -> list[list[str]]:
    tables = json.loads(answer.json)["tables"]
    return [[cell["text"] for cell in row] for table in tables for row in table["data"]["grid"]]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("sep=;\nA;B\n1;2,5\n", [["A", "B"], ["1", "2,5"]]),
        ('"sep=|"\r\nA|B\r\n1|x;y,z\r\n', [["A", "B"], ["1", "x;y,z"]]),
        ("sep=\t\nA\tB\n1\t2\n", [["A", "B"], ["1", "2"]]),
        ("A,B\n007,12345678901234567890\n1.10,1e5\n", [["A", "B"], ["007", "12345678901234567890"], ["1.10", "1e5"]]),
        ("A\tB\n1,5\t2;5\n", [["A", "B"], ["1,5", "2;5"]]),
        ("A|B\n1,5|2\n", [["A", "B"], ["1,5", "2"]]),
        ("\ufeffA;B\n1;2\n", [["A", "B"], ["1", "2"]]),
        ('A,B\n"two\nlines","a ""word"", so"\n', [["A", "B"], ["two\nlines", 'a "word", so']]),
        ("A,B,C\n1\n\n2,3,4,5\n", [["A", "B", "C", ""], ["1", "", "", ""], ["2", "3", "4", "5"]]),
        ('A,B\n1,"say \\"hi\\", all"\n2,"C:\\\\"\n', [["A", "B"], ["1", 'say "hi", all'], ["2", "C:\\\\"]]),
        ('A,B\n"C:\\dir\\",x\n', [["A", "B"], ["C:\\dir\\", "x"]]),
        ('A, "B, C"\n1, "Doe, Ann"\n', [["A", "B, C"], ["1", "Doe, Ann"]]),
        ('A, B\n1, "so called" word\n', [["A", " B"], ["1", ' "so called" word']]),
        ("1,5;2,5\n3,5;4,5\n", [["1,5", "2,5"], ["3,5", "4,5"]]),
        ("value\n1,5\n2,5\n3,5\n", [["value"], ["1,5"], ["2,5"], ["3,5"]]),
        ("1,2\n3,4\n", [["1", "2"], ["3", "4"]]),
        ("A,B\nx\x0cy,z\n", [["A", "B"], ["x y", "z"]]),
        ("only\none\nHello, world\n", [["only"], ["one"], ["Hello, world"]]),
        ("Start (hh:mm);x, y;z\n10:00;1,5;2\n", [["Start (hh:mm)", "x, y", "z"], ["10:00", "1,5", "2"]]),
        ('a,"b"c,d"e\n', [["a", "bc", 'd"e']]),
        ("A,B\r1,2\r", [["A", "B"], ["1", "2"]]),
        ('A,B\n1,"never closed\n2,3\n', [["A", "B"], ["1", "never closed\n2,3\n"]]),
        (f"A,B\n1,{'x' * 200_000}\n", [["A", "B"], ["1", "x" * 200_000]]),
        ("", []),
    ],
)
def test_cells_are_as_they_are_written(parse: Parse, content: str, rows: list[list[str]]) -> None:
    answer = parse("a.csv", content.encode())

    assert _rows(answer) == rows
    assert answer.errors == []


def test_markdown_keeps_zeros_and_digits(parse: Parse) -> None:
    answer = parse("a.csv", b"zip,big\n007,12345678901234567890\n010,1.10\n")

    assert all(word in answer.md for word in ("007", "010", "12345678901234567890", "1.10"))
