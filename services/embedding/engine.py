"""Texts to vectors: tokenise, batch, compute; each item keeps its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.common.caller import ANYONE, Caller
from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError, TooLarge
from services.common.reply import Timings
from services.embedding import vectors
from services.embedding.backends.base import EmbeddingBackend, InputType, Text
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.engine.engine import ModelEngine
from services.models.engine.lane import Lane, Tokenized
from services.models.engine.metrics import EngineMetrics
from services.models.models import Item, ModelInfo, Tokens

METRICS = EngineMetrics("embedding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What came of a request."""

    model: ModelInfo
    matrix: npt.NDArray[np.float32]
    """Shape (inputs, dimensions); zeros where the item failed."""
    items: Sequence[Item]
    """One per input."""
    shared: Sequence[int]
    """Positions that were not computed for this request, ascending."""
    timings: Timings


class EmbeddingEngine(ModelEngine[EmbeddingBackend, EmbeddingModelSettings]):
    """Models behind their batchers. Enter it to load them; run `run` supervised while it serves.

    Args:
        settings: models, limits and budgets.
        load: makes the backend of a model; blocking, may raise StartupError.
    """

    def __init__(self, settings: EmbeddingSettings, load: Callable[[EmbeddingModelSettings], EmbeddingBackend]) -> None:
        super().__init__(settings, settings.models, load, METRICS)
        self._settings = settings

    async def embed(
        self,
        model: str,
        inputs: Sequence[Text],
        *,
        deadline: Deadline,
        dimensions: int = 0,
        input_type: InputType = InputType.PLAIN,
        caller: Caller = ANYONE,
    ) -> Embedded:
        """Vectors of all inputs.

        Args:
            model: a served model's id.
            inputs: texts or token ids.
            deadline: when the caller stops waiting.
            dimensions: length of the vectors; 0 for the model's own.
            input_type: what the texts are for.
            caller: who asks.

        Raises:
            UnknownModel, InvalidRequest, TooLarge: the request is wrong as a whole.
            Overloaded, TooLarge, DeadlineTooShort, DeadlineExceeded, Unavailable: see `Batcher.submit`.
        """
        lane = self.lane(model)
        _check_dimensions(lane.model, dimensions)
        tokenized = await self._tokenize(lane, inputs, input_type, caller, deadline)
        computed = await lane.compute(tokenized.items, caller, deadline)
        matrix = np.zeros((len(inputs), lane.model.dimensions), dtype="<f4")
        for index, outcome in enumerate(computed.outcomes):
            if not isinstance(outcome, RequestError):
                matrix[index] = outcome
        return Embedded(
            model=lane.model,
            matrix=vectors.cut(matrix, dimensions) if dimensions not in {0, lane.model.dimensions} else matrix,
            items=computed.items,
            shared=computed.shared,
            timings=Timings(
                tokenize_us=tokenized.tokenize_us, queue_us=computed.queue_us, compute_us=computed.compute_us
            ),
        )

    async def tokenize(
        self,
        model: str,
        inputs: Sequence[Text],
        *,
        deadline: Deadline,
        input_type: InputType = InputType.PLAIN,
        caller: Caller = ANYONE,
    ) -> list[Item]:
        """Each input as the model computes it; an item that is wrong alone is its own error."""
        tokenized = await self._tokenize(self.lane(model), inputs, input_type, caller, deadline)
        return [item if isinstance(item, RequestError) else item.payload for item in tokenized.items]

    async def _tokenize(
        self,
        lane: Lane[EmbeddingBackend],
        inputs: Sequence[Text],
        input_type: InputType,
        caller: Caller,
        deadline: Deadline,
    ) -> Tokenized:
        self._check_number(inputs)
        sizes = [_size(text) for text in inputs]
        checked = [self._check_size(size) for size in sizes]
        good = [text for text, problem in zip(inputs, checked, strict=True) if problem is None]

        def make() -> list[Item]:
            tokens = iter(lane.backend.tokenize(good, input_type) if good else ())
            return [problem if problem is not None else next(tokens) for problem in checked]

        tokenized = [size for size, problem in zip(sizes, checked, strict=True) if problem is None]
        return await lane.tokenize(tokenized, make, caller, deadline)

    def _check_number(self, inputs: Sequence[Text]) -> None:
        if not inputs:
            raise InvalidRequest("input: nothing to embed; send at least one text", param="input")
        if len(inputs) > self._settings.max_inputs:
            raise TooLarge(
                f"input: {len(inputs)} texts; at most {self._settings.max_inputs} per request", param="input"
            )

    def _check_size(self, size: int) -> InvalidRequest | None:
        if not size:
            return InvalidRequest("the text is empty; leave it out")
        if size > self._settings.max_input_bytes:
            return TooLarge(f"the text has {size} bytes; at most {self._settings.max_input_bytes}; split it")
        return None

    def _example(self, backend: EmbeddingBackend, words: int) -> Tokens:
        (tokens,) = backend.tokenize(["warm " * words], InputType.PLAIN)
        if isinstance(tokens, RequestError):
            raise tokens
        return tokens


def _check_dimensions(info: ModelInfo, dimensions: int) -> None:
    declared = (info.dimensions, *info.matryoshka_dimensions)
    if dimensions and dimensions not in declared:
        choices = ", ".join(map(str, declared))
        hint = f"it has {choices}" if info.matryoshka_dimensions else f"it has {choices} and declares no others"
        raise InvalidRequest(f"dimensions {dimensions}: {info.id}: {hint}; leave it out", param="dimensions")


def _size(text: Text) -> int:
    """Bytes of UTF-8, or of token ids."""
    if not isinstance(text, str):
        return 4 * len(text)
    return len(text) if text.isascii() else len(text.encode())
