"""Weights out of quantised ONNX files that are written by hand, whole and spoiled."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.common.errors import StartupError
from services.models.backends.openvino.graph.onnx_weights import read
from tests.unit.models.tiny_onnx import BETWEEN, HEADS, HIDDEN, POSITIONS, WORDS, TinyOnnx

QUERY = "/bert/encoder/layer.0/attention/self/query/MatMul_quant"


@pytest.mark.parametrize("per_column", [False, True])
def test_weights_are_the_differences_from_the_zero_points_times_the_scales(tmp_path: Path, per_column: bool) -> None:
    tiny = TinyOnnx(per_column=per_column)

    _, weights = read(tiny.write(tmp_path))

    assert weights.keys() == tiny.weights.keys()
    for name, weight in weights.items():
        assert weight.dtype == np.float32
        assert np.array_equal(weight, tiny.weights[name]), name


def test_shapes_and_constants_say_what_a_config_file_would(tmp_path: Path) -> None:
    tiny = TinyOnnx()

    config, _ = read(tiny.write(tmp_path))

    assert config == {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": HIDDEN,
        "num_hidden_layers": 1,
        "num_attention_heads": HEADS,
        "intermediate_size": BETWEEN,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "vocab_size": WORDS,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "num_labels": 1,
    }


@pytest.mark.timeout(10)
def test_a_name_of_a_layer_far_away_costs_neither_time_nor_memory(tmp_path: Path) -> None:
    tiny = TinyOnnx()
    tiny.array("bert.encoder.layer.999999999.x.bias", np.zeros(1, dtype=np.float32), 1)

    with pytest.raises(StartupError, match=r"bert\.encoder\.layer\.1\.attention\.self\.query\.weight is missing"):
        read(tiny.write(tmp_path))


def test_heads_are_found_in_a_shape_that_is_joined_from_parts(tmp_path: Path) -> None:
    tiny = TinyOnnx()
    tiny.tensor("heads").name = "unused"
    for name, value in (("any", -1), ("three", HEADS), ("two", HIDDEN // HEADS)):
        tiny.array(name, np.asarray([value], dtype=np.int64), 7)
    tiny.model.graph.node.add(op_type="Concat", name="/c", input=["batch", "any", "three", "two"], output=["heads"])

    config, _ = read(tiny.write(tmp_path))

    assert config["num_attention_heads"] == HEADS


def test_numbers_outside_of_raw_data_are_read_too(tmp_path: Path) -> None:
    tiny = TinyOnnx()
    bias, zero = tiny.tensor("classifier.bias"), tiny.tensor("onnx::0_zero_point")
    bias.raw_data, bias.float_data[:] = b"", tiny.weights["classifier.bias"]
    zero.int32_data[:] = list(zero.raw_data)
    zero.raw_data = b""

    _, weights = read(tiny.write(tmp_path))

    assert np.array_equal(weights["classifier.bias"], tiny.weights["classifier.bias"])
    assert all(np.array_equal(weights[name], tiny.weights[name]) for name in weights)


def _no_scale(tiny: TinyOnnx) -> None:
    tiny.tensor("onnx::0_scale").name = "other"


def _scale_per_row(tiny: TinyOnnx) -> None:
    tiny.tensor("onnx::4_scale").CopyFrom(tiny.tensor("bert.embeddings.LayerNorm.weight"))
    tiny.tensor("bert.embeddings.LayerNorm.weight").name = "onnx::4_scale"


def _short_data(tiny: TinyOnnx) -> None:
    tiny.tensor("onnx::0_quantized").raw_data = b"\x00"


def _huge_shape(tiny: TinyOnnx) -> None:
    tiny.tensor("onnx::0_quantized").dims[:] = [2**62, 2**62]


def _negative_shape(tiny: TinyOnnx) -> None:
    tiny.tensor("onnx::0_quantized").dims[:] = [-HIDDEN, -HIDDEN]


def _other_file(tiny: TinyOnnx) -> None:
    tiny.tensor("classifier.bias").data_location = 1


def _half_precision(tiny: TinyOnnx) -> None:
    tiny.tensor("classifier.bias").data_type = 10


def _infinite(tiny: TinyOnnx) -> None:
    tiny.tensor("onnx::0_scale").raw_data = np.float32(np.inf).tobytes()


def _missing_layer(tiny: TinyOnnx) -> None:
    product = next(node for node in tiny.model.graph.node if node.name == QUERY)
    product.op_type = "MatMul"


def _wrong_shape(tiny: TinyOnnx) -> None:
    tiny.tensor("bert.embeddings.LayerNorm.bias").dims[:] = [2, HIDDEN // 2]


def _roberta(tiny: TinyOnnx) -> None:
    tiny.node("CumSum", "/roberta/embeddings/CumSum", "mask")


def _no_heads(tiny: TinyOnnx) -> None:
    tiny.tensor("heads").name = "other"


def _unknown_activation(tiny: TinyOnnx) -> None:
    next(node for node in tiny.model.graph.node if node.op_type == "Erf").op_type = "Sin"


def _two_epsilons(tiny: TinyOnnx) -> None:
    tiny.array("another", np.float32(1e-3), 1)
    tiny.node("Add", "/bert/other/LayerNorm/Add", "variance", "another")


def _no_words(tiny: TinyOnnx) -> None:
    tiny.tensor("bert.embeddings.word_embeddings.weight_quantized").name = "other"


def _float_words(tiny: TinyOnnx) -> None:
    _no_words(tiny)
    tiny.array("bert.embeddings.word_embeddings.weight", np.float32(1), 1)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_scale, "onnx::0_scale is missing"),
        (_scale_per_row, "has scales of shape"),
        (_short_data, "holds 1 bytes"),
        (_huge_shape, "is not what its shape"),
        (_negative_shape, "is not what its shape"),
        (_other_file, "classifier.bias is kept outside"),
        (_half_precision, "of a number type that is not read"),
        (_infinite, "is not finite"),
        (_missing_layer, "query.weight is missing"),
        (_wrong_shape, "bias has shape"),
        (_roberta, "as RoBERTa does"),
        (_no_heads, "attention heads"),
        (_unknown_activation, "its activation is not known"),
        (_two_epsilons, "epsilon"),
        (_float_words, "word_embeddings.weight is missing"),
        (_no_words, "word_embeddings.weight is missing"),
    ],
)
def test_a_graph_that_is_no_quantised_bert_is_refused_with_the_reason(
    tmp_path: Path, spoil: Callable[[TinyOnnx], None], said: str
) -> None:
    tiny = TinyOnnx()
    spoil(tiny)

    with pytest.raises(StartupError, match=said):
        read(tiny.write(tmp_path))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x3a\x00", b"\xff" * 100])
def test_a_file_that_is_no_onnx_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(StartupError, match=r"model\.onnx: no weights can be read"):
        read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="No such file"):
        read(tmp_path / "model.onnx")


def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    path = TinyOnnx().write(tmp_path)
    whole = path.read_bytes()
    choices = random.Random(0)
    refused = 0
    for _ in range(2000):
        spoiled = bytearray(whole[: choices.choice([len(whole), choices.randrange(len(whole))])])
        for _ in range(choices.randrange(1, 4)):
            if spoiled:
                spoiled[choices.randrange(len(spoiled))] = choices.randrange(256)
        path.write_bytes(spoiled)
        try:
            read(path)
        except StartupError:
            refused += 1

    assert refused > 1000
