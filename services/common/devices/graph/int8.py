"""Weights in eight bits, in the nodes that OpenVINO's CPU plugin takes for a compressed weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.common.devices.graph.problems import DamagedError
from services.common.devices.openvino_runtime import openvino

op = openvino.opset15

_LEVELS = 255


def rounded_rows(weight: npt.NDArray[np.float32]) -> Any:
    """A matrix as uint8 with one scale and one zero point for each row: w = (q - zero) * scale.

    A row from -0.2 to 0.31 has scale 0.51 / 255 = 0.002 and zero 100; its 0.1 becomes 150.
    The range always holds 0, so that a zero stays one.

    Args:
        weight: shape (rows, columns).

    Raises:
        DamagedError: it holds numbers that are not finite.
    """
    low = np.minimum(weight.min(axis=1, keepdims=True), 0)
    high = np.maximum(weight.max(axis=1, keepdims=True), 0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise DamagedError("the weights hold numbers that are not finite")
    scale = np.maximum((high - low) / _LEVELS, np.finfo(np.float32).tiny)
    zero = np.clip(np.rint(-low / scale), 0, _LEVELS)
    # One array of the weight's size beside it, not three.
    levels = weight / scale
    levels += zero
    np.clip(np.rint(levels, out=levels), 0, _LEVELS, out=levels)
    shifted = op.subtract(_unsigned(levels), _unsigned(zero))
    return op.multiply(shifted, op.constant(scale))


def _unsigned(levels: npt.NDArray[np.float32]) -> Any:
    return op.convert(op.constant(levels.astype(np.uint8), shared_memory=True), "f32")
