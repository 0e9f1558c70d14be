"""The float weights of a dynamically quantised BERT, out of its ONNX graph.

ONNX Runtime's dynamic quantisation keeps weights as int8 or uint8 with a scale and a zero point for each matrix, or for
each of its columns (which are output channels), and rounds activations anew for every batch. Only the weights are
taken: (quantised - zero point) x scale, as the ONNX operators MatMulInteger and DequantizeLinear define it.
Names are those that torch's exporter and the quantiser give: a node `/bert/pooler/dense/Gemm_MatMul_quant` multiplies
by `bert.pooler.dense.weight`, whose parts end in `_quantized`, `_zero_point` and `_scale`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.models.backends.openvino.graph.onnx_file import Array, Node, OnnxFile, open_onnx

Weights = dict[str, npt.NDArray[np.float32]]

_PRODUCT = re.compile(r"/(.+?)/(?:Gemm_)?MatMul_quant")
_LAYER = re.compile(r"(?:.*\.)?encoder\.layer\.(\d+)\.")
_WORDS = "embeddings.word_embeddings.weight"
_ACTIVATIONS = {"Erf": "gelu", "Tanh": "gelu_new", "Relu": "relu"}
"""Operator inside the activation of a layer: `hidden_act`."""


def read(path: Path) -> tuple[dict[str, Any], Weights]:
    """The configuration of a BERT and its weights.

    Args:
        path: an ONNX file, dynamically quantised.

    Returns:
        What its `config.json` would say, with `num_labels` where it has a classifier, and its weights in float32 by
        the names and shapes of torch's state dict.

    Raises:
        StartupError: the file is missing, damaged, or no such graph; the message says what to do.
    """
    file = open_onnx(path)
    if any(node.op == "CumSum" for node in file.nodes):
        raise file.unusable("it counts positions as RoBERTa does")
    weights = dict(_weights(file))
    prefix = _prefix(file, weights)
    config = _config(file, weights, prefix)
    found: Weights = {}
    # One by one: a name in the file decides how many layers there are, and a wrong one must not fill the memory.
    for name, shape in _shapes(config, prefix, weights):
        if name not in weights:
            raise file.unusable(f"{name} is missing")
        if weights[name].shape != shape:
            raise file.unusable(f"{name} has shape {weights[name].shape}, and {shape} is due")
        found[name] = weights[name]
    return config, found


def _weights(file: OnnxFile) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    for name in file:
        if name.endswith("_embeddings.weight_quantized"):
            yield name.removesuffix("_quantized"), _dequantised(file, name)
        elif name.endswith((".bias", "LayerNorm.weight")):
            yield name, _float(file, name)
    for node in file.nodes:
        if node.op == "MatMulInteger" and (found := _PRODUCT.fullmatch(node.name)) and len(node.inputs) > 1:
            # ONNX multiplies by (inputs, outputs), torch keeps (outputs, inputs).
            yield f"{found[1].replace('/', '.')}.weight", _dequantised(file, node.inputs[1], transposed=True)


def _float(file: OnnxFile, name: str) -> npt.NDArray[np.float32]:
    found = file.array(name)
    if found.dtype != np.float32 or not np.isfinite(found).all():
        raise file.unusable(f"{name} is of type {found.dtype} or not finite")
    return found.astype(np.float32)


def _dequantised(file: OnnxFile, name: str, *, transposed: bool = False) -> npt.NDArray[np.float32]:
    base = name.removesuffix("_quantized")
    values, scale, zero = (file.array(f"{base}{part}") for part in ("_quantized", "_scale", "_zero_point"))
    if values.ndim != 2 or values.dtype.itemsize != 1 or zero.dtype != values.dtype or scale.dtype != np.float32:
        raise file.unusable(f"{base} is not a matrix of int8 or uint8")
    if not np.isfinite(scale).all():
        raise file.unusable(f"the scale of {base} is not finite")
    if scale.shape != zero.shape or scale.shape not in {(), (1,), values.shape[1:]}:
        raise file.unusable(f"{base} has scales of shape {scale.shape} for {values.shape}")
    if transposed:
        # Before the numbers grow: the result is laid out row by row, without another copy.
        values, scale, zero = np.ascontiguousarray(values.T), scale.reshape(-1, 1), zero.reshape(-1, 1)
    # int16 holds every difference of two bytes.
    found = (values.astype(np.int16) - zero.astype(np.int16)).astype(np.float32)
    found *= scale
    return found


def _prefix(file: OnnxFile, weights: Mapping[str, Array]) -> str:
    """What stands before the names of the encoder's weights: `bert.`, or nothing."""
    for prefix in ("bert.", ""):
        if prefix + _WORDS in weights:
            return prefix
    raise file.unusable(f"{_WORDS} is missing")


def _config(file: OnnxFile, weights: Mapping[str, Array], prefix: str) -> dict[str, Any]:
    def rows(name: str) -> int:
        if name not in weights:
            raise file.unusable(f"{name} is missing")
        return int(weights[name].shape[0])

    hidden = int(weights[prefix + _WORDS].shape[1])
    has_labels = "classifier.weight" in weights
    config: dict[str, Any] = {
        "architectures": ["BertForSequenceClassification" if has_labels else "BertModel"],
        "model_type": "bert",
        "hidden_size": hidden,
        "num_hidden_layers": 1 + max((int(found[1]) for name in weights if (found := _LAYER.match(name))), default=-1),
        "num_attention_heads": _heads(file, hidden),
        "intermediate_size": rows(f"{prefix}encoder.layer.0.intermediate.dense.weight"),
        "hidden_act": _activation(file),
        "layer_norm_eps": _epsilon(file),
        "vocab_size": rows(prefix + _WORDS),
        "max_position_embeddings": rows(f"{prefix}embeddings.position_embeddings.weight"),
        "type_vocab_size": rows(f"{prefix}embeddings.token_type_embeddings.weight"),
    }
    return {**config, "num_labels": rows("classifier.weight")} if has_labels else config


def _shapes(
    config: Mapping[str, Any], prefix: str, weights: Mapping[str, Array]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every weight that such a BERT has; the pooler may be left out where there is no classifier."""
    hidden, between = config["hidden_size"], config["intermediate_size"]
    for table in ("word", "position", "token_type"):
        name = f"{prefix}embeddings.{table}_embeddings.weight"
        yield name, (weights[name].shape[0], hidden)
    yield from _vectors(f"{prefix}embeddings.LayerNorm", hidden)
    for index in range(config["num_hidden_layers"]):
        layer = f"{prefix}encoder.layer.{index}"
        for part in ("query", "key", "value"):
            yield from _linear(f"{layer}.attention.self.{part}", hidden, hidden)
        yield from _linear(f"{layer}.attention.output.dense", hidden, hidden)
        yield from _vectors(f"{layer}.attention.output.LayerNorm", hidden)
        yield from _linear(f"{layer}.intermediate.dense", between, hidden)
        yield from _linear(f"{layer}.output.dense", hidden, between)
        yield from _vectors(f"{layer}.output.LayerNorm", hidden)
    if "num_labels" in config or f"{prefix}pooler.dense.weight" in weights:
        yield from _linear(f"{prefix}pooler.dense", hidden, hidden)
    if "num_labels" in config:
        yield from _linear("classifier", config["num_labels"], hidden)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _vectors(name: str, length: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (length,)
    yield f"{name}.bias", (length,)


def _heads(file: OnnxFile, hidden: int) -> int:
    """The first layer splits its vectors by a shape that ends in heads and size of a head."""
    makers = {name: node for node in file.nodes for name in node.outputs}
    for node in file.nodes:
        if node.op == "Reshape" and "/layer.0/attention/self/" in node.name:
            shape = _end_of_shape(file, node, makers)
            if len(shape) == 2 and shape[0] > 0 and shape[0] * shape[1] == hidden:
                return shape[0]
    raise file.unusable("the number of attention heads is not to be seen")


def _end_of_shape(file: OnnxFile, reshape: Node, makers: Mapping[str, Node]) -> list[int]:
    """The last two of four dimensions, where the file holds them; they may be joined from arrays of one."""
    name = reshape.inputs[1] if len(reshape.inputs) > 1 else ""
    if name in file:
        found = file.array(name).reshape(-1).tolist()
        return found[2:] if len(found) == 4 else []
    maker = makers.get(name)
    if maker is None or maker.op != "Concat" or len(maker.inputs) != 4:
        return []
    return [int(one) for part in maker.inputs[2:] if part in file for one in file.array(part).reshape(-1)]


def _activation(file: OnnxFile) -> str:
    inside = {node.op for node in file.nodes if "/layer.0/intermediate/" in node.name}
    known = [name for op, name in _ACTIVATIONS.items() if op in inside]
    if len(known) != 1:
        raise file.unusable("its activation is not known")
    return known[0]


def _epsilon(file: OnnxFile) -> float:
    """What LayerNorm adds to the variance: an attribute, or an array where it is written out."""
    found = {node.epsilon for node in file.nodes if node.op == "LayerNormalization"}
    for node in file.nodes:
        if node.op == "Add" and node.name.endswith("LayerNorm/Add"):
            found |= {file.array(name).item() for name in node.inputs if name in file and file.array(name).size == 1}
    if len(found) != 1 or not 0 < (only := found.pop() or 0.0) < 1:
        raise file.unusable("the epsilon of its LayerNorm is not to be seen, or not the same everywhere")
    # The shortest decimal that is this float32: 1e-12, not 9.999999960041972e-13.
    return float(str(np.float32(only)))
