"""A cross-encoder's files with sentence-transformers. Imports torch."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.modules import LogitScore

from services.common.errors import StartupError
from services.models.backends.loading import facts_of, loading, tokenizer_of
from services.models.backends.network import Pipeline
from services.models.backends.openvino.graph.unfolding import torch_folder
from services.models.backends.torch.network import translated_errors


def open_pipeline(model_id: str, folder: Path, *, device: str, dtype: str) -> Pipeline:
    """Load a model; see `services.models.backends.network.OpenPipeline`.

    Args:
        model_id: name that requests use.
        folder: its files.
        device: cpu, cuda or cuda:N.
        dtype: float32, bfloat16 or float16.

    Raises:
        StartupError: the files are missing or damaged, or the model gives no single score.
        DeviceMemoryFull, DeviceLost: the device failed, whatever the files are.
    """
    with loading(model_id, folder), translated_errors(), torch_folder(folder) as files:
        loaded = _open(files, device, getattr(torch, dtype))
    _check(model_id, folder, loaded)
    with loading(model_id, folder):
        return Pipeline(module=loaded, tokenizer=tokenizer_of(model_id, loaded), facts=facts_of(loaded))


def _open(folder: Path, device: str, dtype: torch.dtype) -> CrossEncoder:
    model: CrossEncoder = CrossEncoder(str(folder), device=device, local_files_only=True, model_kwargs={"dtype": dtype})
    return model.eval()


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
