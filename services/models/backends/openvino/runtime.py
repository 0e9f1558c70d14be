"""OpenVINO without its telemetry: import it from here and nowhere else."""

from __future__ import annotations

import sys

# At its import and at every conversion it tells Google Analytics, unless its reporter is not installed.
# None in this place is how Python says so.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402

__all__ = ["openvino"]
