"""A bi-encoder's files with sentence-transformers: its own tokenizer, pooling and normalisation. Imports torch."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from services.common.devices.loading import facts_of, loading, tokenizer_of
from services.common.devices.network import Pipeline
from services.common.devices.torch_network import translated_errors


def open_pipeline(model_id: str, folder: Path, *, device: str, dtype: str) -> Pipeline:
    """Load a model; see `services.common.devices.network.OpenPipeline`.

    Args:
        model_id: name that requests use.
        folder: its files.
        device: cpu, cuda or cuda:N.
        dtype: float32, bfloat16 or float16.

    Raises:
        StartupError: the files are missing, damaged or of no transformer.
        DeviceMemoryFull, DeviceLost: the device failed, whatever the files are.
    """
    with loading(model_id, folder), translated_errors():
        loaded = SentenceTransformer(
            str(folder), device=device, local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)}
        ).eval()
        tokenizer = tokenizer_of(model_id, loaded)
        facts = facts_of(loaded, dimensions=int(loaded.get_embedding_dimension() or 0))
    return Pipeline(module=loaded, tokenizer=tokenizer, facts=facts)
