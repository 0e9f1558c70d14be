"""A deterministic embedding backend without weights: the same text always gives the same unit vector."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.common.errors import InvalidRequest
from services.common.models import ModelInfo, Tokens
from services.embedding.backends.base import Text

_MAX_TOKENS = 256
_VOCABULARY = 30_000


class FakeEmbeddingBackend:
    """Hashes words to token ids and token ids to vectors.

    Args:
        model_id: name that requests use.
        dimensions: length of a vector.
    """

    def __init__(self, *, model_id: str, dimensions: int = 384) -> None:
        self._model = ModelInfo(
            id=model_id,
            revision="fake",
            max_tokens=_MAX_TOKENS,
            dtype="float32",
            device="cpu",
            dimensions=dimensions,
            fake=True,
        )

    @property
    def model(self) -> ModelInfo:
        """What the fake claims to be."""
        return self._model

    def tokenize(self, inputs: Sequence[Text]) -> list[Tokens | InvalidRequest]:
        """One id per word; ids outside the vocabulary are refused."""
        return [self._tokens(text) for text in inputs]

    def embed(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(batch), dimensions)."""
        return np.stack([self._vector(tokens) for tokens in batch])

    def _tokens(self, text: Text) -> Tokens | InvalidRequest:
        ids = [_word_id(word) for word in text.split()] if isinstance(text, str) else list(text)
        if any(not 0 <= token < _VOCABULARY for token in ids):
            return InvalidRequest(f"a token id is outside the vocabulary; ids go from 0 to {_VOCABULARY - 1}")
        return Tokens(ids=tuple(ids[:_MAX_TOKENS]), truncated=len(ids) > _MAX_TOKENS)

    def _vector(self, tokens: Tokens) -> npt.NDArray[np.float32]:
        seed = int.from_bytes(hashlib.sha256(repr(tokens.ids).encode()).digest()[:8], "little")
        vector = np.random.default_rng(seed).standard_normal(self._model.dimensions, dtype=np.float32)
        unit: npt.NDArray[np.float32] = vector / np.linalg.norm(vector)
        return unit


def _word_id(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:4], "little") % _VOCABULARY
