"""A bi-encoder as an OpenVINO graph. Imports OpenVINO."""

from __future__ import annotations

from services.models.backends.openvino.graph.build import build_bi_encoder as build

__all__ = ["build"]
