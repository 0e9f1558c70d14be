"""The `ModelBackend` port: a loaded model that computes batches of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from services.models.models import ModelInfo, Tokens


class ModelBackend(Protocol):
    """A loaded model. Its methods block and may be called on several threads at once."""

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        ...

    @property
    def replicas(self) -> int:
        """How many batches it computes at once to use its device fully."""
        ...

    def prepare(self, batch: Sequence[Tokens]) -> Any:
        """The batch as `compute` takes it, for example padded arrays; costs no time of the device."""
        ...

    def compute(self, prepared: Any, *, alone: bool) -> npt.NDArray[np.float32]:
        """One result per item of the batch, in order: shape (items, ...), finite or not.

        Args:
            prepared: what `prepare` gave.
            alone: True when nothing else is computed at the moment, so that the batch may take the whole device.

        Raises:
            DeviceMemoryFull: a smaller batch may fit.
            DeviceLost: the process has to end.
        """
        ...

    def close(self) -> None:
        """Free the model's memory; nothing is computed after it."""
        ...
