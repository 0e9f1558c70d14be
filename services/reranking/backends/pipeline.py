"""A cross-encoder with sentence-transformers. Imports torch."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.modules import LogitScore

from services.common.errors import StartupError


def open_module(
    model_id: str, folder: Path, files: Path, *, device: str, dtype: torch.dtype
) -> tuple[CrossEncoder, int]:
    """The pipeline, without vectors; see `torch.pipeline.OpenModule`.

    Raises:
        StartupError: the model gives no single score.
    """
    loaded: CrossEncoder = CrossEncoder(str(files), device=device, local_files_only=True, model_kwargs={"dtype": dtype})
    _check(model_id, folder, loaded)
    return loaded, 0


def _check(model_id: str, folder: Path, model: CrossEncoder) -> None:
    trained, loaded = getattr(model.config, "architectures", None), type(model.transformers_model).__name__
    if trained and loaded not in trained:
        # The library would fill in what is missing at random, and the scores would mean nothing.
        raise StartupError(
            f"model {model_id}: {folder} holds a {trained[0]}, which gives no scores: use a cross-encoder"
        )
    if model.num_labels != 1:
        raise StartupError(
            f"model {model_id}: {folder} gives {model.num_labels} scores per pair; a reranker gives one: use another"
        )
    if any(isinstance(module, LogitScore) for module in model):
        raise StartupError(
            f"model {model_id}: {folder} is a language model that is asked in words, which is not supported; use a "
            "cross-encoder with a score of its own"
        )
