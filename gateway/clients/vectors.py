"""A matrix of vectors as it comes over the wire, read without numpy."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

Dtype = Literal["float32", "float16", "int8", "binary"]
"""Number type of vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How a number type lies in memory, little-endian."""

    letter: str
    """Of one number, as the module struct names it; binary is read by whole bytes."""
    bits: int
    """Of one dimension."""
    ordinary: bytes = b""
    """Last bytes of numbers that are finite for certain; empty where all are."""


def _without(*exceptional: int) -> bytes:
    return bytes(byte for byte in range(256) if byte & 0x7F not in exceptional)


_LAYOUTS: Mapping[Dtype, _Layout] = MappingProxyType(
    {
        "float32": _Layout(letter="f", bits=32, ordinary=_without(0x7F)),
        "float16": _Layout(letter="e", bits=16, ordinary=_without(0x7C, 0x7D, 0x7E, 0x7F)),
        "int8": _Layout(letter="b", bits=8),
        "binary": _Layout(letter="B", bits=1),
    }
)


class Vectors(Struct, frozen=True, kw_only=True):
    """One vector a row, row after row without padding."""

    data: bytes
    """Little-endian; of binary vectors each row ends with a whole byte."""
    dtype: Dtype
    rows: int
    dimensions: int
    scales: Sequence[float] = ()
    """Of int8 one factor per row: a number times its factor gives back the element."""

    @property
    def row_bytes(self) -> int:
        """Length of a row."""
        return (self.dimensions * _LAYOUTS[self.dtype].bits + 7) // 8

    def numbers(self, row: int) -> tuple[float, ...]:
        """One vector as numbers: of int8 whole ones, of binary the bytes that hold its bits, as 0 to 255."""
        layout = _LAYOUTS[self.dtype]
        count = self.row_bytes if self.dtype == "binary" else self.dimensions
        return struct.unpack_from(f"<{count}{layout.letter}", self.data, row * self.row_bytes)

    def packed(self, row: int) -> memoryview:
        """One vector's bytes, not copied."""
        size = self.row_bytes
        return memoryview(self.data)[row * size : (row + 1) * size]

    @property
    def is_whole(self) -> bool:
        """Whether the data has the length that the rest says."""
        scales = self.rows if self.dtype == "int8" else 0
        return len(self.data) == self.rows * self.row_bytes and len(self.scales) == scales

    @property
    def is_finite(self) -> bool:
        """Whether every number is one; JSON could not carry the others."""
        layout = _LAYOUTS[self.dtype]
        # The byte that a number ends with holds most of its exponent: one pass over those bytes, at a few per cent of
        # the cost, tells whether any number is worth a look.
        if layout.ordinary and self.data[layout.bits // 8 - 1 :: layout.bits // 8].translate(None, layout.ordinary):
            return all(math.isfinite(sum(self.numbers(row))) for row in range(self.rows))
        return all(map(math.isfinite, self.scales))
