"""Computing a batch so that an item that breaks it fails alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from services.common.errors import BackendFailed, DeviceLost, DeviceMemoryFull
from services.models.backend import ModelBackend
from services.models.batching.call import Outcome
from services.models.models import Tokens


class Bisection:
    """Computes; when that fails, halves until the guilty items stand alone.

    Args:
        backend: what computes.
        on_memory_full: told the padded tokens of a batch of several items for which the device had no memory.
    """

    def __init__(self, backend: ModelBackend, on_memory_full: Callable[[int], None]) -> None:
        self._backend = backend
        self._on_memory_full = on_memory_full

    def prepare(self, items: Sequence[Tokens]) -> Any | None:
        """The batch as the backend takes it; None when that failed, which `compute` then finds out."""
        try:
            return self._backend.prepare(items)
        except DeviceLost:
            raise
        except Exception:  # noqa: BLE001 - whatever it raises becomes its items' outcome
            return None

    def compute(self, items: Sequence[Tokens], prepared: Any | None, *, alone: bool) -> list[Outcome]:
        """One outcome per item, in order.

        Raises:
            DeviceLost: see `ModelBackend`.
        """
        try:
            ready = prepared if prepared is not None else self._backend.prepare(items)
            return _outcomes(self._backend.compute(ready, alone=alone), expected=len(items))
        except DeviceLost:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever the model raises becomes its items' outcome
            if len(items) == 1:
                return [_failure(exc)]
            if isinstance(exc, DeviceMemoryFull):
                self._on_memory_full(padded_tokens(items))
        half = len(items) // 2
        return [
            *self.compute(items[:half], None, alone=alone),
            *self.compute(items[half:], None, alone=alone),
        ]


def padded_tokens(items: Sequence[Tokens]) -> int:
    """Tokens that a batch computes when all items are padded to the longest."""
    return len(items) * max((len(item.ids) for item in items), default=0)


def _outcomes(array: Any, *, expected: int) -> list[Outcome]:
    """Rows as outcomes; a row that is not finite would spoil whatever it is compared with, so its item fails."""
    if len(array) != expected:
        raise RuntimeError(f"{expected} items gave {len(array)} results. This is a bug of the backend.")
    is_finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    return [row if finite else _not_finite() for row, finite in zip(array, is_finite, strict=True)]


def _not_finite() -> BackendFailed:
    return BackendFailed("the model gave no finite numbers for this item; its files may be damaged")


def _failure(cause: Exception) -> BackendFailed:
    if isinstance(cause, DeviceMemoryFull):
        failure = BackendFailed("the device has no memory for this item; send a shorter one")
    else:
        failure = BackendFailed("the model failed on this item; the log has the cause")
    failure.__cause__ = cause
    return failure
