from __future__ import annotations

import pytest

from services.models.models import Tokens
from services.reranking.app import TASK
from services.reranking.backends.fake import FakeRerankingBackend
from services.reranking.settings import RerankingModelSettings, RerankingSettings


@pytest.fixture
def fake() -> FakeRerankingBackend:
    return FakeRerankingBackend(model_id="fake")


def pairs(fake: FakeRerankingBackend, query: str, *documents: str, most: int = 1) -> list[Tokens]:
    found = fake.tokenize(query, documents, max_document_tokens=0, max_passages=most)
    return [pair for document in found for pair in document]


def scores(fake: FakeRerankingBackend, query: str, *documents: str) -> list[float]:
    return [float(score) for score in fake.compute(pairs(fake, query, *documents), alone=True)]


def test_the_document_with_more_of_the_querys_words_wins(fake: FakeRerankingBackend) -> None:
    none, all_, some = scores(fake, "Who wrote Hamlet?", "Cats sleep.", "It was Shakespeare who WROTE Hamlet.", "who")

    assert all_ > some > none


def test_scores_do_not_depend_on_the_batch(fake: FakeRerankingBackend) -> None:
    together = scores(fake, "a b c", "a", "b c", "nothing")

    assert together == [scores(fake, "a b c", document)[0] for document in ("a", "b c", "nothing")]


def test_pairs_tell_their_two_texts_apart_and_count_their_tokens(fake: FakeRerankingBackend) -> None:
    (pair,) = pairs(fake, "two words", "three more words")

    assert len(pair.ids) == 6
    assert pair.type_ids == (0, 0, 0, 1, 1, 1)
    assert not pair.truncated


@pytest.mark.parametrize(("query", "document"), [("q", "word " * 600), ("word " * 600, "word " * 600)])
def test_a_pair_over_the_limit_is_cut_and_flagged(fake: FakeRerankingBackend, query: str, document: str) -> None:
    (pair,) = pairs(fake, query, document)

    assert pair.truncated
    assert len(pair.ids) == len(pair.type_ids) == fake.model.max_tokens
    assert fake.compute([pair], alone=True).shape == (1,)


def test_every_input_has_a_finite_score(fake: FakeRerankingBackend) -> None:
    assert [bool(abs(score) < 100) for score in scores(fake, "?!", "", "...", "🦆")] == [True, True, True]


def test_the_passage_with_the_querys_words_scores_best(fake: FakeRerankingBackend) -> None:
    found = pairs(fake, "needle", "hay " * 900 + "needle", most=5)

    best = int(fake.compute(found, alone=True).argmax())
    assert (len(found), best) == (2, 1)


def test_a_batch_takes_the_time_that_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("services.models.backends.fake.cost.time.sleep", slept.append)
    settings = RerankingSettings(backend="fake", fake_token_us=10, fake_batch_us=1000, replicas=3)
    fake = TASK.load(settings, RerankingModelSettings(id="slow", source="path:/none", max_tokens=16))

    fake.compute([Tokens(ids=(1, 0, 2)), Tokens(ids=(1, 0, 2, 3))], alone=True)

    assert slept == [pytest.approx((1000 + 2 * 4 * 10) / 1e6)]
    assert (fake.replicas, fake.model.max_tokens) == (3, 16)
