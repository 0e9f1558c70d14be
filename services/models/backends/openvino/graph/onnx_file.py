"""ONNX files as nodes and arrays, read with protobuf alone.

Field numbers are those of onnx.proto (ONNX IR version 3 and later), of which only what is read here is described.
OpenVINO's own ONNX frontend would show its decompositions of quantised operators, which are its own affair and change
between versions; this shows what the file says.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from services.common.errors import StartupError

Array = npt.NDArray[Any]

MOST_BYTES = 2**31 - 1
"""Largest message that protobuf reads. Unit: bytes."""

_Field = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED
_PACKAGE = "isolane.onnx"
_MESSAGES: Mapping[str, tuple[tuple[str, int, int, int, str], ...]] = MappingProxyType(
    {
        "Tensor": (
            ("dims", 1, _MANY, _Field.TYPE_INT64, ""),
            ("data_type", 2, _ONE, _Field.TYPE_INT32, ""),
            ("float_data", 4, _MANY, _Field.TYPE_FLOAT, ""),
            ("int32_data", 5, _MANY, _Field.TYPE_INT32, ""),
            ("int64_data", 7, _MANY, _Field.TYPE_INT64, ""),
            ("name", 8, _ONE, _Field.TYPE_STRING, ""),
            ("raw_data", 9, _ONE, _Field.TYPE_BYTES, ""),
            ("data_location", 14, _ONE, _Field.TYPE_INT32, ""),
        ),
        "Attribute": (
            ("name", 1, _ONE, _Field.TYPE_STRING, ""),
            ("f", 2, _ONE, _Field.TYPE_FLOAT, ""),
            ("t", 5, _ONE, _Field.TYPE_MESSAGE, "Tensor"),
        ),
        "Node": (
            ("input", 1, _MANY, _Field.TYPE_STRING, ""),
            ("output", 2, _MANY, _Field.TYPE_STRING, ""),
            ("name", 3, _ONE, _Field.TYPE_STRING, ""),
            ("op_type", 4, _ONE, _Field.TYPE_STRING, ""),
            ("attribute", 5, _MANY, _Field.TYPE_MESSAGE, "Attribute"),
        ),
        "Graph": (
            ("node", 1, _MANY, _Field.TYPE_MESSAGE, "Node"),
            ("initializer", 5, _MANY, _Field.TYPE_MESSAGE, "Tensor"),
        ),
        "Model": (("graph", 7, _ONE, _Field.TYPE_MESSAGE, "Graph"),),
    }
)
"""Message: (field, number, label, type, type of a message field)."""

_KINDS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {1: ("<f4", "float_data"), 2: ("u1", "int32_data"), 3: ("i1", "int32_data"), 7: ("<i8", "int64_data")}
)
"""TensorProto.DataType: numpy's type, and the field that holds the values where `raw_data` is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    epsilon: float | None
    """Attribute `epsilon`, where there is one."""


class OnnxFile:
    """The operations of a graph and the arrays it holds.

    Args:
        path: of the file, for messages.
        nodes: in the file's order.
        tensors: messages of the arrays by name, initializers and the outputs of `Constant`; decoded when asked for.
    """

    def __init__(self, path: Path, nodes: tuple[Node, ...], tensors: Mapping[str, Any]) -> None:
        self.path = path
        self.nodes = nodes
        self._tensors = tensors

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def array(self, name: str) -> Array:
        """An array of the file, read-only.

        Raises:
            StartupError: it is not there, is of a type that is not read, or its data are not as long as its shape says.
        """
        tensor = self._tensors.get(name)
        if tensor is None:
            raise self.unusable(f"{name} is missing")
        if tensor.data_location or tensor.data_type not in _KINDS:
            raise self.unusable(f"{name} is kept outside of the file or of a number type that is not read")
        dtype, field = _KINDS[tensor.data_type]
        shape = tuple(tensor.dims)
        raw = tensor.raw_data or np.asarray(getattr(tensor, field)).astype(dtype).tobytes()
        if min(shape, default=0) < 0 or len(raw) != math.prod(shape) * np.dtype(dtype).itemsize:
            raise self.unusable(f"{name} holds {len(raw)} bytes, which is not what its shape {shape} needs")
        return np.frombuffer(raw, dtype=dtype).reshape(shape)

    def unusable(self, problem: str) -> StartupError:
        """What says that this file cannot be used, and why."""
        return StartupError(
            f"{self.path}: no weights can be read from it ({problem}); what is read is BERT as ONNX Runtime's dynamic "
            "quantisation writes it: restore the file, or name a folder with config.json and safetensors"
        )


def open_onnx(path: Path) -> OnnxFile:
    """Read a file.

    Raises:
        StartupError: it is not there, too large, or no ONNX graph.
    """
    nothing = OnnxFile(path, (), {})
    try:
        if path.stat().st_size > MOST_BYTES:
            raise nothing.unusable(f"it has more than {MOST_BYTES} bytes")
        graph = message_class().FromString(path.read_bytes()).graph
    except OSError as exc:
        raise nothing.unusable(str(exc)) from exc
    except DecodeError as exc:
        raise nothing.unusable("it is damaged or no ONNX file") from exc
    if not graph.node:
        raise nothing.unusable("it holds no graph")
    return OnnxFile(path, tuple(_node(node) for node in graph.node), dict(_tensors(graph)))


def _tensors(graph: Any) -> Iterator[tuple[str, Any]]:
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            yield from ((node.output[0], found.t) for found in node.attribute if found.name == "value")


def _node(node: Any) -> Node:
    epsilon = next((found.f for found in node.attribute if found.name == "epsilon"), None)
    return Node(op=node.op_type, name=node.name, inputs=tuple(node.input), outputs=tuple(node.output), epsilon=epsilon)


@functools.cache
def message_class() -> Any:
    """Protobuf's class for a file, `ModelProto`, as far as it is described here."""
    file = descriptor_pb2.FileDescriptorProto(name="isolane/onnx.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, label, kind, of in fields:
            type_name = f".{_PACKAGE}.{of}" if of else None
            described.field.add(name=name, number=number, label=label, type=kind, type_name=type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))
