"""Any sentence-transformers cross-encoder with one score per pair, on the device that the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.errors import StartupError
from services.models.backends.device_model import DeviceModel
from services.models.backends.kind import Built, Kind
from services.models.backends.openvino.graph.build import build_cross_encoder
from services.models.models import Tokens
from services.reranking.backends.judging import loss, sample


def _build(model_id: str, folder: Path, *, int8: bool) -> Built:
    """See `Kind.build`; refuses models with several scores."""
    built = build_cross_encoder(model_id, folder, int8=int8)
    if built.labels != 1:
        raise StartupError(
            f"model {model_id}: {folder} gives {built.labels} scores per pair; a reranker gives one: use another"
        )
    return built


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


KIND = Kind(
    build=_build,
    pipeline="services.reranking.backends.pipeline",
    output="scores",
    sample=sample,
    loss=loss,
    backend=lambda parts, _model: CrossEncoderBackend(parts),
)
