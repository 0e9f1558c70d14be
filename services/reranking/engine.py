"""A query and documents to scores: tokenise the pairs, batch, compute, sort; each document keeps its own outcome."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.common.deadline import Deadline
from services.common.engine import Item, ItemCounters, ModelEngine
from services.common.errors import BackendFailed, InvalidRequest, RequestError, TooLarge
from services.common.models import ModelInfo, Timings, Tokens
from services.reranking.backends.base import RerankingBackend
from services.reranking.settings import RerankingSettings

COUNTERS = ItemCounters("reranking")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One scored document."""

    index: int
    """Position in the request."""
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranked:
    """What came of a request."""

    model: ModelInfo
    results: Sequence[Scored]
    """The best documents, best first; equal scores by index."""
    items: Sequence[Item]
    """One per document: its pair with the query."""
    timings: Timings


class RerankingEngine(ModelEngine[RerankingBackend, np.float32]):
    """One cross-encoder behind a batcher. Enter it to load the model; run `run` supervised while it serves.

    Args:
        settings: limits and budgets.
        load: makes the backend; blocking, may raise StartupError.
    """

    def __init__(self, settings: RerankingSettings, load: Callable[[], RerankingBackend]) -> None:
        super().__init__(settings, load)
        self._settings = settings

    async def rerank(
        self,
        model: str,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int,
        raw_scores: bool,
        deadline: Deadline,
    ) -> Reranked:
        """Score every document.

        Args:
            model: a served model's id.
            query: what the documents may answer.
            documents: texts.
            top_n: number of results; 0 for all.
            raw_scores: the model's logits rather than probabilities.
            deadline: when the caller stops waiting.

        Raises:
            UnknownModel, InvalidRequest, TooLarge: the request is wrong as a whole.
            Overloaded, DeadlineExceeded: see `Batcher`.
        """
        info = self.find_model(model)
        self._check(query, documents)
        started_s = time.monotonic()
        items = await self._tokenize(query, documents)
        tokenize_us = round((time.monotonic() - started_s) * 1e6)
        computed = await self._run_items(items, deadline)
        scores: dict[int, float] = {}
        for index, outcome in enumerate(map(_number, computed.outcomes)):
            if isinstance(outcome, RequestError):
                items[index] = outcome
            else:
                scores[index] = outcome if raw_scores else probability(outcome)
        COUNTERS.count(info.id, items)
        return Reranked(
            model=info,
            results=_best(scores, top_n),
            items=items,
            timings=Timings(tokenize_us=tokenize_us, queue_us=computed.queue_us, compute_us=computed.compute_us),
        )

    async def _tokenize(self, query: str, documents: Sequence[str]) -> list[Item]:
        """Each pair as the model computes it; a document that is wrong alone is its own error."""
        checked = [self._check_document(document) for document in documents]
        good = [document for document, problem in zip(documents, checked, strict=True) if problem is None]
        tokens = iter(await asyncio.to_thread(self._backend.tokenize, query, good) if good else ())
        return [problem if problem is not None else next(tokens) for problem in checked]

    def _check(self, query: str, documents: Sequence[str]) -> None:
        limits = self._settings
        if not query:
            raise InvalidRequest("query: it is empty; send what the documents should answer", param="query")
        if (size := len(query.encode())) > limits.max_query_bytes:
            raise TooLarge(f"query: {size} bytes; at most {limits.max_query_bytes}; shorten it", param="query")
        if not documents:
            raise InvalidRequest("documents: nothing to rank; send at least one", param="documents")
        if len(documents) > limits.max_documents:
            raise TooLarge(
                f"documents: {len(documents)} of them; at most {limits.max_documents} per request; send them in parts",
                param="documents",
            )

    def _check_document(self, document: str) -> InvalidRequest | None:
        if not document:
            return InvalidRequest("the document is empty; leave it out")
        if (size := len(document.encode())) > self._settings.max_document_bytes:
            limit = self._settings.max_document_bytes
            return TooLarge(f"the document has {size} bytes; at most {limit}; split it")
        return None

    def _compute(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        return self._backend.score(batch)

    def _example(self) -> list[Tokens]:
        return self._backend.tokenize("warm", ["up"])


def probability(logit: float) -> float:
    """The sigmoid of a raw score, in 0..1; written with tanh because it overflows for no input."""
    return 0.5 * (1 + math.tanh(0.5 * logit))


def _number(outcome: np.float32 | RequestError) -> float | RequestError:
    """A plain number; a score that is none would break the order of all others, so its item fails."""
    if isinstance(outcome, RequestError):
        return outcome
    if not math.isfinite(outcome):
        return BackendFailed("the model gave no number for this item; its files may be damaged")
    return float(outcome)


def _best(scores: dict[int, float], top_n: int) -> list[Scored]:
    ranked = sorted(scores, key=lambda index: (-scores[index], index))
    return [Scored(index=index, score=scores[index]) for index in ranked[: top_n or None]]
