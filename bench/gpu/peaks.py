"""What a card can compute at most, by its maker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Dense matrix products. Unit: TFLOP/s."""

    float32: float
    """Without TF32: torch's default."""
    half: float
    """bfloat16 and float16; half of what the maker gives with sparsity."""
    source: str

    def of(self, dtype: str) -> float:
        """The peak of a number type."""
        return self.float32 if dtype == "float32" else self.half


_H100 = "NVIDIA H100 Tensor Core GPU datasheet"
_H200 = "NVIDIA H200 Tensor Core GPU datasheet"
_A100 = "NVIDIA A100 Tensor Core GPU datasheet"

PEAKS: Mapping[str, Peak] = {
    "NVIDIA H100 80GB HBM3": Peak(float32=67, half=989.5, source=f"{_H100}, SXM"),
    "NVIDIA H100 PCIe": Peak(float32=51, half=756.5, source=f"{_H100}, PCIe"),
    "NVIDIA H100 NVL": Peak(float32=60, half=835.5, source=f"{_H100}, NVL"),
    "NVIDIA H200": Peak(float32=67, half=989.5, source=f"{_H200}, SXM"),
    "NVIDIA H200 NVL": Peak(float32=60, half=835.5, source=f"{_H200}, NVL"),
    "NVIDIA A100-SXM4-80GB": Peak(float32=19.5, half=312, source=f"{_A100}, SXM"),
}
"""By the name that the driver gives."""


def peak_of(card: str) -> Peak | None:
    """The card's peak; None for one that is not in the table."""
    return PEAKS.get(card)
