"""A model's config and weights, whatever files hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from services.models.backends.openvino.graph import onnx_weights
from services.models.backends.openvino.graph.config import Config
from services.models.backends.openvino.graph.mapped import MappedMemory
from services.models.backends.openvino.graph.problems import DamagedError, NotKnownError
from services.models.backends.openvino.graph.safetensors_files import INDEX, SINGLE, read_folder
from services.models.models import ONNX

_CONFIG, _PICKLED = "config.json", "pytorch_model.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a model is made from."""

    config: Config
    weights: Mapping[str, npt.NDArray[Any]]
    """By their names in torch's state dict, in float32; read when they are used."""
    memory: MappedMemory
    """Holds those that are on a file."""


def read_source(folder: Path) -> Source:
    """Sources are told apart by their files: safetensors in one file or in several, else a quantised ONNX graph.

    Raises:
        NotKnownError: the weights are in a form that is not read here.
        DamagedError, StartupError: files are missing or damaged.
    """
    memory = MappedMemory()
    if (weights := read_folder(folder, memory)) is not None:
        return Source(config=_config(folder), weights=weights, memory=memory)
    if (folder / _PICKLED).is_file():
        raise NotKnownError(f"the file {_PICKLED!r}", [SINGLE, INDEX, ONNX])
    if (folder / ONNX).is_file():
        entries, arrays = onnx_weights.read(folder / ONNX)
        return Source(config=Config(entries, name=ONNX), weights=arrays, memory=memory)
    raise DamagedError(f"it has no {SINGLE}")


def _config(folder: Path) -> Config:
    if not (folder / _CONFIG).is_file():
        raise DamagedError(f"it has no {_CONFIG}")
    return Config.read(folder / _CONFIG)
