"""Texts to vectors: tokenise, batch, compute; each item keeps its own outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt
from prometheus_client import Counter

from services.common.batching.base import Backlog
from services.common.batching.fifo import FifoBatcher
from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError, TooLarge, UnknownModel
from services.common.models import ModelInfo, Tokens
from services.common.telemetry.logs import get_logger
from services.embedding.backends.base import EmbeddingBackend, Text
from services.embedding.settings import EmbeddingSettings

TOKENS = Counter("isolane_embedding_tokens_total", "Tokens computed, after truncation.", ["model"])
ITEMS = Counter("isolane_embedding_items_total", "Inputs by outcome.", ["model", "outcome"])

Row = npt.NDArray[np.float32]

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What came of a request."""

    model: ModelInfo
    matrix: npt.NDArray[np.float32]
    """Shape (inputs, dimensions); zeros where the item failed."""
    items: Sequence[Tokens | RequestError]
    """One per input."""
    tokenize_us: int
    queue_us: int
    compute_us: int


class EmbeddingEngine:
    """One model behind a batcher. Enter it to load the model; run `run` supervised while it serves.

    Args:
        settings: limits and budgets.
        load: makes the backend; blocking, may raise StartupError.
    """

    def __init__(self, settings: EmbeddingSettings, load: Callable[[], EmbeddingBackend]) -> None:
        self._settings = settings
        self._load = load
        self._backend: EmbeddingBackend
        self._batcher: FifoBatcher[Tokens, Row]

    async def __aenter__(self) -> EmbeddingEngine:
        """Load the model and compute once, so that the first request is as fast as the second."""
        self._backend = await asyncio.to_thread(self._load)
        self._batcher = FifoBatcher(
            self._backend.embed,
            cost=lambda tokens: len(tokens.ids),
            max_batch_cost=self._settings.max_batch_tokens,
            max_queued_cost=self._settings.max_queued_tokens,
        )
        await asyncio.to_thread(self._warm_up)
        log.info("model_loaded", **_describe(self._backend.model))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to free: the process ends with its model."""

    async def run(self) -> None:
        """Compute batches until cancelled."""
        await self._batcher.run()

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models served here, the default first."""
        return (self._backend.model,)

    def backlog(self) -> Backlog:
        """Work that is waiting."""
        return self._batcher.backlog()

    async def embed(self, model: str, inputs: Sequence[Text], dimensions: int, deadline: Deadline) -> Embedded:
        """Vectors of all inputs.

        Args:
            model: a served model's id.
            inputs: texts or token ids.
            dimensions: length of the vectors; 0 for the model's own.
            deadline: when the caller stops waiting.

        Raises:
            UnknownModel, InvalidRequest, TooLarge: the request is wrong as a whole.
            Overloaded, DeadlineExceeded: see `Batcher`.
        """
        info = self._check(model, dimensions)
        started_s = time.monotonic()
        items = await self.tokenize(model, inputs)
        tokenize_us = round((time.monotonic() - started_s) * 1e6)
        wanted = [index for index, item in enumerate(items) if isinstance(item, Tokens)]
        batched = await self._batcher.submit([item for item in items if isinstance(item, Tokens)], deadline)
        matrix = np.zeros((len(items), info.dimensions), dtype="<f4")
        for index, result in zip(wanted, batched.results, strict=True):
            if isinstance(result, RequestError):
                items[index] = result
            else:
                matrix[index] = result
        _count(info.id, items)
        return Embedded(
            model=info,
            matrix=matrix,
            items=items,
            tokenize_us=tokenize_us,
            queue_us=batched.queue_us,
            compute_us=batched.compute_us,
        )

    async def tokenize(self, model: str, inputs: Sequence[Text]) -> list[Tokens | RequestError]:
        """Each input as the model computes it; an item that is wrong alone is its own error."""
        self._check(model, 0)
        self._check_number(inputs)
        checked = [self._check_item(text) for text in inputs]
        good = [text for text, problem in zip(inputs, checked, strict=True) if problem is None]
        tokens = iter(await asyncio.to_thread(self._backend.tokenize, good) if good else ())
        return [problem if problem is not None else next(tokens) for problem in checked]

    def _check(self, model: str, dimensions: int) -> ModelInfo:
        info = self._backend.model
        if model != info.id:
            raise UnknownModel(f"model {model!r} is not served here; use {info.id!r}", param="model")
        if dimensions not in {0, info.dimensions}:
            raise InvalidRequest(
                f"dimensions {dimensions}: {info.id} has {info.dimensions} and declares no others; leave it out",
                param="dimensions",
            )
        return info

    def _check_number(self, inputs: Sequence[Text]) -> None:
        if not inputs:
            raise InvalidRequest("input: nothing to embed; send at least one text", param="input")
        if len(inputs) > self._settings.max_inputs:
            raise TooLarge(
                f"input: {len(inputs)} texts; at most {self._settings.max_inputs} per request", param="input"
            )

    def _check_item(self, text: Text) -> InvalidRequest | None:
        if not text:
            return InvalidRequest("the text is empty; leave it out")
        size = len(text.encode()) if isinstance(text, str) else 4 * len(text)
        if size > self._settings.max_input_bytes:
            return TooLarge(f"the text has {size} bytes; at most {self._settings.max_input_bytes}; split it")
        return None

    def _warm_up(self) -> None:
        tokens = [item for item in self._backend.tokenize(["warm up"]) if isinstance(item, Tokens)]
        self._backend.embed(tokens)


def _count(model: str, items: Sequence[Tokens | RequestError]) -> None:
    for item in items:
        ITEMS.labels(model, "ok" if isinstance(item, Tokens) else item.code).inc()
    TOKENS.labels(model).inc(sum(len(item.ids) for item in items if isinstance(item, Tokens)))


def _describe(info: ModelInfo) -> dict[str, str | int]:
    return {"model": info.id, "revision": info.revision, "device": info.device, "max_tokens": info.max_tokens}
