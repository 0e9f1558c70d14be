"""A deterministic model without weights: all of a fake backend but how it tokenises and what it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.models.backends.fake.cost import FakeCost
from services.models.models import ModelInfo, Tokens


class FakeModel(ABC):
    """What `services.models.backend.ModelBackend` asks for.

    Args:
        model: what it claims to be.
        cost: time that a batch takes.
        replicas: batches at once.
    """

    def __init__(self, model: ModelInfo, *, cost: FakeCost, replicas: int) -> None:
        self._model = model
        self._cost = cost
        self._replicas = replicas

    @property
    def model(self) -> ModelInfo:
        """What the fake claims to be."""
        return self._model

    @property
    def replicas(self) -> int:
        """Batches at once."""
        return self._replicas

    def prepare(self, batch: Sequence[Tokens]) -> Sequence[Tokens]:
        """The batch itself."""
        return batch

    def compute(self, prepared: Sequence[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:  # noqa: ARG002 - the port's
        """One result per item, shape (items, ...); takes the time that it costs."""
        self._cost.spend(prepared)
        return np.array([self._result(tokens) for tokens in prepared], dtype=np.float32)

    def close(self) -> None:  # noqa: B027 - a fake has nothing to free
        """Nothing to free."""

    @abstractmethod
    def _result(self, tokens: Tokens) -> float | npt.NDArray[np.float32]:
        """What comes of one item, the same each time."""
