"""Texts to vectors: tokenise, batch, compute; each item keeps its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.common.caller import ANYONE, Caller
from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError, TooLarge
from services.embedding import vectors
from services.embedding.backends.base import EmbeddingBackend, InputType, Text
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.answer import Answer
from services.models.engine.engine import ModelEngine
from services.models.engine.inputs import Checked, check_each
from services.models.engine.loaded_model import LoadedModel
from services.models.models import Item, ModelInfo, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded(Answer):
    """What came of a request."""

    matrix: npt.NDArray[np.float32]
    """Shape (inputs, dimensions); zeros where the item failed."""


class EmbeddingEngine(ModelEngine[EmbeddingBackend, EmbeddingModelSettings]):
    """Models behind their batchers. Enter it to load them; run `run` supervised while it serves.

    Args:
        settings: models, limits and budgets.
        load: makes the backend of a model; blocking, may raise StartupError.
    """

    def __init__(self, settings: EmbeddingSettings, load: Callable[[EmbeddingModelSettings], EmbeddingBackend]) -> None:
        super().__init__(settings, settings.models, load)
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
        loaded = self.loaded(model)
        _check_dimensions(loaded.model, dimensions)
        checked, make = self._tokenizing(loaded, inputs, input_type)
        computed = await loaded.compute(checked, make, caller, deadline)
        matrix = np.zeros((len(inputs), loaded.model.dimensions), dtype="<f4")
        for index, outcome in enumerate(computed.outcomes):
            if not isinstance(outcome, RequestError):
                matrix[index] = outcome
        reused = (computed.items[at] for at in computed.reused)
        return Embedded(
            model=loaded.model,
            matrix=vectors.cut(matrix, dimensions) if dimensions not in {0, loaded.model.dimensions} else matrix,
            items=computed.items,
            reused=computed.reused,
            reused_tokens=sum(len(item.ids) for item in reused if isinstance(item, Tokens)),
            timings=computed.timings,
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
        loaded = self.loaded(model)
        checked, make = self._tokenizing(loaded, inputs, input_type)
        items = await loaded.tokenize(checked, make, caller, deadline)
        return [item if isinstance(item, RequestError) else item.payload for item in items]

    def _tokenizing(
        self, loaded: LoadedModel[EmbeddingBackend], inputs: Sequence[Text], input_type: InputType
    ) -> tuple[Checked[Text], Callable[[Checked[Text]], list[Item]]]:
        """The inputs, and what tokenises those that are right."""
        self._check_number(inputs)
        checked = check_each(inputs, what="text", most_bytes=self._settings.max_input_bytes)
        return checked, lambda some: some.map(lambda good: loaded.backend.tokenize(good, input_type))

    def _check_number(self, inputs: Sequence[Text]) -> None:
        if not inputs:
            raise InvalidRequest("input: nothing to embed; send at least one text", param="input")
        if len(inputs) > self._settings.max_inputs:
            raise TooLarge(
                f"input: {len(inputs)} texts; at most {self._settings.max_inputs} per request", param="input"
            )

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
