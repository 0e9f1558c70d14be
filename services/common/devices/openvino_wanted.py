"""What a converted model must be made from and for; needs no OpenVINO."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A conversion."""

    output: str
    """Feature of the pipeline that is the result."""
    revision: str
    """Of the model's own files."""
    dtype: str
    """float32, bfloat16 or int8."""
