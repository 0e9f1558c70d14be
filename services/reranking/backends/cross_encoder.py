"""Any sentence-transformers cross-encoder with one score per pair, on the device that the settings ask for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.devices.choice import choose
from services.common.devices.device_model import DeviceModel, load_parts
from services.common.devices.network import OpenPipeline, Pipeline
from services.common.models import Tokens
from services.reranking.backends.source import find_model
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
    found = find_model(model)
    opener = opener_of(model.id, found.folder)
    parts = load_parts(settings, model, chosen, folder=found.folder, output=OUTPUT, open_pipeline=opener)
    return CrossEncoderBackend(replace(parts, info=replace(parts.info, development_only=found.development_only)))


def opener_of(model_id: str, folder: Path) -> OpenPipeline:
    """What loads a model's files with torch, which is imported only when it does."""

    def open_pipeline(*, device: str, dtype: str) -> Pipeline:
        module = importlib.import_module("services.reranking.backends.pipeline")
        pipeline: Pipeline = module.open_pipeline(model_id, folder, device=device, dtype=dtype)
        return pipeline

    return open_pipeline
