from __future__ import annotations

from statistics import median

import pytest

from bench.texts import EQUAL_WORDS, LONGEST, SHORTEST, Texts
from bench.tokens import EMBEDDING_LIMIT, TokenCounter


def test_the_same_seed_gives_the_same_texts() -> None:
    first, second, other = (Texts(seed).lognormal(20) for seed in (5, 5, 6))

    assert first == second
    assert first != other


def test_no_text_of_a_run_comes_twice() -> None:
    texts = Texts(1)

    given = [*texts.lognormal(500), *texts.equal(100), *texts.passages(100), *texts.queries(100), *texts.lognormal(500)]

    assert len(set(given)) == len(given)


def test_no_text_comes_twice_where_chance_would_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.texts.vocabulary", lambda: (["this", "that"], ["ing"]))

    given = Texts(1).queries(500)

    assert len(set(given)) == 500


def test_lengths_are_log_normal_between_their_limits() -> None:
    words = [len(text.split()) for text in Texts(2).lognormal(3000)]

    assert min(words) == SHORTEST
    assert max(words) == LONGEST
    assert 45 <= median(words) <= 55
    assert 65 <= sum(words) / len(words) <= 76


def test_texts_of_the_equal_mix_have_64_tokens_each() -> None:
    texts = Texts(3).equal(50)

    assert {len(text.split()) for text in texts} == {EQUAL_WORDS}
    assert set(TokenCounter.of_embedding().texts(texts)) == {64}


def test_passages_have_about_64_tokens() -> None:
    counts = TokenCounter.of_embedding().texts(Texts(4).passages(200))

    assert 55 <= min(counts) < max(counts) <= 73
    assert sum(counts) / len(counts) == pytest.approx(64, abs=1.5)


def test_words_and_tokens_differ_as_usual() -> None:
    texts = Texts(5).lognormal(300)

    tokens = sum(TokenCounter.of_embedding().texts([text for text in texts if len(text.split()) < 150]))
    words = sum(len(text.split()) for text in texts if len(text.split()) < 150)

    assert 1.15 <= tokens / words <= 1.4


def test_tokens_are_counted_as_the_model_cuts_them() -> None:
    counter = TokenCounter.of_embedding()

    assert counter.texts(["word " * 1000]) == [EMBEDDING_LIMIT]
    assert counter.texts(["word", "word word"]) == [3, 4]
    assert counter.pairs("word", ["word word"]) == [6]


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_exactly_the_wanted_share_of_texts_repeats_an_earlier_one(share: float) -> None:
    texts = Texts(6)
    unique = texts.lognormal(1000)

    mixed = texts.with_duplicates(unique, share)

    seen: set[str] = set()
    repeats = 0
    for text in mixed:
        repeats += text in seen
        seen.add(text)
    assert repeats == share * 1000
    assert seen <= set(unique)
