"""The `EmbeddingBackend` port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.common.errors import InvalidRequest
from services.common.models import ModelInfo, Tokens

Text = str | Sequence[int]
"""One input: text, or token ids of the model's own vocabulary."""


class EmbeddingBackend(Protocol):
    """A loaded model. Its methods block; `embed` is called from one thread at a time, `tokenize` from any."""

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        ...

    def tokenize(self, inputs: Sequence[Text]) -> list[Tokens | InvalidRequest]:
        """Each input as the model computes it, or why it cannot be one."""
        ...

    def embed(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        """One vector per input, shape (len(batch), dimensions), as the model's own pipeline gives it."""
        ...
