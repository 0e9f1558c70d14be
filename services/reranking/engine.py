"""A query and documents to scores: tokenise the pairs, batch, compute, sort; each document keeps its own outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import accumulate

from services.common.caller import ANYONE, Caller
from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError, TooLarge
from services.common.reply import Timings
from services.models.batching.call import Result
from services.models.engine.engine import ModelEngine
from services.models.engine.lane import Computed, Lane
from services.models.engine.metrics import EngineMetrics
from services.models.models import Item, ModelInfo, Tokens
from services.reranking.backends.base import RerankingBackend
from services.reranking.settings import RerankingModelSettings, RerankingSettings

METRICS = EngineMetrics("reranking")


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
class Document:
    """What became of one document: of the pairs of the query with its passages."""

    pairs: Sequence[Item]
    """At least one."""
    shared: bool
    """Nothing was computed for it: the scores of all pairs were kept or came with equal ones."""
    shared_tokens: int
    """Tokens of the pairs that were not computed for it."""

    @property
    def error(self) -> RequestError | None:
        """Why it has no score."""
        return next((pair for pair in self.pairs if isinstance(pair, RequestError)), None)

    @property
    def tokens(self) -> int:
        """Tokens of all pairs."""
        return sum(len(pair.ids) for pair in self.pairs if isinstance(pair, Tokens))

    @property
    def dropped(self) -> int:
        """Tokens that were left out."""
        return sum(pair.dropped for pair in self.pairs if isinstance(pair, Tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranked:
    """What came of a request."""

    model: ModelInfo
    results: Sequence[Scored]
    """The best documents, best first; equal scores by index."""
    documents: Sequence[Document]
    """One per document, in the request's order."""
    timings: Timings


class RerankingEngine(ModelEngine[RerankingBackend, RerankingModelSettings]):
    """Cross-encoders behind their batchers. Enter it to load them; run `run` supervised while it serves.

    Args:
        settings: models, limits and budgets.
        load: makes the backend of a model; blocking, may raise StartupError.
    """

    def __init__(self, settings: RerankingSettings, load: Callable[[RerankingModelSettings], RerankingBackend]) -> None:
        super().__init__(settings, settings.models, load, METRICS)
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
        lane = self.lane(model)
        self._check(query.text, documents)
        sizes = [_size(document) for document in documents]
        checked = [self._check_size(size) for size in sizes]
        lengths: list[int] = []
        """Number of pairs of each document."""

        def make() -> list[Item]:
            pairs = self._pairs(lane, query, documents, checked)
            lengths.extend(map(len, pairs))
            return [pair for of_document in pairs for pair in of_document]

        with_query = [size + _size(query.text) for size, problem in zip(sizes, checked, strict=True) if problem is None]
        tokenized = await lane.tokenize(with_query, make, caller, deadline)
        computed = await lane.compute(tokenized.items, caller, deadline)
        spans = _spans(lengths)
        shared = frozenset(computed.shared)
        numbers: Sequence[Result] = computed.outcomes
        outcomes = [_document(computed, span, shared) for span in spans]
        scores = {
            index: max(float(numbers[at]) for at in span)
            for index, span in enumerate(spans)
            if outcomes[index].error is None
        }
        return Reranked(
            model=lane.model,
            results=_best(scores, query),
            documents=outcomes,
            timings=Timings(
                tokenize_us=tokenized.tokenize_us, queue_us=computed.queue_us, compute_us=computed.compute_us
            ),
        )

    def _pairs(
        self,
        lane: Lane[RerankingBackend],
        query: Query,
        documents: Sequence[str],
        checked: Sequence[InvalidRequest | None],
    ) -> list[Sequence[Item]]:
        """The pairs of each document as the model computes them; one that is wrong alone is its own error."""
        good = [document for document, problem in zip(documents, checked, strict=True) if problem is None]
        pairs = iter(
            lane.backend.tokenize(
                query.text,
                good,
                max_document_tokens=query.max_document_tokens,
                max_passages=query.max_passages or self._settings.max_passages,
            )
            if good
            else ()
        )
        return [[problem] if problem is not None else next(pairs) for problem in checked]

    def _check(self, query: str, documents: Sequence[str]) -> None:
        limits = self._settings
        if not query:
            raise InvalidRequest("query: it is empty; send what the documents should answer", param="query")
        if (size := _size(query)) > limits.max_query_bytes:
            raise TooLarge(f"query: {size} bytes; at most {limits.max_query_bytes}; shorten it", param="query")
        if not documents:
            raise InvalidRequest("documents: nothing to rank; send at least one", param="documents")
        if len(documents) > limits.max_documents:
            raise TooLarge(
                f"documents: {len(documents)} of them; at most {limits.max_documents} per request; send them in parts",
                param="documents",
            )

    def _check_size(self, size: int) -> InvalidRequest | None:
        if not size:
            return InvalidRequest("the document is empty; leave it out")
        if size > self._settings.max_document_bytes:
            return TooLarge(f"the document has {size} bytes; at most {self._settings.max_document_bytes}; split it")
        return None

    def _example(self, backend: RerankingBackend, words: int) -> Tokens:
        return backend.tokenize("warm", ["up " * words], max_document_tokens=0, max_passages=1)[0][0]


def probability(logit: float) -> float:
    """The sigmoid of a raw score, in 0..1; written with tanh because it overflows for no input."""
    return 0.5 * (1 + math.tanh(0.5 * logit))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _spans(lengths: Sequence[int]) -> list[range]:
    """Where the pairs of each document lie in one list of all."""
    return [range(end - length, end) for end, length in zip(accumulate(lengths), lengths, strict=True)]


def _document(computed: Computed, span: range, shared: Container[int]) -> Document:
    pairs = [computed.items[at] for at in span]
    kept = [pair for at, pair in zip(span, pairs, strict=True) if at in shared]
    return Document(
        pairs=pairs,
        shared=len(kept) == len(pairs),
        shared_tokens=sum(len(pair.ids) for pair in kept if isinstance(pair, Tokens)),
    )


def _best(scores: dict[int, float], query: Query) -> list[Scored]:
    ranked = sorted(scores, key=lambda index: (-scores[index], index))[: query.top_n or None]
    return [
        Scored(index=index, score=scores[index] if query.raw_scores else probability(scores[index])) for index in ranked
    ]
