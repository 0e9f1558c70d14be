"""Texts to vectors: tokenise, batch, compute; each item keeps its own outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.common.deadline import Deadline
from services.common.engine import Item, ItemCounters, ModelEngine
from services.common.errors import InvalidRequest, RequestError, TooLarge
from services.common.models import ModelInfo, Timings, Tokens
from services.embedding.backends.base import EmbeddingBackend, Text
from services.embedding.settings import EmbeddingSettings

COUNTERS = ItemCounters("embedding")

Row = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What came of a request."""

    model: ModelInfo
    matrix: npt.NDArray[np.float32]
    """Shape (inputs, dimensions); zeros where the item failed."""
    items: Sequence[Item]
    """One per input."""
    timings: Timings


class EmbeddingEngine(ModelEngine[EmbeddingBackend, Row]):
    """One model behind a batcher. Enter it to load the model; run `run` supervised while it serves.

    Args:
        settings: limits and budgets.
        load: makes the backend; blocking, may raise StartupError.
    """

    def __init__(self, settings: EmbeddingSettings, load: Callable[[], EmbeddingBackend]) -> None:
        super().__init__(settings, load)
        self._settings = settings

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
        computed = await self._run_items(items, deadline)
        matrix = np.zeros((len(items), info.dimensions), dtype="<f4")
        for index, outcome in enumerate(computed.outcomes):
            if isinstance(outcome, RequestError):
                items[index] = outcome
            else:
                matrix[index] = outcome
        COUNTERS.count(info.id, items)
        timings = Timings(tokenize_us=tokenize_us, queue_us=computed.queue_us, compute_us=computed.compute_us)
        return Embedded(model=info, matrix=matrix, items=items, timings=timings)

    async def tokenize(self, model: str, inputs: Sequence[Text]) -> list[Item]:
        """Each input as the model computes it; an item that is wrong alone is its own error."""
        self.find_model(model)
        self._check_number(inputs)
        checked = [self._check_item(text) for text in inputs]
        good = [text for text, problem in zip(inputs, checked, strict=True) if problem is None]
        tokens = iter(await asyncio.to_thread(self._backend.tokenize, good) if good else ())
        return [problem if problem is not None else next(tokens) for problem in checked]

    def _check(self, model: str, dimensions: int) -> ModelInfo:
        info = self.find_model(model)
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

    def _compute(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        return self._backend.embed(batch)

    def _example(self) -> list[Tokens]:
        return [item for item in self._backend.tokenize(["warm up"]) if isinstance(item, Tokens)]
