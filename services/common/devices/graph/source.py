"""A model's config and weights, whatever files hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from services.common.devices.graph import onnx_weights
from services.common.devices.graph.config import Config
from services.common.devices.graph.problems import DamagedError, NotKnownError
from services.common.devices.graph.safetensors_files import INDEX, SINGLE, read_folder
from services.common.devices.graph.spilled import SpilledArrays
from services.common.models import ONNX

_CONFIG, _PICKLED = "config.json", "pytorch_model.bin"


def _nothing() -> None:
    """No file is mapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a model is made from."""

    config: Config
    weights: Mapping[str, npt.NDArray[Any]]
    """By their names in torch's state dict, in float32; read when they are used."""
    drop_pages: Callable[[], None] = _nothing
    """Takes what was read of mapped files out of memory; it is read again when used."""


def read_source(folder: Path) -> Source:
    """Sources are told apart by their files: safetensors in one file or in several, else a quantised ONNX graph.

    Raises:
        NotKnownError: the weights are in a form that is not read here.
        DamagedError, StartupError: files are missing or damaged.
    """
    if (weights := read_folder(folder)) is not None:
        return Source(config=_config(folder), weights=weights, drop_pages=weights.drop_pages)
    if (folder / ONNX).is_file():
        # The graph tells what its folder's config.json may lack, and is what was computed with.
        found, unfolded = onnx_weights.read(folder / ONNX)
        config = Config({**Config.read(folder / _CONFIG).entries, **found}, name=ONNX)
        try:
            spilled = SpilledArrays(unfolded)
        except OSError:  # no room for temporary files: then in memory
            return Source(config=config, weights=unfolded)
        return Source(config=config, weights=spilled, drop_pages=spilled.drop_pages)
    if (folder / _PICKLED).is_file():
        raise NotKnownError(f"the file {_PICKLED!r}", [SINGLE, INDEX, ONNX])
    raise DamagedError(f"it has no {SINGLE}")


def _config(folder: Path) -> Config:
    if not (folder / _CONFIG).is_file():
        raise DamagedError(f"it has no {_CONFIG}")
    return Config.read(folder / _CONFIG)
