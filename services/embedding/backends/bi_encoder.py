"""Any sentence-transformers bi-encoder, on the device that the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.common.errors import InvalidRequest
from services.embedding.backends.base import InputType, Text
from services.embedding.backends.declared import read_declared
from services.embedding.backends.judging import loss, sample
from services.embedding.settings import EmbeddingModelSettings
from services.models.backends.device_model import DeviceModel, Parts
from services.models.backends.kind import Kind
from services.models.models import Tokens


class BiEncoder(DeviceModel):
    """An `EmbeddingBackend` of a loaded model.

    Args:
        parts: of the model.
        prompts: text before each input, by what the input is for.
    """

    def __init__(self, parts: Parts, prompts: Mapping[InputType, str]) -> None:
        super().__init__(parts)
        self._prompts = prompts

    def tokenize(self, inputs: Sequence[Text], input_type: InputType) -> list[Tokens | InvalidRequest]:
        """Each input as the model computes it, cut at its limit; token ids get no prompt."""
        return self._parts.tokenizer.texts(inputs, prompt=self._prompts[input_type])


def _backend(parts: Parts, model: EmbeddingModelSettings) -> BiEncoder:
    """With the prompts and the lengths that the model declares; StartupError when the settings' do not fit."""
    declared = read_declared(model, parts.folder, dimensions=parts.info.dimensions)
    info = replace(parts.info, matryoshka_dimensions=declared.matryoshka_dimensions)
    return BiEncoder(replace(parts, info=info), declared.prompts)


KIND = Kind(
    graph="services.embedding.backends.graph",
    pipeline="services.embedding.backends.pipeline",
    output="sentence_embedding",
    sample=sample,
    loss=loss,
    backend=_backend,
)
