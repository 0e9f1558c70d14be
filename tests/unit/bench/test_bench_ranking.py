from __future__ import annotations

import json
import random

import numpy as np
import pytest

from bench import ranking
from bench.held_out.pairs import TextPair
from bench.serving import Served

PAIRS = [TextPair(query=f"q{n}", passage=f"p{n}", group=f"group {n // 10}") for n in range(60)]


def comparison(bi_encoder: list[float], reranker: list[float]) -> ranking.Comparison:
    return ranking.Comparison(bi_encoder=np.asarray(bi_encoder), reranker=np.asarray(reranker))


def test_a_tie_with_the_right_passage_counts_against_it() -> None:
    scores = np.asarray([[2.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])

    assert ranking.reciprocal_ranks(scores).tolist() == pytest.approx([1, 1 / 2, 1 / 3])


def test_a_rank_below_ten_counts_as_not_found() -> None:
    tenth = np.asarray([[0.0, *[1.0] * 9, *[-1.0] * 10]])
    eleventh = np.asarray([[0.0, *[1.0] * 10, *[-1.0] * 9]])

    assert ranking.reciprocal_ranks(np.concatenate([tenth, eleventh])).tolist() == [1 / 10, 0]


def test_candidates_are_the_right_one_the_nearest_some_of_its_module_and_random_ones() -> None:
    similarities = np.linspace(0.0, 1.0, len(PAIRS))

    found = ranking.candidates(3, similarities, PAIRS, random.Random(0))

    assert len(found) == len(set(found)) == ranking.CANDIDATES
    assert found[0] == 3
    assert found[1:8] == [59, 58, 57, 56, 55, 54, 53]
    assert all(PAIRS[index].group == "group 0" for index in found[8:14])


def test_the_right_passage_is_no_wrong_one_however_near_it_is() -> None:
    similarities = np.zeros(len(PAIRS))
    similarities[3] = 1.0

    assert ranking.candidates(3, similarities, PAIRS, random.Random(0)).count(3) == 1


def test_a_gain_is_told_only_beyond_two_standard_errors() -> None:
    better = comparison([0.5] * 10, [1.0] * 9 + [0.9])
    worse = comparison([1.0] * 9 + [0.9], [0.5] * 10)
    alike = comparison([0.5] * 10, [1.0, 0.0] * 5)

    assert "ranks better than" in better.verdict
    assert "ranks worse than" in worse.verdict
    assert "cannot be told apart from" in alike.verdict
    assert alike.error == pytest.approx(np.std([0.5, -0.5] * 5, ddof=1) / 10**0.5)


def test_a_gateway_is_judged_by_the_scores_that_it_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def post(_url: str, body: bytes) -> object:
        request = json.loads(body)
        asked.append(request["model"])
        right = f"p{request['query'][1:]}"
        order = sorted(enumerate(request["documents"]), key=lambda one: one[1] != right)
        return {"results": [{"index": i, "relevance_score": float(text == right)} for i, text in order]}

    vectors = np.random.default_rng(0).normal(size=(len(PAIRS), 4)).astype(np.float32)
    monkeypatch.setattr(ranking, "post", post)
    monkeypatch.setattr(ranking, "sampled_pairs", lambda _seed: PAIRS)
    monkeypatch.setattr(ranking, "embed", lambda _served, texts: vectors[: len(texts)] * (-1 if "p0" in texts else 1))

    found = ranking.compare(Served(name="gateway", url="http://localhost"), "judge", seed=7)

    assert (found.reranker.mean(), len(found.reranker)) == (1.0, len(PAIRS))
    assert found.bi_encoder.mean() < 0.2
    assert set(asked) == {"judge"}
