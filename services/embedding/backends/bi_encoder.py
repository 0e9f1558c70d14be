"""Any sentence-transformers bi-encoder, on the device that the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from services.common.errors import InvalidRequest
from services.embedding.backends.base import InputType, Text
from services.embedding.backends.declared import read_declared
from services.embedding.backends.judging import loss, sample
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.backends.choice import choose
from services.models.backends.device_model import DeviceModel, Parts, load_parts
from services.models.backends.kind import Built, Kind
from services.models.backends.openvino.graph.build import build_bi_encoder
from services.models.models import Tokens, locate


def _build(model_id: str, folder: Path, *, int8: bool, **options: str) -> Built:
    """See `Build`."""
    return build_bi_encoder(model_id, folder, int8=int8, **options)


KIND = Kind(
    build=_build,
    pipeline="services.embedding.backends.pipeline",
    output="sentence_embedding",
    sample=sample,
    loss=loss,
)


def kind_of(model: EmbeddingModelSettings) -> Kind:
    """The kind, with what the model's settings say of it."""
    return replace(KIND, options={"pooling": model.pooling})


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


def load(settings: EmbeddingSettings, model: EmbeddingModelSettings) -> BiEncoder:
    """Load a model.

    Raises:
        StartupError: the model or the device is not there, or the settings do not fit them.
    """
    chosen = choose(settings, model)
    folder = locate(model.source, wanted=model.revision)
    parts = load_parts(settings, model, chosen, folder=folder, kind=kind_of(model))
    declared = read_declared(model, folder, dimensions=parts.info.dimensions)
    info = replace(parts.info, matryoshka_dimensions=declared.matryoshka_dimensions)
    return BiEncoder(replace(parts, info=info), declared.prompts)
