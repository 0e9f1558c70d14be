"""Layers of named tensors as nodes of an OpenVINO graph. Every tensor's shape is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from services.models.backends.openvino.graph.int8 import rounded_rows
from services.models.backends.openvino.graph.mapped import MappedMemory
from services.models.backends.openvino.graph.problems import DamagedError, NotKnownError
from services.models.backends.openvino.runtime import openvino

op = openvino.opset15

Node = Any
Floats = npt.NDArray[np.float32]

_OLD_NAMES = {".weight": ".gamma", ".bias": ".beta"}
"""What the first BERT checkpoints call a normalisation's tensors."""


def _gelu(x: Node) -> Node:
    return op.gelu(x, "erf")


def _gelu_tanh(x: Node) -> Node:
    return op.gelu(x, "tanh")


ACTIVATIONS: Mapping[str, Callable[[Node], Node]] = {
    "gelu": _gelu,
    "gelu_fast": _gelu_tanh,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "relu": op.relu,
    "sigmoid": op.sigmoid,
    "silu": op.swish,
    "swish": op.swish,
    "tanh": op.tanh,
}
"""By their names in config.json."""


def activated(x: Node, name: str) -> Node:
    """An activation by its name.

    Raises:
        NotKnownError: it is another.
    """
    if name not in ACTIVATIONS:
        raise NotKnownError(f"the activation {name[:100]!r}", list(ACTIVATIONS))
    return ACTIVATIONS[name](x)


def integers(*values: int) -> Node:
    """A constant row of int64."""
    return op.constant(np.array(values, dtype=np.int64))


def integer(value: int) -> Node:
    """A constant int64 without dimensions."""
    return op.constant(np.array(value, dtype=np.int64))


def floats(values: npt.ArrayLike) -> Node:
    """A constant in float32. An array that is so already is shared, not copied: the graph keeps it."""
    return op.constant(np.ascontiguousarray(values, dtype=np.float32), shared_memory=True)


class Layers:
    """Makes layers.

    Args:
        weights: tensors by name, in float32.
        memory: takes large constants.
        prefix: may stand before a name, or not.
        int8: True to round the weights of linear layers and tables.
    """

    def __init__(
        self, weights: Mapping[str, Floats], memory: MappedMemory, *, prefix: str = "", int8: bool = False
    ) -> None:
        self._weights = weights
        self._memory = memory
        self._prefix = prefix
        self._int8 = int8

    def tensor(self, name: str, shape: tuple[int, ...]) -> Floats:
        """A tensor.

        Raises:
            DamagedError: it is missing, or has another shape.
        """
        found = next((known for known in self._spellings(name) if known in self._weights), None)
        if found is None:
            raise DamagedError(f"the weights have no {name}")
        tensor = self._weights[found]
        if tensor.shape != shape:
            raise DamagedError(f"{found} has shape {tensor.shape}, not {shape}")
        return tensor

    def rows(self, name: str) -> int:
        """The first dimension of a tensor; 0 when it is missing."""
        found = next((known for known in self._spellings(name) if known in self._weights), None)
        return self._weights[found].shape[0] if found and self._weights[found].ndim else 0

    def linear(self, x: Node, name: str, *, inputs: int, outputs: int, bias: bool = True, exact: bool = False) -> Node:
        """A linear layer.

        Args:
            x: of shape (..., inputs).
            name: of the layer.
            inputs: columns of its weight.
            outputs: rows of its weight.
            bias: False for a layer without.
            exact: True keeps the weight in float32.
        """
        weight = self._matrix(name, (outputs, inputs), exact=exact)
        product = op.matmul(x, weight, transpose_a=False, transpose_b=True)
        return op.add(product, floats(self.tensor(f"{name}.bias", (outputs,)))) if bias else product

    def norm(self, x: Node, name: str, *, size: int, epsilon: float, bias: bool = True) -> Node:
        """A normalisation over the last dimension."""
        normal = op.mvn(x, integers(-1), normalize_variance=True, eps=epsilon, eps_mode="inside_sqrt")
        scaled = op.multiply(normal, floats(self.tensor(f"{name}.weight", (size,))))
        return op.add(scaled, floats(self.tensor(f"{name}.bias", (size,)))) if bias else scaled

    def rows_of_table(self, indices: Node, name: str, *, rows: int, size: int) -> Node:
        """Rows of a table by their numbers."""
        return op.gather(self._matrix(name, (rows, size)), indices, integer(0))

    def _matrix(self, name: str, shape: tuple[int, int], *, exact: bool = False) -> Node:
        tensor = self.tensor(f"{name}.weight", shape)
        return rounded_rows(tensor) if self._int8 and not exact else floats(self._memory.moved(tensor))

    def _spellings(self, name: str) -> list[str]:
        old = next((name.removesuffix(new) + old for new, old in _OLD_NAMES.items() if name.endswith(new)), name)
        return [self._prefix + name, name, self._prefix + old, old]
