"""Docling's own layout model from a folder: a small one of its kind, with weights by chance."""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import RTDetrImageProcessorPil, RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

from services.common.errors import StartupError
from services.documents.backends.engines.base import Picture, RegionKind
from services.documents.backends.engines.calls import RemoteEngines
from services.documents.backends.engines.chosen import ModelsUnusable, region_finder
from services.documents.backends.engines.process import EnginesProcess
from services.documents.backends.pool import WorkerPool
from services.documents.settings import DocumentsSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]  # torch is imported, here and in the engines' process

NAME = "docling-project--docling-layout-heron"
CLASSES = [
    *("caption", "footnote", "formula", "list_item", "page_footer", "page_header", "picture", "section_header"),
    *("table", "text", "title", "document_index", "code", "checkbox_selected", "checkbox_unselected"),
    *("form", "key_value_region"),
]
"""Of Docling's model, in its order."""
KINDS = [
    *(RegionKind.FIGURE_CAPTION, RegionKind.FOOTNOTE, RegionKind.EQUATION, RegionKind.LIST_ITEM, RegionKind.FOOTER),
    *(RegionKind.HEADER, RegionKind.FIGURE, RegionKind.TITLE, RegionKind.TABLE, RegionKind.TEXT, RegionKind.TITLE),
    *(RegionKind.INDEX, RegionKind.CODE, RegionKind.TICKED_BOX, RegionKind.EMPTY_BOX, None, None),
]


def make(models: Path, classes: list[str]) -> Path:
    """A folder with a model that finds some of its queries surer than 0.3 and others not."""
    torch.manual_seed(1)
    backbone = RTDetrResNetConfig(  # type: ignore[call-arg]  # out_indices is taken out by hand
        embedding_size=16, hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1], layer_type="basic", out_indices=[2, 3, 4]
    )
    config = RTDetrV2Config(
        backbone_config=backbone,
        encoder_in_channels=[16, 32, 32],
        encoder_hidden_dim=32,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=32,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=32,
        decoder_layers=2,
        decoder_attention_heads=2,
        num_queries=80,
        id2label=dict(enumerate(classes)),
        label2id={name: label for label, name in enumerate(classes)},
    )
    model = RTDetrV2ForObjectDetection(config)
    torch.manual_seed(1)
    with torch.no_grad():
        for part in model.model.decoder.class_embed:
            part.weight.normal_(std=0.1)
            part.bias.fill_(-1.75)
        for part in model.model.decoder.bbox_embed:  # so that boxes reach out of the page
            part.layers[-1].bias.copy_(torch.tensor([0.0, 0.0, 2.0, 2.0]))
    model.save_pretrained(models / NAME)
    RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(models / NAME)
    return models


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("models"), CLASSES)


@pytest.fixture
def copied(models: Path, tmp_path: Path) -> Path:
    """The folder once more, to be changed."""
    shutil.copytree(models, tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture(scope="module")
def page() -> Picture:
    """Wider than high."""
    return np.random.default_rng(1).integers(0, 256, (120, 200, 3), np.uint8)


def told(models: Path, page: Picture) -> list[tuple[int, float, list[float]]]:
    """What the model's own outputs come to: class, score and box of the surest pairs of a query and a class."""
    model: Any = RTDetrV2ForObjectDetection.from_pretrained(models / NAME)
    values = np.asarray(Image.fromarray(page).resize((64, 64), Image.Resampling.BILINEAR), np.float32) / 255
    with torch.inference_mode():
        outputs = model.eval()(torch.from_numpy(values.transpose(2, 0, 1)[np.newaxis]))
    scores = 1 / (1 + np.exp(-outputs.logits[0].numpy()))
    surest = np.argsort(-scores, axis=None)[: len(scores)]
    found = []
    for query, label in zip(*np.unravel_index(surest, scores.shape), strict=True):
        x, y, width, height = outputs.pred_boxes[0, query].tolist()
        corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * [200, 120, 200, 120]
        found.append((int(label), float(scores[query, label]), corners.clip(0, [200, 120, 200, 120]).tolist()))
    return found


def test_regions_are_what_the_model_says_in_pixels_of_the_page(models: Path, page: Picture) -> None:
    expected = [one for one in told(models, page) if one[1] > 0.3 and KINDS[one[0]] is not None]

    found = region_finder(models, threads=1).regions(page)

    assert len({region.kind for region in found}) > 2
    assert [region.kind for region in found] == [KINDS[label] for label, _, _ in expected]
    assert [region.score for region in found] == pytest.approx([score for _, score, _ in expected], abs=1e-4)
    assert np.array([region.box for region in found]) == pytest.approx(np.array([box for *_, box in expected]), abs=0.1)


def test_some_of_what_the_model_says_is_too_unsure_and_some_is_no_region_of_its_own(
    models: Path, page: Picture
) -> None:
    everything = told(models, page)

    assert any(score <= 0.3 for _, score, _ in everything)
    assert any(score > 0.3 and KINDS[label] is None for label, score, _ in everything)


def test_classes_are_told_by_name_so_that_numbers_may_begin_with_a_background(
    models: Path, page: Picture, copied: Path
) -> None:
    config = json.loads((copied / NAME / "config.json").read_text())
    shifted = ["Background", *(name.replace("_", "-").capitalize() for name in CLASSES[:16])]
    config["id2label"] = {str(label): name for label, name in enumerate(shifted)}
    (copied / NAME / "config.json").write_text(json.dumps(config))
    expected = [[None, *KINDS][label] for label, score, _ in told(models, page) if score > 0.3]

    found = region_finder(copied, threads=1).regions(page)

    assert [region.kind for region in found] == [kind for kind in expected if kind is not None]


def test_a_file_without_what_is_no_weight_is_whole(models: Path, page: Picture, copied: Path) -> None:
    weights = load_file(copied / NAME / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.endswith(("_scale", "_tracked"))}
    save_file(kept, copied / NAME / "model.safetensors", metadata={"format": "pt"})

    found = region_finder(copied, threads=1).regions(page)

    assert len(kept) < len(weights)
    assert found == region_finder(models, threads=1).regions(page)


def test_every_class_of_doclings_is_known() -> None:
    heron = importlib.import_module("services.documents.backends.engines.heron")

    assert [heron._kind(name) for name in CLASSES] == KINDS


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def unnamed(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "id2label": {"0": "cat"}, "label2id": {"cat": 0}}))


def deeper(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "decoder_layers": 3}))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: shutil.rmtree(folder.parent), "models is no folder"),
        (shutil.rmtree, f"models holds no {NAME};"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), f"holds no {NAME}/preprocessor_config.json;"),
        (cut, f"models/{NAME} cannot be loaded .SafetensorError"),
        (lambda folder: (folder / "config.json").write_text("{"), f"models/{NAME} cannot be loaded"),
        (deeper, r"lacks \d+ weights"),
        (unnamed, "cannot be loaded"),
    ],
)
def test_a_folder_that_cannot_be_used_says_which_and_what_to_do(copied: Path, damage: Any, problem: str) -> None:
    damage(copied / NAME)

    with pytest.raises(ModelsUnusable, match=problem) as caught:
        region_finder(copied, threads=1)

    assert "set page_models_dir to what `docling-tools models download -o FOLDER layout` made" in str(caught.value)


def test_without_torch_the_extra_is_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "services.documents.backends.engines.heron", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(ModelsUnusable, match=r"needs torch and transformers .*; install the extra `torch`, or unset"):
        region_finder(models, threads=1)


async def test_the_process_of_the_engines_finds_regions_with_it(models: Path, page: Picture) -> None:
    engines = EnginesProcess(log_level="info", start_s=120, page_models=models)
    loop = asyncio.get_running_loop()
    remote = RemoteEngines(lambda call: asyncio.run_coroutine_threadsafe(engines.ask(call), loop).result())
    try:
        found = await asyncio.to_thread(remote.regions, page)
        cells = await asyncio.to_thread(remote.cells, page)
    finally:
        engines.kill("stopped")
        await engines.ended()

    assert found == region_finder(models, threads=1).regions(page)
    assert isinstance(cells, list)


async def test_a_service_that_cannot_use_the_folder_does_not_start(tmp_path: Path) -> None:
    settings = DocumentsSettings(page_models_dir=tmp_path / "nowhere")

    with pytest.raises(StartupError, match=r"documents: page_models_dir: .*nowhere is no folder; set page_models_dir"):
        await WorkerPool(settings).__aenter__()
