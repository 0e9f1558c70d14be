"""Loading a model's files: no progress bars in the log, and what goes wrong as one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers.utils.logging import disable_progress_bar

from services.common.errors import StartupError
from services.models.backends.network import ModelFacts

_LONGEST = 32_768
"""Limit of models that name none; their libraries then give an astronomical number. Unit: tokens."""


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
