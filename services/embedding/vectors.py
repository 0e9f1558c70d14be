"""Vectors as they leave the service: cut to fewer dimensions, in the number type that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]


class VectorType(Enum):
    """Element types."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    BINARY = "binary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A matrix as bytes."""

    data: bytes
    """Row after row, little-endian."""
    scales: tuple[float, ...] = ()
    """For int8 one factor per row: element times factor gives back the number."""


def cut(matrix: Matrix, dimensions: int) -> Matrix:
    """The first `dimensions` of each row, made unit length again (Matryoshka, arXiv:2205.13147)."""
    shorter = matrix[:, :dimensions]
    lengths = np.linalg.norm(shorter, axis=1, keepdims=True)
    result: Matrix = np.divide(shorter, lengths, out=np.zeros_like(shorter), where=lengths > 0)
    return result


def pack(matrix: Matrix, vector_type: VectorType) -> Packed:
    """The matrix in another number type.

    Args:
        matrix: shape (rows, dimensions).
        vector_type: `int8` scales each row so that its largest magnitude becomes 127; `binary` keeps the signs, eight
            to a byte, the first in the highest bit, and fills up each row to a whole byte.
    """
    if vector_type is VectorType.INT8:
        return _int8(matrix)
    if vector_type is VectorType.BINARY:
        return Packed(data=np.packbits(matrix > 0, axis=1).tobytes())
    return Packed(data=matrix.astype("<f4" if vector_type is VectorType.FLOAT32 else "<f2", copy=False).tobytes())


def _int8(matrix: Matrix) -> Packed:
    scales = np.abs(matrix).max(axis=1, initial=0.0) / 127
    divisors = np.where(scales > 0, scales, 1)[:, None]
    return Packed(data=np.rint(matrix / divisors).astype(np.int8).tobytes(), scales=tuple(scales.tolist()))
