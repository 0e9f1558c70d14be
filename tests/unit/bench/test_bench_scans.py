"""Scans that are made: the same ones each time, and a score that counts words."""

from __future__ import annotations

from itertools import islice

from bench.scans.samples import samples
from bench.scans.scoring import distance, score


def test_the_same_seed_makes_the_same_scans() -> None:
    [first], [second] = (list(islice(samples(7), 1)) for _ in range(2))

    assert (first.name, first.pdf, first.words) == (second.name, second.pdf, second.words)
    assert len(first.words) > 100


def test_distance_counts_words_changed_left_out_and_put_in() -> None:
    assert distance(["a", "b", "c", "d"], ["a", "x", "c", "d"]) == 1
    assert distance(["a", "b", "c", "d"], ["a", "c", "d"]) == 1
    assert distance(["a", "b", "c", "d"], ["a", "b", "new", "c", "d"]) == 1
    assert distance([], ["a"]) == 1
    assert distance(["a"], []) == 1


def test_score_shows_the_worst_stretch() -> None:
    found = score(["one", "two", "three", "four", "five"], ["one", "2", "three", "iv", "v"])

    assert (found.errors, found.error) == (3, 0.6)
    assert found.worst == "four five -> iv v"
