"""Converted models on disk: where they are, and whether they still are what is wanted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from services.models.backends.network import ModelFacts
from services.models.backends.openvino.runtime import openvino
from services.models.backends.whole_folder import whole_folder

_MODEL, _WEIGHTS, _TOKENIZER, _MANIFEST = "model.xml", "model.bin", "tokenizer.json", "manifest.json"

_CODE_VERSION = 3
"""Raise it when a change of the conversion makes other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a converted model must be made from and for."""

    output: str
    """Feature of the pipeline that is the result."""
    revision: str
    """Of the model's own files."""
    options: Mapping[str, str]
    """More that decides what it computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A model that can be compiled, in float32."""

    model: Any
    """Path of an .xml file, or an `openvino.Model`."""
    tokenizer: Tokenizer
    facts: ModelFacts
    drop_pages: Callable[[], None] = lambda: None
    """Called after the first batch, takes what only compiling reads of its files out of memory."""


def folder_of(models_dir: Path, model_id: str, wanted: Wanted) -> Path:
    """Where the files of a converted model are, or would be."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", model_id)
    return models_dir / "openvino" / f"{name}-{wanted.revision}"


def read(folder: Path, wanted: Wanted) -> Graph | None:
    """The converted model there; None when there is none, or another, or its files are not those that were written."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["made_for"] != _made_for(wanted) or manifest["sha256"] != _digests(folder):
            return None
        return Graph(
            model=folder / _MODEL,
            tokenizer=Tokenizer.from_file(str(folder / _TOKENIZER)),
            facts=ModelFacts(**manifest["facts"]),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def write(folder: Path, wanted: Wanted, converted: Graph) -> None:
    """Put a converted model there, whole or not at all, in place of what was there.

    Raises:
        OSError: it cannot be written.
    """
    with whole_folder(folder) as scratch:
        try:
            openvino.save_model(converted.model, scratch / _MODEL, compress_to_fp16=False)
        except RuntimeError as exc:  # a full disk
            raise OSError(str(exc)) from exc
        (scratch / _TOKENIZER).write_text(converted.tokenizer.to_str(), encoding="utf-8")
        manifest = {"made_for": _made_for(wanted), "facts": asdict(converted.facts), "sha256": _digests(scratch)}
        (scratch / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _made_for(wanted: Wanted) -> dict[str, object]:
    """Conversions of another release of OpenVINO, or of this code, are made anew."""
    return {**asdict(wanted), "openvino": openvino.__version__, "code_version": _CODE_VERSION}


def _digests(folder: Path) -> dict[str, str]:
    return {name: _digest(folder / name) for name in (_MODEL, _WEIGHTS, _TOKENIZER)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
