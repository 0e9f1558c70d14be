"""How many tokens a model computes of a text: cut at the model's limit, special tokens included, without padding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from bench.texts import MODEL_SOURCE
from services.models.models import locate

EMBEDDING_LIMIT = 256
"""Tokens that MiniLM computes of a text."""


class TokenCounter:
    """Counts with a model's own tokenizer.

    Args:
        folder: of the model.
        limit: longest input, special tokens included.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(limit)

    @classmethod
    def of_embedding(cls) -> TokenCounter:
        """Of the embedding model that all engines compute with."""
        return cls(locate(MODEL_SOURCE), EMBEDDING_LIMIT)

    def texts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        return [len(encoding) for encoding in self._tokenizer.encode_batch(list(texts))]

    def pairs(self, query: str, passages: Sequence[str]) -> list[int]:
        """Tokens of each pair."""
        return [len(encoding) for encoding in self._tokenizer.encode_batch([(query, text) for text in passages])]
