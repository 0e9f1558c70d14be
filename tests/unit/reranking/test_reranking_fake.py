from __future__ import annotations

import pytest

from services.common.models import Tokens
from services.reranking.backends.fake import FakeRerankingBackend


@pytest.fixture
def fake() -> FakeRerankingBackend:
    return FakeRerankingBackend(model_id="fake")


def scores(fake: FakeRerankingBackend, query: str, *documents: str) -> list[float]:
    return [float(score) for score in fake.score(fake.tokenize(query, documents))]


def test_the_document_with_more_of_the_querys_words_wins(fake: FakeRerankingBackend) -> None:
    none, all_, some = scores(fake, "Who wrote Hamlet?", "Cats sleep.", "It was Shakespeare who WROTE Hamlet.", "who")

    assert all_ > some > none


def test_scores_do_not_depend_on_the_batch(fake: FakeRerankingBackend) -> None:
    together = scores(fake, "a b c", "a", "b c", "nothing")

    assert together == [scores(fake, "a b c", document)[0] for document in ("a", "b c", "nothing")]


def test_pairs_tell_their_two_texts_apart_and_count_their_tokens(fake: FakeRerankingBackend) -> None:
    (pair,) = fake.tokenize("two words", ["three more words"])

    assert len(pair.ids) == 6
    assert pair.type_ids == (0, 0, 0, 1, 1, 1)
    assert not pair.truncated


@pytest.mark.parametrize(("query", "document"), [("q", "word " * 600), ("word " * 600, "word " * 600)])
def test_a_pair_over_the_limit_is_cut_and_flagged(fake: FakeRerankingBackend, query: str, document: str) -> None:
    (pair,) = fake.tokenize(query, [document])

    assert pair.truncated
    assert len(pair.ids) == len(pair.type_ids) == fake.model.max_tokens
    assert fake.score([pair]).shape == (1,)


def test_every_input_has_a_finite_score(fake: FakeRerankingBackend) -> None:
    pairs: list[Tokens] = fake.tokenize("?!", ["", "...", "🦆"])

    assert [bool(abs(score) < 100) for score in fake.score(pairs)] == [True, True, True]
