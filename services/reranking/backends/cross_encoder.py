"""Any sentence-transformers cross-encoder with one score per pair, on the device that the settings ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from services.models.backends.device_model import DeviceModel
from services.models.backends.kind import Kind
from services.models.models import Tokens
from services.reranking.backends.judging import loss, sample


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
    graph="services.reranking.backends.graph",
    pipeline="services.reranking.backends.pipeline",
    output="scores",
    sample=sample,
    loss=loss,
    backend=lambda parts, _model: CrossEncoderBackend(parts),
)
