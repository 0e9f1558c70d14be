"""The `Network` port: a model's weights on a device, and what is known of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from services.models.models import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a model's own files say of its inputs and results."""

    max_tokens: int
    """Longest input, special tokens included."""
    dimensions: int
    """Length of a vector; 0 for models without vectors."""
    vocabulary: int
    """Number of token ids."""
    pad_id: int
    """Token that fills up a batch."""
    has_types: bool
    """True for a model that takes `token_type_ids`."""
    keeps_end: bool
    """True for a model that loses the beginning of a text that is too long."""


class Network(Protocol):
    """Computes batches; see `services.models.backend.ModelBackend`, of which these are a part."""

    @property
    def replicas(self) -> int:
        """How many batches it computes at once to use its device fully."""
        ...

    def prepare(self, batch: Sequence[Tokens]) -> Any:
        """The batch as `compute` takes it."""
        ...

    def compute(self, prepared: Any, *, alone: bool) -> npt.NDArray[np.float32]:
        """What the model gives for each item, shape (items, ...).

        Raises:
            DeviceMemoryFull: a smaller batch may fit.
            DeviceLost: the process has to end.
        """
        ...

    def close(self) -> None:
        """Free the memory; nothing is computed after it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A model as sentence-transformers loads it."""

    module: Any
    """Takes and gives a dictionary of features: a `torch.nn.Module` in evaluation mode."""
    tokenizer: Tokenizer
    facts: ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A model that is ready to compute."""

    network: Network
    tokenizer: Tokenizer
    facts: ModelFacts
    dtype: str
    """What it computes in."""
