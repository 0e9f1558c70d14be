"""Any sentence-transformers cross-encoder with one score per pair, on the device that the settings ask for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.devices.choice import choose
from services.common.devices.device_model import DeviceModel, load_parts
from services.common.devices.network import OpenPipeline, Pipeline
from services.common.models import Tokens, locate
from services.reranking.settings import RerankingModelSettings, RerankingSettings

OUTPUT = "scores"
"""Feature of the pipeline that holds the logits; its activation is left out."""


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
    opener = opener_of(model.id, folder)
    return CrossEncoderBackend(load_parts(settings, model, chosen, folder=folder, output=OUTPUT, open_pipeline=opener))


def opener_of(model_id: str, folder: Path) -> OpenPipeline:
    """What loads a model's files with torch, which is imported only when it does."""

    def open_pipeline(*, device: str, dtype: str) -> Pipeline:
        module = importlib.import_module("services.reranking.backends.pipeline")
        pipeline: Pipeline = module.open_pipeline(model_id, folder, device=device, dtype=dtype)
        return pipeline

    return open_pipeline
