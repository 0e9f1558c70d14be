"""The `RerankingBackend` port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.common.models import ModelInfo, Tokens


class RerankingBackend(Protocol):
    """A loaded model. Its methods block; `score` is called from one thread at a time, `tokenize` from any."""

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        ...

    def tokenize(self, query: str, documents: Sequence[str]) -> list[Tokens]:
        """The query joined with each document, as the model computes them."""
        ...

    def score(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        """One raw score (logit) per pair, shape (len(batch),); higher is more relevant."""
        ...
