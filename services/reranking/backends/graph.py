"""A cross-encoder as an OpenVINO graph. Imports OpenVINO."""

from __future__ import annotations

from pathlib import Path

from services.common.errors import StartupError
from services.models.backends.kind import Built
from services.models.backends.openvino.graph.build import build_cross_encoder


def build(model_id: str, folder: Path, *, int8: bool) -> Built:
    """See `Kind.graph`; refuses models with several scores."""
    built = build_cross_encoder(model_id, folder, int8=int8)
    if built.labels != 1:
        raise StartupError(
            f"model {model_id}: {folder} gives {built.labels} scores per pair; a reranker gives one: use another"
        )
    return built
