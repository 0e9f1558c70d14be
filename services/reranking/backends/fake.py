"""A deterministic reranking backend without weights: the more of the query's words a document has, the better."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.common.models import ModelInfo, Tokens

_MAX_TOKENS = 512
_SEPARATOR = 0


class FakeRerankingBackend:
    """Scores by shared words.

    Args:
        model_id: name that requests use.
    """

    def __init__(self, *, model_id: str) -> None:
        self._model = ModelInfo(
            id=model_id, revision="fake", max_tokens=_MAX_TOKENS, dtype="float32", device="cpu", fake=True
        )

    @property
    def model(self) -> ModelInfo:
        """What the fake claims to be."""
        return self._model

    def tokenize(self, query: str, documents: Sequence[str]) -> list[Tokens]:
        """One id per word, a separator between query and document; what is too long loses the document's end."""
        head = [*_words(query)[: _MAX_TOKENS // 2], _SEPARATOR]
        return [_pair(head, _words(document)) for document in documents]

    def score(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        """From -4 for no word of the query to 4 for all of them; of equal ones the shorter document wins."""
        return np.array([_score(tokens) for tokens in batch], dtype=np.float32)


def _words(text: str) -> list[int]:
    """An id of 1 or more for each word, whatever its case."""
    digests = (hashlib.sha256(word.encode()).digest() for word in re.findall(r"\w+", text.lower()))
    return [1 + int.from_bytes(digest[:4], "little") for digest in digests]


def _pair(head: list[int], document: list[int]) -> Tokens:
    ids = [*head, *document]
    types = [0] * len(head) + [1] * len(document)
    return Tokens(ids=tuple(ids[:_MAX_TOKENS]), type_ids=tuple(types[:_MAX_TOKENS]), truncated=len(ids) > _MAX_TOKENS)


def _score(tokens: Tokens) -> float:
    split = tokens.ids.index(_SEPARATOR)
    query, document = set(tokens.ids[:split]), tokens.ids[split + 1 :]
    share = len(query.intersection(document)) / max(1, len(query))
    return 8 * share - 4 - len(document) / (1000 * _MAX_TOKENS)
