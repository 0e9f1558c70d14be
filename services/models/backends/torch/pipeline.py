"""A model's files with sentence-transformers: quiet, and what goes wrong as one clear error."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers.utils.logging import disable_progress_bar

from services.common.errors import StartupError
from services.models.backends.network import ModelFacts, Pipeline
from services.models.backends.openvino.graph.unfolding import torch_folder
from services.models.backends.torch.network import translated_errors

_LONGEST = 32_768
"""Limit of models that name none; their libraries then give an astronomical number. Unit: tokens."""


class OpenModule(Protocol):
    """Opens the files of one kind of model; the `open_module` of the module that its `Kind.pipeline` names."""

    def __call__(
        self, model_id: str, folder: Path, files: Path, *, device: str, dtype: torch.dtype, **options: str
    ) -> tuple[Any, int]:
        """The pipeline, and the length of its vectors, 0 without; may raise what the libraries do, and StartupError.

        Args:
            model_id: name that requests use.
            folder: the model's own.
            files: the same, as torch's libraries read it.
            device: cpu, cuda or cuda:N.
            dtype: of the weights.
            options: the model's.
        """
        ...


def open_pipeline(kind: str, model_id: str, folder: Path, *, device: str, dtype: str, **options: str) -> Pipeline:
    """Load a model.

    Args:
        kind: the module that opens it, see `OpenModule`.
        model_id: name that requests use.
        folder: its files.
        device: cpu, cuda or cuda:N.
        dtype: float32, bfloat16 or float16.
        options: the model's.

    Raises:
        StartupError: the files are missing or damaged, or of another kind of model.
        DeviceMemoryFull, DeviceLost: the device failed, whatever the files are.
    """
    open_module: OpenModule = importlib.import_module(kind).open_module
    with loading(model_id, folder), translated_errors(), torch_folder(folder) as files:
        opened, dimensions = open_module(model_id, folder, files, device=device, dtype=getattr(torch, dtype), **options)
        module = opened.eval()
        return Pipeline(
            module=module, tokenizer=tokenizer_of(model_id, module), facts=facts_of(module, dimensions=dimensions)
        )


@contextmanager
def loading(model_id: str, source: object) -> Iterator[None]:
    """Keep the libraries quiet, and turn what they raise for missing, damaged or foreign files into a StartupError.

    Args:
        model_id: name that requests use.
        source: where the files are, as the settings or the log tell it.
    """
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    except (LookupError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as exc:
        raise StartupError(f"model {model_id}: {source} cannot be loaded ({exc}); check its files") from exc


def tokenizer_of(model_id: str, pipeline: Any) -> Tokenizer:
    """A copy of the Rust tokenizer of a sentence-transformers pipeline.

    Raises:
        StartupError: it has none.
    """
    tokenizer = getattr(getattr(pipeline, "tokenizer", None), "backend_tokenizer", None)
    if not isinstance(tokenizer, Tokenizer):
        raise StartupError(f"model {model_id}: it has no fast tokenizer (tokenizer.json); use a transformer model")
    return Tokenizer.from_str(tokenizer.to_str())


def facts_of(pipeline: Any, *, dimensions: int = 0) -> ModelFacts:
    """What a sentence-transformers pipeline says of its inputs and results.

    Args:
        pipeline: whose first module is a transformer with a tokenizer.
        dimensions: length of its vectors; 0 when it gives none.
    """
    tokenizer = pipeline.tokenizer
    vocabulary = len(tokenizer)
    return ModelFacts(
        max_tokens=min(int(pipeline.max_seq_length or tokenizer.model_max_length), _LONGEST),
        dimensions=dimensions,
        vocabulary=min(vocabulary, getattr(pipeline.transformers_model.config, "vocab_size", None) or vocabulary),
        pad_id=int(tokenizer.pad_token_id or 0),
        has_types="token_type_ids" in tokenizer.model_input_names,
        keeps_end=tokenizer.truncation_side == "left",
    )
