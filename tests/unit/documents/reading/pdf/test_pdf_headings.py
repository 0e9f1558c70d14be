"""Levels of headings."""

from __future__ import annotations

import pytest

from services.documents.backends.reading.pdf.headings import Entry, Heading, levels
from services.documents.backends.reading.pdf.marks import depth, is_caption, mark


def heading(text: str, height: float = 12, *, page: int = 1, is_bold: bool = True) -> Heading:
    return Heading(text=text, page=page, height=height, is_bold=is_bold)


def test_the_largest_heading_at_the_start_is_the_title() -> None:
    assert levels([heading("A Paper", 18), heading("1 Aims"), heading("1.1 More", 10), heading("2 Ends")]) == [
        0,
        1,
        2,
        1,
    ]


def test_numbers_tell_the_level_where_the_type_does_not() -> None:
    assert levels([heading("1 A"), heading("1.1 B"), heading("1.1.1 C"), heading("2 D")]) == [1, 2, 3, 1]


def test_a_heading_without_number_has_the_level_of_its_type() -> None:
    assert levels([heading("Abstract"), heading("1 Aims"), heading("1.1 More", 10), heading("Notes", 10)]) == [
        1,
        1,
        2,
        2,
    ]


def test_larger_type_is_higher_where_there_are_no_numbers() -> None:
    found = levels([heading("A", 16), heading("b", 12), heading("c", 12, is_bold=False), heading("B", 16)])

    assert found == [1, 2, 3, 1]


def test_the_outline_is_believed_before_the_type() -> None:
    found = levels(
        [heading("One", 14), heading("Two", 14), heading("Three", 14)],
        [Entry("One", 1, 1), Entry("Two", 1, 2), Entry("Three", 0, 3)],
    )

    assert found == [1, 2, 3]


def test_the_first_heading_is_never_below_the_second() -> None:
    assert levels([heading("Report", 11), heading("Part", 14), heading("Part", 14)]) == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1 Aims", 1),
        ("1.2.3 More", 3),
        ("Chapter 4 Ends", 1),
        ("A. Notes", 1),
        ("IV. Four", 1),
        ("A thing", 0),
        ("I am", 0),
    ],
)
def test_numbers_of_headings(text: str, parts: int) -> None:
    assert depth(text) == parts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("• a", "•"),
        ("1. a", "1."),
        ("(b) c", "(b)"),
        ("iv) d", "iv)"),
        ("[12] e", "[12]"),
        ("– f", "–"),
        ("2.1. g", "2.1."),
    ],
)
def test_marks_of_items(text: str, found: str) -> None:
    read = mark(text)

    assert read is not None
    assert read.text == found


@pytest.mark.parametrize("text", ["well-known", "3.14 is pi", "-5 degrees", "Mr. Smith"])
def test_what_is_no_mark(text: str) -> None:
    assert mark(text) is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Figure 1: A", True),
        ("Table 2. B", True),
        ("Abb. 3 – C", True),
        ("شکل ۲: د", True),
        ("Table 2 shows that", False),
    ],
)
def test_captions_end_their_number(text: str, is_one: bool) -> None:
    assert is_caption(text, is_surely=True) is is_one
