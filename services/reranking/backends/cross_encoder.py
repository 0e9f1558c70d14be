"""Any sentence-transformers cross-encoder with one score per pair, on the device that the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.errors import StartupError
from services.models.backends.choice import choose
from services.models.backends.device_model import DeviceModel, load_parts
from services.models.backends.kind import Built, Kind
from services.models.backends.openvino.graph.build import build_cross_encoder
from services.models.models import Tokens, locate
from services.reranking.backends.judging import loss, sample
from services.reranking.settings import RerankingModelSettings, RerankingSettings


def _build(model_id: str, folder: Path, *, int8: bool, **_options: str) -> Built:
    """See `Build`; refuses models with several scores."""
    built = build_cross_encoder(model_id, folder, int8=int8)
    if built.labels != 1:
        raise StartupError(
            f"model {model_id}: {folder} gives {built.labels} scores per pair; a reranker gives one: use another"
        )
    return built


KIND = Kind(
    build=_build,
    pipeline="services.reranking.backends.pipeline",
    output="scores",
    sample=sample,
    loss=loss,
)


class CrossEncoderBackend(DeviceModel):
    """A `RerankingBackend` of a loaded model."""

    def tokenize(
        self, query: str, documents: Sequence[str], *, max_document_tokens: int, max_passages: int
    ) -> list[list[Tokens]]:
        """Pairs of the query with the passages of each document."""
        return self._parts.tokenizer.pairs(
            query, documents, max_second_tokens=max_document_tokens, max_passages=max_passages
        )

    def compute(self, prepared: Any, *, alone: bool) -> npt.NDArray[np.float32]:
        """One logit per pair, shape (items,).

        Raises:
            DeviceMemoryFull, DeviceLost: see `Network`.
        """
        return super().compute(prepared, alone=alone).reshape(-1)


def load(settings: RerankingSettings, model: RerankingModelSettings) -> CrossEncoderBackend:
    """Load a model.

    Raises:
        StartupError: the model or the device is not there, or the settings do not fit them.
    """
    chosen = choose(settings, model)
    folder = locate(model.source, wanted=model.revision)
    return CrossEncoderBackend(load_parts(settings, model, chosen, folder=folder, kind=KIND))
