"""A query and documents to scores: tokenise the pairs, batch, compute, sort; each document keeps its own outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain

from services.common.caller import ANYONE, Caller
from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError, TooLarge
from services.models.answer import Answer
from services.models.batching.call import Result
from services.models.engine.engine import ModelEngine
from services.models.engine.inputs import Checked, byte_size, check_each
from services.models.engine.loaded_model import LoadedModel
from services.models.models import Item, Tokens
from services.reranking.backends.base import RerankingBackend
from services.reranking.settings import RerankingModelSettings, RerankingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked."""

    text: str
    top_n: int = 0
    """Number of results; 0 for all."""
    raw_scores: bool = False
    """The model's logits rather than probabilities."""
    max_document_tokens: int = 0
    """Cut each document to so many tokens; 0 for no limit."""
    max_passages: int = 0
    """Most passages of a document; 0 for the number in the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One scored document."""

    index: int
    """Position in the request."""
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranked(Answer):
    """What came of a request; an item is all pairs of the query with the passages of a document."""

    results: Sequence[Scored]
    """The best documents, best first; equal scores by index."""


class RerankingEngine(ModelEngine[RerankingBackend, RerankingModelSettings]):
    """Cross-encoders behind their batchers. Enter it to load them; run `run` supervised while it serves.

    Args:
        settings: models, limits and budgets.
        load: makes the backend of a model; blocking, may raise StartupError.
    """

    def __init__(self, settings: RerankingSettings, load: Callable[[RerankingModelSettings], RerankingBackend]) -> None:
        super().__init__(settings, settings.models, load)
        self._settings = settings

    async def rerank(
        self, model: str, query: Query, documents: Sequence[str], *, deadline: Deadline, caller: Caller = ANYONE
    ) -> Reranked:
        """Score every document: by its best passage, where it is too long for one pair with the query.

        Args:
            model: a served model's id.
            query: what the documents may answer.
            documents: texts.
            deadline: when the caller stops waiting.
            caller: who asks.

        Raises:
            UnknownModel, InvalidRequest, TooLarge: the request is wrong as a whole.
            Overloaded, TooLarge, DeadlineTooShort, DeadlineExceeded, Unavailable: see `Batcher.submit`.
        """
        loaded = self.loaded(model)
        self._check(query.text, documents)
        checked = check_each(documents, what="document", most_bytes=self._settings.max_document_bytes)
        query_bytes = byte_size(query.text)
        checked = replace(checked, sizes=[size + query_bytes for size in checked.sizes])  # of the pairs
        lengths: list[int] = []
        """Number of pairs of each document."""

        def make(some: Checked[str]) -> list[Item]:
            pairs = self._pairs(loaded, query, some)
            lengths[:] = map(len, pairs)
            return list(chain.from_iterable(pairs))

        computed = await loaded.compute(checked, make, caller, deadline)
        spans = _spans(lengths)
        items = [_whole([computed.items[at] for at in span]) for span in spans]
        good = {index: span for index, span in enumerate(spans) if isinstance(items[index], Tokens)}
        numbers: Sequence[Result] = computed.outcomes
        scores = {index: max(float(numbers[at]) for at in span) for index, span in good.items()}
        reused = frozenset(computed.reused)
        return Reranked(
            model=loaded.model,
            results=_best(scores, query),
            items=items,
            reused=[index for index, span in good.items() if reused.issuperset(span)],
            reused_tokens=sum(_length(computed.items[at]) for span in good.values() for at in span if at in reused),
            timings=computed.timings,
        )

    def _pairs(
        self, loaded: LoadedModel[RerankingBackend], query: Query, checked: Checked[str]
    ) -> list[Sequence[Item]]:
        """The pairs of each document as the model computes them; one that is wrong alone is its own error."""
        pairs = checked.map(
            lambda good: loaded.backend.tokenize(
                query.text,
                good,
                max_document_tokens=query.max_document_tokens,
                max_passages=query.max_passages or self._settings.max_passages,
            )
        )
        return [[one] if isinstance(one, RequestError) else one for one in pairs]

    def _check(self, query: str, documents: Sequence[str]) -> None:
        limits = self._settings
        if not query:
            raise InvalidRequest("query: it is empty; send what the documents should answer", param="query")
        if (size := byte_size(query)) > limits.max_query_bytes:
            raise TooLarge(f"query: {size} bytes; at most {limits.max_query_bytes}; shorten it", param="query")
        if not documents:
            raise InvalidRequest("documents: nothing to rank; send at least one", param="documents")
        if len(documents) > limits.max_documents:
            raise TooLarge(
                f"documents: {len(documents)} of them; at most {limits.max_documents} per request; send them in parts",
                param="documents",
            )

    def _example(self, backend: RerankingBackend, words: int) -> Tokens:
        return backend.tokenize("warm", ["up " * words], max_document_tokens=0, max_passages=1)[0][0]


def probability(logit: float) -> float:
    """The sigmoid of a raw score, in 0..1; written with tanh because it overflows for no input."""
    return 0.5 * (1 + math.tanh(0.5 * logit))


def _spans(lengths: Sequence[int]) -> list[range]:
    """Where the pairs of each document lie in one list of all."""
    return [range(end - length, end) for end, length in zip(accumulate(lengths), lengths, strict=True)]


def _whole(pairs: Sequence[Item]) -> Item:
    """All pairs of a document as one item; it fails with the first that does."""
    if len(pairs) == 1:
        return pairs[0]
    good = [pair for pair in pairs if isinstance(pair, Tokens)]
    if len(good) < len(pairs):
        return next(pair for pair in pairs if isinstance(pair, RequestError))
    ids = tuple(chain.from_iterable(pair.ids for pair in good))
    return Tokens(ids=ids, dropped=sum(pair.dropped for pair in good))


def _length(item: Item) -> int:
    return len(item.ids) if isinstance(item, Tokens) else 0


def _best(scores: dict[int, float], query: Query) -> list[Scored]:
    ranked = sorted(scores, key=lambda index: (-scores[index], index))[: query.top_n or None]
    return [
        Scored(index=index, score=scores[index] if query.raw_scores else probability(scores[index])) for index in ranked
    ]
