"""A model on the device that its service's settings ask for: all of a backend but how it tokenises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.models.backends.network import Network
from services.models.backends.tokenizer import ModelTokenizer
from services.models.models import ModelInfo, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A loaded model in its parts."""

    info: ModelInfo
    network: Network
    tokenizer: ModelTokenizer
    folder: Path
    """Its files."""


class DeviceModel:
    """What `services.models.backend.ModelBackend` asks for; a service's backend adds `tokenize`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        return self._parts.info

    @property
    def replicas(self) -> int:
        """How many batches it computes at once to use its device fully."""
        return self._parts.network.replicas

    def prepare(self, batch: Sequence[Tokens]) -> Any:
        """The batch as `compute` takes it."""
        return self._parts.network.prepare(batch)

    def compute(self, prepared: Any, *, alone: bool) -> npt.NDArray[np.float32]:
        """What the model's own modules give for each item, shape (items, ...).

        Raises:
            DeviceMemoryFull, DeviceLost: see `Network`.
        """
        return self._parts.network.compute(prepared, alone=alone)

    def close(self) -> None:
        """Free the memory."""
        self._parts.network.close()
