"""A deterministic reranking backend without weights: the more of the query's words a document has, the better."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.models.backends.fake.cost import FREE, FakeCost
from services.models.backends.passages import covered, passages
from services.models.models import ModelInfo, Tokens
from services.reranking.settings import RerankingModelSettings, RerankingSettings

_MAX_TOKENS = 512
_SEPARATOR = 0


class FakeRerankingBackend:
    """Scores by shared words.

    Args:
        model_id: name that requests use.
        max_tokens: longest pair; 4 or more.
        cost: time that a batch takes.
        replicas: batches at once.
    """

    def __init__(
        self, *, model_id: str, max_tokens: int = _MAX_TOKENS, cost: FakeCost = FREE, replicas: int = 1
    ) -> None:
        self._cost = cost
        self._replicas = replicas
        self._model = ModelInfo(
            id=model_id, revision="fake", max_tokens=max(4, max_tokens), dtype="float32", device="cpu", fake=True
        )

    @property
    def model(self) -> ModelInfo:
        """What the fake claims to be."""
        return self._model

    @property
    def replicas(self) -> int:
        """Batches at once."""
        return self._replicas

    def tokenize(
        self, query: str, documents: Sequence[str], *, max_document_tokens: int, max_passages: int
    ) -> list[list[Tokens]]:
        """One id per word, a separator between query and passage."""
        words = _words(query)
        kept = words[: (self._model.max_tokens - 1) // 2]
        head, lost = [*kept, _SEPARATOR], len(words) - len(kept)
        return [self._pairs(head, lost, _words(document), max_document_tokens, max_passages) for document in documents]

    def prepare(self, batch: Sequence[Tokens]) -> Sequence[Tokens]:
        """The batch itself."""
        return batch

    def compute(self, prepared: Sequence[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:  # noqa: ARG002 - the port's
        """From -4 for no word of the query to 4 for all of them; of equal ones the shorter document wins."""
        self._cost.spend(prepared)
        return np.array([_score(tokens) for tokens in prepared], dtype=np.float32)

    def close(self) -> None:
        """Nothing to free."""

    def _pairs(
        self, head: list[int], lost: int, document: list[int], max_document_tokens: int, max_passages: int
    ) -> list[Tokens]:
        kept = document[: max_document_tokens or None]
        places = passages(len(kept), room=self._model.max_tokens - len(head), most=max_passages)
        dropped = lost + len(document) - covered(places)
        return [_pair(head, kept[place.start : place.stop], dropped if place == places[-1] else 0) for place in places]


def fake_of(settings: RerankingSettings, model: RerankingModelSettings) -> FakeRerankingBackend:
    """The fake in place of a model that the settings name."""
    return FakeRerankingBackend(
        model_id=model.id,
        max_tokens=model.max_tokens or _MAX_TOKENS,
        cost=FakeCost(token_us=settings.fake_token_us, batch_us=settings.fake_batch_us),
        replicas=settings.replicas or 1,
    )


def _words(text: str) -> list[int]:
    """An id of 1 or more for each word, whatever its case."""
    digests = (hashlib.sha256(word.encode()).digest() for word in re.findall(r"\w+", text.lower()))
    return [1 + int.from_bytes(digest[:4], "little") for digest in digests]


def _pair(head: list[int], document: list[int], dropped: int) -> Tokens:
    types = [0] * len(head) + [1] * len(document)
    return Tokens(ids=(*head, *document), type_ids=tuple(types), dropped=dropped)


def _score(tokens: Tokens) -> float:
    split = tokens.ids.index(_SEPARATOR)
    query, document = set(tokens.ids[:split]), tokens.ids[split + 1 :]
    share = len(query.intersection(document)) / max(1, len(query))
    return 8 * share - 4 - len(document) / (1000 * _MAX_TOKENS)
