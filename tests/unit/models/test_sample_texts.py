"""Texts to try a model on."""

from __future__ import annotations

from services.models.backends.sample_texts import sample_texts


def test_samples_are_varied_and_the_same_each_time() -> None:
    texts = sample_texts(200)

    words = sorted(len(text.split()) for text in texts)
    assert texts == sample_texts(200)
    assert sample_texts(200, seed=1)[-1] != texts[-1]
    assert len(set(texts)) > 190
    assert (words[0], words[-1] <= 300, words[150] > 2 * words[50]) == (1, True, True)
