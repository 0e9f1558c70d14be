"""PDFs with the real layout model: what a reader sees of pages as they are usually set."""

from __future__ import annotations

import random

import pytest

from services.documents.backends.base import Output
from services.documents.backends.engines.local import LocalEngines
from services.documents.backends.reading import glue, guard
from services.documents.backends.reading.pdf.reader import read
from services.documents.backends.reading.reader import Report, Source
from services.documents.backends.reading.rendering import render
from tests.unit.documents.reading.pdf.files import File, Sheet, paragraph, show

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

NOUNS = [
    "apple",
    "river",
    "garden",
    "window",
    "market",
    "letter",
    "school",
    "history",
    "engine",
    "bridge",
    "winter",
    "summer",
    "kitchen",
    "doctor",
    "island",
]


@pytest.fixture(scope="module")
def engines() -> LocalEngines:
    return LocalEngines(threads=1)


def lines(count: int, length: int, seed: int) -> list[str]:
    """Lines of prose in which each word is one of its kind."""
    chosen = random.Random(seed)
    words = [f"{chosen.choice(NOUNS)}{seed}{number}" for number in range(count * length)]
    return [" ".join(words[at * length : (at + 1) * length]) for at in range(count)]


def parsed(sheets: list[Sheet], engines: LocalEngines) -> tuple[str, list[str]]:
    report = Report()
    document = read(Source(filename="a.pdf", data=File(sheets=sheets).bytes()), report, engines)
    glue.keep_at_ends(document)
    outputs = {form: render(document, form) for form in Output}
    return glue.clean(outputs[Output.MARKDOWN]), [*report.problems, *guard.lost(report.passages, outputs)]


def test_two_columns_below_a_title_are_read_one_after_the_other(engines: LocalEngines) -> None:
    left, right = lines(30, 5, 1), lines(30, 5, 2)
    content = [
        show("A Study of Gardens and Rivers in the Winter", 110, 735, size=18, font="B"),
        paragraph(left, 60, 690, size=10, font="T"),
        paragraph(right, 335, 690, size=10, font="T"),
    ]

    md, errors = parsed([Sheet(content="\n".join(content))], engines)

    words = md.replace("#", "").split()
    assert words[:8] == ["A", "Study", "of", "Gardens", "and", "Rivers", "in", "the"]
    assert words[9:] == [word for line in (*left, *right) for word in line.split()]
    assert errors == []


def test_a_report_over_pages_keeps_its_words_and_parts_with_its_headers(engines: LocalEngines) -> None:
    texts = [lines(20, 5, seed) for seed in range(1, 5)]
    sheets = [
        Sheet(
            content="\n".join(
                [
                    show("Quarterly Report of the Garden", 60, 765, size=9),
                    show(f"{number} Section of Rivers", 60, 720, size=15, font="B"),
                    paragraph(text, 60, 690, size=11, font="T"),
                    *(
                        show(f"{item}. entry {number}{item} of the list", 80, 380 - item * 15, size=11)
                        for item in (1, 2, 3)
                    ),
                    show(str(number), 300, 30, size=9),
                ]
            )
        )
        for number, text in enumerate(texts, 1)
    ]

    md, errors = parsed(sheets, engines)

    for number, text in enumerate(texts, 1):
        assert f"## {number} Section of Rivers" in md
        assert " ".join(text) in md
        assert f"1. entry {number}1 of the list\n2. entry {number}2 of the list" in md
    assert "Quarterly" not in md
    assert errors == []
