"""What the graph builder says of models that it does not know and of files that are damaged: nothing else is raised."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from services.common.errors import StartupError, Unbuildable
from services.models.backends.openvino.graph.build import build_bi_encoder, build_cross_encoder
from tests.contract.tiny_architectures import VARIANTS, add_modules, change_json, write_json

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch

Change = Callable[[Path], Any]
SIZES = {"embedding_dimension": 36}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("templates")
    made = {name: VARIANTS[name].make_bi_encoder(folder / name) for name in ("bert", "mpnet", "modernbert")}
    return made | {
        f"{name} scores": VARIANTS[name].make_cross_encoder(folder / f"{name} scores", labels=2)
        for name in ("bert", "modernbert")
    }


@pytest.fixture
def copy(templates: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copytree(templates[name], tmp_path / "model"))


def config(**entries: Any) -> Change:
    return lambda folder: change_json(folder / "config.json", **entries)


def modules(*wanted: tuple[str, dict[str, Any]]) -> Change:
    return lambda folder: add_modules(folder, *wanted)


def module_of(kind: str, path: str = "1_Pooling") -> Change:
    def change(folder: Path) -> None:
        add_modules(folder, ("Pooling", SIZES))
        listed = json.loads((folder / "modules.json").read_text())
        listed[1] |= {"type": kind, "path": path}
        write_json(folder / "modules.json", listed)

    return change


def weights(**changed: Any) -> Change:
    """Change tensors, or take them away with None; the names' dots are written as two underscores."""

    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        found = load_file(path) | {name.replace("__", "."): array for name, array in changed.items()}
        save_file({name: array for name, array in found.items() if array is not None}, path)

    return change


def content(name: str, text: str | bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)


def without(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def cut(name: str, length: int) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:length])


def sharded(place: str) -> Change:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
        write_json(folder / "model.safetensors.index.json", {"weight_map": {"embeddings.LayerNorm.weight": place}})

    return change


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def pickled_beside_onnx(folder: Path) -> None:
    pickled(folder)
    (folder / "model.onnx").write_bytes(b"a graph in float32")


def tokenizer_with_more_ids(folder: Path) -> None:
    path = folder / "tokenizer.json"
    found = Tokenizer.from_file(str(path))
    found.add_tokens(["beyond"])
    found.save(str(path))


UNKNOWN: list[tuple[str, Change, str]] = [
    (
        "bert",
        config(model_type="t5"),
        "the architecture 't5' is not known to the graph builder (it knows bert, roberta",
    ),
    ("bert", config(hidden_act="mish"), "the activation 'mish'"),
    ("bert", config(position_embedding_type="relative_key"), "the position embedding type 'relative_key'"),
    ("bert", config(auto_map={"AutoModel": "x--y.Z"}), "the setting 'auto_map'"),
    ("bert", config(quantization_config={"bits": 4}), "the setting 'quantization_config'"),
    ("bert", config(is_decoder=True), "the setting 'is_decoder'"),
    ("bert", pickled, "the file 'pytorch_model.bin'"),
    ("bert", pickled_beside_onnx, "the file 'pytorch_model.bin' is not known to the graph builder"),
    ("modernbert", config(layer_types=[["full_attention"]] * 5), "the layer type \"['full_attention']\""),
    ("bert", modules(("Pooling", SIZES), ("Normalize", {"module_input_name": ["x"]})), "the setting module_input_name"),
    ("modernbert", config(rope_scaling={"type": "yarn"}), "the setting 'rope_scaling'"),
    ("modernbert", config(rope_parameters={"full_attention": {"rope_type": "yarn"}}), "the rotation 'yarn'"),
    ("modernbert", config(layer_types=["chunked_attention"] * 5), "the layer type 'chunked_attention'"),
    ("modernbert", config(num_attention_heads=4), "a rotation of an odd number of values (9)"),
    ("bert", modules(("Pooling", {**SIZES, "pooling_mode": "max"})), "the pooling 'max'"),
    ("bert", modules(("Pooling", {**SIZES, "pooling_mode": ["cls", "mean"]})), "the pooling 'cls+mean'"),
    ("bert", modules(("Pooling", {"pooling_mode_weightedmean_tokens": True})), "the pooling 'weightedmean'"),
    ("bert", modules(), "the module None after the transformer"),
    ("bert", modules(("LSTM", {})), "the module 'LSTM' after the transformer"),
    ("bert", modules(("Pooling", SIZES), ("CNN", {})), "the module 'CNN' after pooling"),
    ("bert", module_of("custom_st.Pooling"), "the module 'custom_st.Pooling', which is code of its own,"),
    ("bert", modules(("Pooling", SIZES), ("Dense", {"use_residual": True})), "the setting use_residual 'True'"),
    ("bert", modules(("Pooling", SIZES), ("Dense", {})), "a Dense module without model.safetensors"),
    ("bert", modules(("Pooling", SIZES), ("Normalize", {"module_input_name": "x"})), "the setting module_input_name"),
    ("modernbert scores", config(classifier_pooling="max"), "the classifier's pooling 'max'"),
    ("bert scores", modules(("Dense", {})), "the module 'Dense' of a cross-encoder"),
]

DAMAGED: list[tuple[str, Change, str]] = [
    ("bert", without("model.safetensors"), "it has no model.safetensors"),
    ("bert", without("config.json"), "it has no config.json"),
    ("bert", without("tokenizer.json"), "it has no fast tokenizer (tokenizer.json)"),
    ("bert", content("config.json", "{"), "config.json: Expecting"),
    ("bert", content("config.json", "[]"), "config.json holds no JSON object"),
    ("bert", content("config.json", "[" * 100_000), "config.json: maximum recursion depth"),
    ("bert", content("config.json", b"\xff\xfe\xff"), "config.json: 'utf-"),
    ("bert", content("tokenizer.json", '{"model": 1}'), "tokenizer.json: "),
    ("bert", content("tokenizer_config.json", "[]"), "tokenizer_config.json holds no JSON object"),
    ("bert", content("modules.json", "{}"), "modules.json holds no list of modules"),
    ("bert", content("modules.json", "[1]"), "modules.json: an entry has no type or no path"),
    ("bert", cut("model.safetensors", 0), "model.safetensors: "),
    ("bert", cut("model.safetensors", 1000), "model.safetensors: "),
    ("bert", cut("model.safetensors", 20_000), "model.safetensors: "),
    ("bert", content("model.safetensors", b"\xff" * 5000), "model.safetensors: "),
    ("bert", weights(embeddings__LayerNorm__weight=None), "the weights have no embeddings.LayerNorm.weight"),
    ("bert", weights(embeddings__LayerNorm__bias=np.zeros(35, np.float32)), "has shape (35,), not (36,)"),
    ("bert", weights(embeddings__LayerNorm__bias=np.zeros(36, np.int64)), "is stored as I64"),
    ("bert", config(num_hidden_layers=3), "the weights have no encoder.layer.2.attention.self.query.weight"),
    ("bert", config(num_hidden_layers=10**9), "num_hidden_layers is '1000000000', not a whole number from 0 to"),
    ("bert", config(num_attention_heads=0), "num_attention_heads is '0'"),
    ("bert", config(num_attention_heads=5), "5 attention heads do not divide 36 values"),
    ("bert", config(layer_norm_eps="x"), "layer_norm_eps is 'x', not a number above 0"),
    ("bert", config(hidden_size=72), "has shape (57, 36), not (57, 72)"),
    ("mpnet", config(max_position_embeddings=2**30), "has shape (182, 36), not (1073741824, 36)"),
    ("modernbert", config(layer_types=["full_attention"]), "layer_types does not name 5 layers"),
    ("bert", sharded("../outside.safetensors"), "'../outside.safetensors' is no file of the folder"),
    ("bert", sharded("missing.safetensors"), "'missing.safetensors' is no file of the folder"),
    ("bert", module_of("sentence_transformers.models.Pooling", "../outside"), "'../outside' is out of the folder"),
    ("bert", module_of("sentence_transformers.models.Pooling", "/etc"), "'/etc' is out of the folder"),
    (
        "bert",
        modules(("Pooling", {"embedding_dimension": 35})),
        "embedding_dimension is 35, and the transformer gives 36",
    ),
    ("bert", tokenizer_with_more_ids, "its tokenizer gives ids up to 57, and the table of words has 57 rows"),
    ("bert scores", weights(classifier__weight=None), "the weights have no classifier.weight"),
    (
        "bert scores",
        config(id2label={"0": "a", "1": "b", "2": "c"}),
        "classifier.weight has shape (2, 36), not (3, 36)",
    ),
]


def build(name: str, folder: Path) -> None:
    (build_cross_encoder if name.endswith("scores") else build_bi_encoder)("named", folder, int8=True)


@pytest.mark.parametrize(("name", "change", "what"), UNKNOWN, ids=[what for _, _, what in UNKNOWN])
def test_what_is_not_known_names_the_extra_that_may_know_it(
    name: str, change: Change, what: str, copy: Callable[[str], Path]
) -> None:
    change(folder := copy(name))

    with pytest.raises(Unbuildable) as caught:
        build(name, folder)

    assert str(caught.value).startswith("model named: ")
    assert what in str(caught.value)
    assert "is not known to the graph builder" in str(caught.value)
    assert "install the extra `torch`, which knows more: pip install 'isolane[torch]'" in str(caught.value)


@pytest.mark.parametrize(("name", "change", "what"), DAMAGED, ids=[what for _, _, what in DAMAGED])
def test_damaged_files_are_told_with_what_is_wrong(
    name: str, change: Change, what: str, copy: Callable[[str], Path]
) -> None:
    change(folder := copy(name))

    with pytest.raises(StartupError) as caught:
        build(name, folder)

    assert str(caught.value).startswith(f"model named: {folder} cannot be loaded (")
    assert what in str(caught.value)
    assert str(caught.value).endswith("; check its files")


def test_weights_that_are_not_finite_are_not_rounded(copy: Callable[[str], Path]) -> None:
    weights(pooler__dense__bias=None, encoder__layer__0__output__dense__weight=np.full((36, 44), np.inf, np.float32))(
        folder := copy("bert")
    )

    with pytest.raises(StartupError, match="numbers that are not finite"):
        build("bert", folder)


@pytest.mark.parametrize(("named", "what"), [(["BertModel"], "BertModel"), (None, "bare encoder")])
def test_an_encoder_without_a_trained_head_gives_no_scores(
    named: list[str] | None, what: str, copy: Callable[[str], Path]
) -> None:
    change_json((folder := copy("bert")) / "config.json", architectures=named)

    with pytest.raises(StartupError, match=f"holds a {what}, which gives no scores: use a cross-encoder"):
        build_cross_encoder("named", folder, int8=False)


@pytest.mark.parametrize("name", ["bert", "modernbert scores"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "sentence_bert_config.json"])
def test_no_setting_whatever_it_says_raises_anything_else(name: str, file: str, copy: Callable[[str], Path]) -> None:
    path = copy(name) / file
    known = json.loads(path.read_text()) if path.is_file() else {"max_seq_length": 9, "do_lower_case": True}
    add_modules(path.parent, *([] if name.endswith("scores") else [("Pooling", SIZES)]))
    values = [-1, 0, 1e400, 10**400, "x", "", True, None, [], [[]], {}, {"a": []}]

    told = [outcome(name, path, {**known, key: value}) for key in known for value in values]

    assert {one.partition(" ")[0] for one in told} <= {"built", "model"}
    assert any(one.startswith("model named: ") for one in told)


def outcome(name: str, path: Path, settings: dict[str, Any]) -> str:
    write_json(path, settings)
    try:
        build(name, path.parent)
    except StartupError as exc:
        return str(exc)
    return "built"
