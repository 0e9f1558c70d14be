"""How PDFs are compared with a reference."""

from __future__ import annotations

import pytest

from bench.pdf import in_order, recall, worst


@pytest.mark.parametrize(
    ("said", "score"), [("a b c d", 1.0), ("a b c", 0.75), ("b a c d", 0.5), ("a b c d e f g h", 0.5), ("", 0.0)]
)
def test_words_are_compared_in_order(said: str, score: float) -> None:
    assert in_order(said.split(), ["a", "b", "c", "d"]) == score


def test_words_that_are_cut_joined_or_turned_around_are_not_lost() -> None:
    assert recall("one word שלום lost", "on e words םולש") == 0.75


def test_the_worst_passage_is_the_longest_difference() -> None:
    assert worst(["a", "b", "c"], ["a", "x", "y", "z", "c", "d"]) == "ours: b | theirs: x y z"
