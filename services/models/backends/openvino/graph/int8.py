"""Weights in eight bits, in the nodes that OpenVINO's CPU plugin takes for a compressed weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.models.backends.openvino.graph.problems import DamagedError
from services.models.backends.openvino.runtime import openvino

op = openvino.opset15

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_LEVELS = 255
_ROWS = 4096
"""At a time: a table of words is the larger half of many a model, and would be there three times over."""


def rounded_rows(weight: Floats) -> Any:
    """A matrix as uint8 with one scale and one zero point for each row: w = (q - zero) * scale.

    A row from -0.2 to 0.31 has scale 0.51 / 255 = 0.002 and zero 100; its 0.1 becomes 150.
    The range always holds 0, so that a zero stays one.

    Args:
        weight: shape (rows, columns).

    Raises:
        DamagedError: it holds numbers that are not finite.
    """
    parts = [_rounded(weight[start : start + _ROWS]) for start in range(0, len(weight), _ROWS)]
    levels, scale, zero = (np.concatenate(part) for part in zip(*parts, strict=True))
    return op.multiply(op.subtract(_unsigned(levels), _unsigned(zero)), op.constant(scale))


def _rounded(weight: Floats) -> tuple[Bytes, Floats, Bytes]:
    """Levels, scale and zero point of rows."""
    low = np.minimum(weight.min(axis=1, keepdims=True), 0)
    high = np.maximum(weight.max(axis=1, keepdims=True), 0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise DamagedError("the weights hold numbers that are not finite")
    scale = np.maximum(high / _LEVELS - low / _LEVELS, np.finfo(np.float32).tiny)
    zero = np.rint(-low / scale)
    levels = np.clip(np.rint(weight / scale) + zero, 0, _LEVELS)
    return levels.astype(np.uint8), scale, zero.astype(np.uint8)


def _unsigned(levels: Bytes) -> Any:
    return op.convert(op.constant(levels, shared_memory=True), "f32")
