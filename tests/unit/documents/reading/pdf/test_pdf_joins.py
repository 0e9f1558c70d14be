"""Rows to paragraphs: hyphens at the ends of lines."""

from __future__ import annotations

import pytest

from services.documents.backends.reading.pdf.joins import Words, ending


def joined(left: str, right: str, *others: str) -> str:
    return ending(left, right, Words([*others, left, right])) + right


@pytest.mark.parametrize(
    ("left", "right", "others", "whole"),
    [
        ("an impor-", "tant word", (), "an important word"),
        ("a self-", "driving car", ("self-driving is new",), "a self-driving car"),
        ("a re-", "use of it", ("reuse it",), "a reuse of it"),
        ("the North-", "South line", (), "the North-South line"),
        ("at X-", "rays here", (), "at X-rays here"),
        ("customer-", "paper pairs", ("a customer has a paper",), "customer-paper pairs"),
        ("ver\u00ad", "loren", (), "verloren"),
        ("Außen\u00ad-", "handel", (), "Außenhandel"),
        ("the end", "of it", (), "the end of it"),
        ("range 10-", "20 is", (), "range 10-20 is"),
        ("漢字", "仮名", (), "漢字仮名"),
    ],
)
def test_a_hyphen_goes_only_where_it_cuts_a_word(left: str, right: str, others: tuple[str, ...], whole: str) -> None:
    assert joined(left, right, *others) == whole
