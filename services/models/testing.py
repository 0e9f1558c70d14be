"""A model for tests of what is around models: doubles the first token of each item."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from services.models.models import ModelInfo, Tokens
from services.scheduler.work import Work


def work(value: int, length: int = 1, *, key: bytes | None = None) -> Work:
    """An item of `length` tokens whose result is twice `value`."""
    return Work(payload=Tokens(ids=(value, *([0] * (length - 1)))), cost=length, key=key)


class DoublingModel:
    """Remembers each batch, waits at `gate` while it is shut, fails on what is poisoned.

    Args:
        replicas: batches that it computes at once.
        on_compute: called with the padded tokens of each batch, for example to let time pass on a clock.
    """

    def __init__(self, *, replicas: int = 1, on_compute: Callable[[int], None] = lambda _tokens: None) -> None:
        self.replicas = replicas
        self.model = ModelInfo(id="doubling", revision="1", max_tokens=512, dtype="float32", device="cuda:0")
        self.batches: list[list[int]] = []
        self.padded: list[int] = []
        self.alone: list[bool] = []
        self.poisoned: set[int] = set()
        self.fatal: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.at_once = 0
        self.most_at_once = 0
        self._on_compute = on_compute
        self._lock = threading.Lock()

    def prepare(self, batch: Sequence[Tokens]) -> list[Tokens]:
        """The batch itself."""
        return list(batch)

    def compute(self, prepared: list[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:
        """Twice the first token of each item."""
        values = [tokens.ids[0] for tokens in prepared]
        with self._lock:
            self.batches.append(values)
            self.padded.append(len(prepared) * max(len(tokens.ids) for tokens in prepared))
            self.alone.append(alone)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.started.set()
        self.gate.wait(10)
        self._on_compute(self.padded[-1])
        with self._lock:
            self.at_once -= 1
        if self.fatal is not None:
            raise self.fatal
        if self.poisoned & set(values):
            raise ValueError("this must not reach a caller")
        return np.array([2 * value for value in values], dtype=np.float32)

    def close(self) -> None:
        """Nothing to free."""

    @property
    def computed(self) -> list[int]:
        """All items that were computed, in order."""
        return [value for batch in self.batches for value in batch]
