"""Weights out of safetensors files, mapped into memory.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from services.models.backends.openvino.graph.config import Config
from services.models.backends.openvino.graph.mapped import Bytes, MappedMemory
from services.models.backends.openvino.graph.problems import DamagedError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

_STORED: Mapping[str, npt.DTypeLike] = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a tensor lies in a file. Unit: bytes."""

    content: Bytes
    """Of the whole file."""
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class MappedTensors(Mapping[str, npt.NDArray[np.float32]]):
    """Tensors by name in float32: views of the file when they are stored so, else converted as they are read.

    Args:
        places: of the tensors.
    """

    def __init__(self, places: Mapping[str, _Place]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> npt.NDArray[np.float32]:
        place = self._places[name]
        if place.dtype not in _STORED:
            raise DamagedError(f"{name} is stored as {place.dtype}, not as {', '.join(_STORED)}")
        stored = place.content[place.start : place.stop].view(_STORED[place.dtype]).reshape(place.shape)
        floats = _from_bfloat16(stored) if place.dtype == "BF16" else stored.astype(np.float32, copy=False)
        # The first writers of the format let tensors begin anywhere.
        return np.require(floats, requirements="A")

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read_folder(folder: Path, memory: MappedMemory) -> MappedTensors | None:
    """The weights of a folder, in one file or in several with an index; None when it has neither.

    Raises:
        DamagedError: a file is damaged or missing, or the index points out of the folder.
    """
    if (folder / SINGLE).is_file():
        return MappedTensors(_places(folder / SINGLE, memory))
    if not (folder / INDEX).is_file():
        return None
    shards = sorted({_shard(folder, name) for name in Config.read(folder / INDEX).part("weight_map").entries.values()})
    return MappedTensors({name: place for shard in shards for name, place in _places(shard, memory).items()})


def _shard(folder: Path, name: Any) -> Path:
    """A file of the index. Links inside the folder are followed: the hub's cache is made of them."""
    if not isinstance(name, str) or Path(name).name != name or not (folder / name).is_file():
        raise DamagedError(f"{INDEX}: {str(name)[:100]!r} is no file of the folder")
    return folder / name


def _places(path: Path, memory: MappedMemory) -> dict[str, _Place]:
    try:
        # Checks the header against the file: names, types, and that the tensors fill it without gap or overlap.
        with safe_open(path, framework="numpy"):
            pass
        content = memory.view(path)
    except (OSError, SafetensorError, ValueError) as exc:
        raise DamagedError(f"{path.name}: {exc}") from exc
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    header = json.loads(content[8:start].tobytes())
    return {
        name: _Place(
            content=content,
            dtype=entry["dtype"],
            shape=tuple(entry["shape"]),
            start=start + entry["data_offsets"][0],
            stop=start + entry["data_offsets"][1],
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _from_bfloat16(stored: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """bfloat16 is the upper half of float32's bits."""
    widened = stored.astype(np.uint32)
    widened <<= 16
    return widened.view(np.float32)
