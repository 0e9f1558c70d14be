"""Items of seeded random token ids, and batches of them, for what is measured without a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.gpu.architectures import MAX_TOKENS
from services.models.models import Tokens

_FIRST, _LAST = 1_000, 30_000
"""Ids of whole words in BERT's vocabulary."""
_CLS, _SEP = 101, 102
_MU, _SIGMA, _SHORTEST = 4.1, 0.9, 6


def lognormal_lengths(count: int, *, seed: int = 0) -> list[int]:
    """Tokens of items whose lengths are spread as those of texts: half have fewer than 60, few have hundreds."""
    drawn = np.exp(np.random.default_rng(seed).normal(_MU, _SIGMA, count))
    return [int(length) for length in np.clip(np.rint(drawn), _SHORTEST, MAX_TOKENS)]


def random_items(lengths: Sequence[int], *, seed: int = 0) -> list[Tokens]:
    """One item per length, special tokens included."""
    random = np.random.default_rng(seed)
    return [
        Tokens(ids=(_CLS, *(int(token) for token in random.integers(_FIRST, _LAST, length - 2)), _SEP))
        for length in lengths
    ]


def by_length(items: Sequence[Tokens], *, budget: int) -> list[list[int]]:
    """Batches of neighbours in length, the longest first, as positions of their items.

    Args:
        items: in any order.
        budget: most tokens of a batch, padding included; an item that is longer is a batch of its own.
    """
    batches: list[list[int]] = []
    longest = 0
    for place in sorted(range(len(items)), key=lambda at: len(items[at].ids), reverse=True):
        if not batches or longest * (len(batches[-1]) + 1) > budget:
            batches.append([])
            longest = len(items[place].ids)
        batches[-1].append(place)
    return batches
