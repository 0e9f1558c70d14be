"""A quantised BERT in ONNX, so small that it is written by hand: of operations only what names and shapes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.models.backends.openvino.graph.onnx_file import message_class

HIDDEN, BETWEEN, WORDS, POSITIONS, HEADS = 6, 8, 11, 7, 3
_LAYER = "bert.encoder.layer.0"
_LINEAR = {
    f"{_LAYER}.attention.self.query": (HIDDEN, HIDDEN),
    f"{_LAYER}.attention.self.key": (HIDDEN, HIDDEN),
    f"{_LAYER}.attention.self.value": (HIDDEN, HIDDEN),
    f"{_LAYER}.attention.output.dense": (HIDDEN, HIDDEN),
    f"{_LAYER}.intermediate.dense": (BETWEEN, HIDDEN),
    f"{_LAYER}.output.dense": (HIDDEN, BETWEEN),
    "bert.pooler.dense": (HIDDEN, HIDDEN),
    "classifier": (1, HIDDEN),
}
_NORMS = ("bert.embeddings.LayerNorm", f"{_LAYER}.attention.output.LayerNorm", f"{_LAYER}.output.LayerNorm")
_TABLES = {"word": WORDS, "position": POSITIONS, "token_type": 2}


class TinyOnnx:
    """The file in the making, and the float weights that it stands for by their names in torch.

    Args:
        per_column: a scale and a zero point for each column, instead of one.
    """

    def __init__(self, *, per_column: bool = False) -> None:
        self.model = message_class()()
        self.weights: dict[str, npt.NDArray[np.float32]] = {}
        self._per_column = per_column
        self._random = np.random.default_rng(0)
        for table, rows in _TABLES.items():
            name = f"bert.embeddings.{table}_embeddings.weight"
            self.weights[name] = self._quantised(name, (rows, HIDDEN), per_column=False)
        for index, (name, (outputs, inputs)) in enumerate(_LINEAR.items()):
            product = f"/{name.replace('.', '/').replace('layer/0', 'layer.0')}/MatMul_quant"
            self.node("MatMulInteger", product, "x_quantized", f"onnx::{index}_quantized", "x_zero_point")
            found = self._quantised(f"onnx::{index}", (inputs, outputs), per_column=per_column)
            self.weights[f"{name}.weight"] = found.T
            self._floats(f"{name}.bias", outputs)
        for name in _NORMS:
            self._floats(f"{name}.weight", HIDDEN)
            self._floats(f"{name}.bias", HIDDEN)
            self.node("Add", f"/{name.replace('.', '/')}/Add", "variance", "epsilon")
        self.array("epsilon", np.float32(1e-5), 1)
        self.array("heads", np.asarray([0, 0, HEADS, HIDDEN // HEADS], dtype=np.int64), 7)
        self.node("Reshape", "/bert/encoder/layer.0/attention/self/Reshape", "x", "heads")
        self.node("Erf", "/bert/encoder/layer.0/intermediate/act/Erf", "x")

    def node(self, op: str, name: str, *inputs: str) -> None:
        """Add an operation."""
        self.model.graph.node.add(op_type=op, name=name, input=inputs, output=[f"{name}_output"])

    def array(self, name: str, values: npt.NDArray[Any] | np.generic, data_type: int) -> None:
        """Add an initializer."""
        dims = list(values.shape)
        self.model.graph.initializer.add(name=name, dims=dims, data_type=data_type, raw_data=values.tobytes())

    def tensor(self, name: str) -> Any:
        """An initializer, to be spoiled."""
        return next(tensor for tensor in self.model.graph.initializer if tensor.name == name)

    def write(self, folder: Path) -> Path:
        """The file."""
        path = folder / "model.onnx"
        path.write_bytes(self.model.SerializeToString())
        return path

    def _quantised(self, name: str, shape: tuple[int, int], *, per_column: bool) -> npt.NDArray[np.float32]:
        columns = shape[1:] if per_column else ()
        values = self._random.integers(0, 256, shape, dtype=np.uint8)
        zero = self._random.integers(100, 156, columns or (1,), dtype=np.uint8).reshape(columns)
        scale = self._random.uniform(0.001, 0.01, columns or (1,)).astype(np.float32).reshape(columns)
        self.array(f"{name}_quantized", values, 2)
        self.array(f"{name}_zero_point", zero, 2)
        self.array(f"{name}_scale", scale, 1)
        return (values.astype(np.float32) - zero.astype(np.float32)) * scale

    def _floats(self, name: str, length: int) -> None:
        self.weights[name] = self._random.normal(size=length).astype(np.float32)
        self.array(name, self.weights[name], 1)
