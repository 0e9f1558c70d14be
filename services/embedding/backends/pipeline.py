"""A bi-encoder with sentence-transformers: its own tokenizer, pooling and normalisation. Imports torch."""

from __future__ import annotations

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling


def open_module(
    _model_id: str, folder: Path, files: Path, *, device: str, dtype: torch.dtype, pooling: str = ""
) -> tuple[SentenceTransformer, int]:
    """The pipeline, and the length of its vectors; see `torch.pipeline.OpenModule`.

    Args:
        folder: the model's own.
        files: the same, as torch's libraries read it.
        device: cpu, cuda or cuda:N.
        dtype: of the weights.
        pooling: mean, cls or last; empty for the model's own. See `graph.modules.vector_of`.
    """
    loaded = SentenceTransformer(str(files), device=device, local_files_only=True, model_kwargs={"dtype": dtype})
    if pooling:
        _set_pooling(loaded, pooling, is_bare=not (folder / "modules.json").is_file())
    return loaded, int(loaded.get_embedding_dimension() or 0)


def _set_pooling(model: SentenceTransformer, pooling: str, *, is_bare: bool) -> None:
    mode = "lasttoken" if pooling == "last" else pooling
    model[1] = Pooling(int(model.get_embedding_dimension() or 0), pooling_mode=mode)
    if is_bare:
        model.append(Normalize())
