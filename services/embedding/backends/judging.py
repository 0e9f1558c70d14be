"""How vectors in another number type are judged."""

from __future__ import annotations

import numpy as np

from services.models.backends.kind import Loss, Results
from services.models.backends.sample_texts import sample_texts
from services.models.backends.tokenizer import ModelTokenizer
from services.models.models import Tokens

_MOST_LOSS = 1e-4
"""1 - cosine; texts that differ by a word are a hundred times as far apart."""


def sample(tokenizer: ModelTokenizer, count: int) -> list[Tokens]:
    """Varied texts."""
    return [tokens for tokens in tokenizer.texts(sample_texts(count)) if isinstance(tokens, Tokens)]


def loss(expected: Results, found: Results) -> Loss:
    """What vectors of shape (texts, dimensions) lose against those in float32: 1 - cosine."""
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    losses = 1 - (expected * found).sum(axis=1, dtype=np.float64) / lengths
    return Loss(
        is_small=bool(losses.max() < _MOST_LOSS),
        text=f"1 - cosine with float32 is {losses.mean():.6f} in the mean, {losses.max():.6f} at most",
    )
