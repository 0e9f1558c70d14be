"""How scores in another number type are judged."""

from __future__ import annotations

import numpy as np

from services.models.backends.kind import Loss, Results
from services.models.backends.sample_texts import sample_texts
from services.models.backends.tokenizer import ModelTokenizer
from services.models.models import Tokens

_MOST_LOSS = 0.01
"""Of a score between 0 and 1."""
_TIE = 0.01
"""Two raw scores that differ by less than this share of their span may change places: nearly equal ones do by chance.

The packaged MiniLM's differ by up to 0.005 of it where bfloat16 swaps them, on 240 samples as on 20 real questions.
"""
_QUERIES, _QUERY_WORDS = 4, 12


def sample(tokenizer: ModelTokenizer, count: int) -> list[Tokens]:
    """Each of four queries with some texts, of which the first four begin as the queries do."""
    documents = sample_texts(max(_QUERIES, -(-count // _QUERIES)), seed=2, has_edges=False)
    queries = [" ".join(text.split()[:_QUERY_WORDS]) for text in documents[:_QUERIES]]
    found = [tokenizer.pairs(query, documents, max_second_tokens=0, max_passages=1) for query in queries]
    return [pair for query in found for pairs in query for pair in pairs]


def loss(expected: Results, found: Results) -> Loss:
    """What raw scores of shape (pairs, 1) lose against those in float32."""
    raw = np.abs(expected - found)
    moved = np.abs(_probability(expected) - _probability(found))
    is_ordered = _keeps_order(expected.reshape(-1), found.reshape(-1))
    return Loss(
        is_small=is_ordered and bool(moved.max() < _MOST_LOSS),
        text=(
            f"scores move by {moved.max():.5f} at most, raw ones, which span {np.ptp(expected):.1f}, by "
            f"{raw.mean():.4f} in the mean, {raw.max():.4f} at most; the order {'stays' if is_ordered else 'changes'}"
        ),
    )


def _keeps_order(expected: Results, found: Results) -> bool:
    """Whether what is better by more than a tie still is; raw scores of shape (pairs,)."""
    is_better = expected[:, None] - expected > _TIE * np.ptp(expected)
    return not (is_better & (found[:, None] <= found)).any()


def _probability(scores: Results) -> Results:
    probability: Results = 0.5 * (1 + np.tanh(0.5 * scores))
    return probability
