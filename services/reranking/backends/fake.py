"""A deterministic reranking backend without weights: the more of the query's words a document has, the better."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from services.models.backends.fake.cost import FREE, FakeCost, cost_of
from services.models.backends.fake.model import FakeModel
from services.models.backends.passages import covered, passages
from services.models.models import ModelInfo, Tokens
from services.reranking.settings import RerankingModelSettings, RerankingSettings

_MAX_TOKENS = 512
_SEPARATOR = 0


class FakeRerankingBackend(FakeModel):
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
        limit = max(4, max_tokens)
        model = ModelInfo(id=model_id, revision="fake", max_tokens=limit, dtype="float32", device="cpu", fake=True)
        super().__init__(model, cost=cost, replicas=replicas)

    def tokenize(
        self, query: str, documents: Sequence[str], *, max_document_tokens: int, max_passages: int
    ) -> list[list[Tokens]]:
        """One id per word, a separator between query and passage."""
        words = _words(query)
        kept = words[: (self._model.max_tokens - 1) // 2]
        head, lost = [*kept, _SEPARATOR], len(words) - len(kept)
        return [self._pairs(head, lost, _words(document), max_document_tokens, max_passages) for document in documents]

    def _pairs(
        self, head: list[int], lost: int, document: list[int], max_document_tokens: int, max_passages: int
    ) -> list[Tokens]:
        kept = document[: max_document_tokens or None]
        places = passages(len(kept), room=self._model.max_tokens - len(head), most=max_passages)
        dropped = lost + len(document) - covered(places)
        return [_pair(head, kept[place.start : place.stop], dropped if place == places[-1] else 0) for place in places]

    def _result(self, tokens: Tokens) -> float:
        """From -4 for no word of the query to 4 for all of them; of equal ones the shorter document wins."""
        split = tokens.ids.index(_SEPARATOR)
        query, document = set(tokens.ids[:split]), tokens.ids[split + 1 :]
        share = len(query.intersection(document)) / max(1, len(query))
        return 8 * share - 4 - len(document) / (1000 * _MAX_TOKENS)


def fake_of(settings: RerankingSettings, model: RerankingModelSettings) -> FakeRerankingBackend:
    """The fake in place of a model that the settings name."""
    return FakeRerankingBackend(
        model_id=model.id,
        max_tokens=model.max_tokens or _MAX_TOKENS,
        cost=cost_of(settings),
        replicas=settings.replicas or 1,
    )


def _words(text: str) -> list[int]:
    """An id of 1 or more for each word, whatever its case."""
    digests = (hashlib.sha256(word.encode()).digest() for word in re.findall(r"\w+", text.lower()))
    return [1 + int.from_bytes(digest[:4], "little") for digest in digests]


def _pair(head: list[int], document: list[int], dropped: int) -> Tokens:
    types = [0] * len(head) + [1] * len(document)
    return Tokens(ids=(*head, *document), type_ids=tuple(types), dropped=dropped)
