"""A bi-encoder's files with sentence-transformers: its own tokenizer, pooling and normalisation. Imports torch."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from services.models.backends.loading import facts_of, loading, tokenizer_of
from services.models.backends.network import Pipeline
from services.models.backends.openvino.graph.unfolding import torch_folder
from services.models.backends.torch.network import translated_errors


def open_pipeline(model_id: str, folder: Path, *, device: str, dtype: str, pooling: str = "") -> Pipeline:
    """Load a model; see `services.models.backends.network.OpenPipeline`.

    Args:
        model_id: name that requests use.
        folder: its files.
        device: cpu, cuda or cuda:N.
        dtype: float32, bfloat16 or float16.
        pooling: mean, cls or last; empty for the model's own. See `graph.modules.vector_of`.

    Raises:
        StartupError: the files are missing, damaged or of no transformer.
        DeviceMemoryFull, DeviceLost: the device failed, whatever the files are.
    """
    with loading(model_id, folder), translated_errors(), torch_folder(folder) as files:
        loaded = SentenceTransformer(
            str(files), device=device, local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)}
        ).eval()
        if pooling:
            _set_pooling(loaded, pooling, is_bare=not (folder / "modules.json").is_file())
        tokenizer = tokenizer_of(model_id, loaded)
        facts = facts_of(loaded, dimensions=int(loaded.get_embedding_dimension() or 0))
    return Pipeline(module=loaded, tokenizer=tokenizer, facts=facts)


def _set_pooling(model: SentenceTransformer, pooling: str, *, is_bare: bool) -> None:
    mode = "lasttoken" if pooling == "last" else pooling
    model[1] = Pooling(int(model.get_embedding_dimension() or 0), pooling_mode=mode)
    if is_bare:
        model.append(Normalize())
