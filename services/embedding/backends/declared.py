"""What a bi-encoder's own files declare: prompts, and shorter vectors. Read as JSON, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.common.errors import StartupError
from services.embedding.backends.base import InputType
from services.embedding.settings import EmbeddingModelSettings

_PROMPT_NAMES = {InputType.QUERY: ("query",), InputType.DOCUMENT: ("document", "passage")}
"""Names of the prompts in sentence-transformers' config, the first that is there counts."""

_SHORTEST_MATRYOSHKA = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """Prompts and dimensions after the settings had their say."""

    prompts: Mapping[InputType, str]
    matryoshka_dimensions: tuple[int, ...]
    """Ascending, shorter than the whole vector."""


def read_declared(model: EmbeddingModelSettings, folder: Path, *, dimensions: int) -> Declared:
    """The settings' prompts and dimensions, and where they are silent the model's own.

    Args:
        model: its settings.
        folder: its files.
        dimensions: length of a whole vector.

    Raises:
        StartupError: they do not fit the model.
    """
    prompts = _prompts(model, _json(folder / "config_sentence_transformers.json"))
    if any(prompts.values()) and not _pools_prompts(folder):
        raise StartupError(
            f"model {model.id}: its pooling leaves the prompt out (include_prompt is false), which is not supported; "
            'set query_prompt and document_prompt to "" to embed without prompts'
        )
    chosen = model.matryoshka_dimensions or _matryoshka(_json(folder / "config.json"), dimensions)
    if too_long := [length for length in model.matryoshka_dimensions if length > dimensions]:
        raise StartupError(
            f"model {model.id}: matryoshka_dimensions: {too_long} is longer than the vector's {dimensions}; correct it"
        )
    return Declared(prompts=prompts, matryoshka_dimensions=tuple(sorted({n for n in chosen if n < dimensions})))


def _prompts(model: EmbeddingModelSettings, config: Mapping[str, Any]) -> dict[InputType, str]:
    own: Mapping[str, str] = config.get("prompts") or {}
    declared = {kind: next((own[name] for name in names if own.get(name)), "") for kind, names in _PROMPT_NAMES.items()}
    chosen = {InputType.QUERY: model.query_prompt, InputType.DOCUMENT: model.document_prompt}
    prompts = {kind: declared[kind] if prompt is None else prompt for kind, prompt in chosen.items()}
    return {**prompts, InputType.PLAIN: own.get(config.get("default_prompt_name") or "") or ""}


def _pools_prompts(folder: Path) -> bool:
    return all(_json(path).get("include_prompt", True) for path in folder.glob("*_Pooling/config.json"))


def _matryoshka(config: Mapping[str, Any], dimensions: int) -> list[int]:
    """As vLLM reads it: a list of lengths, or the word that any will do, of which we offer the halves."""
    if lengths := config.get("matryoshka_dimensions"):
        return list(lengths)
    if not config.get("is_matryoshka"):
        return []
    return [
        n for n in (dimensions >> shift for shift in range(1, dimensions.bit_length())) if n >= _SHORTEST_MATRYOSHKA
    ]


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise StartupError(f"{path}: cannot be read ({exc}); restore the model's files") from exc
    return found
