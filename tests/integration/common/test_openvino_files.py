"""Conversions on disk: made once, used while they fit, and never in the way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from services.common.devices import openvino_loading
from services.common.devices.network import Loaded, OpenPipeline, Pipeline
from services.common.devices.openvino_files import folder_of, read
from services.common.devices.openvino_wanted import Wanted
from services.common.errors import StartupError
from services.common.models import Tokens, revision
from services.embedding.backends.bi_encoder import OUTPUT, opener_of
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

BATCH = [Tokens(ids=(101, 7, 102)), Tokens(ids=(101, 9, 8, 102))]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_bi_encoder(tmp_path_factory.mktemp("tiny"))


class Opened:
    """Counts how often a model is loaded with torch."""

    def __init__(self, folder: Path) -> None:
        self.count = 0
        self._open: OpenPipeline = opener_of("tiny", folder)

    def __call__(self, *, device: str, dtype: str) -> Pipeline:
        self.count += 1
        return self._open(device=device, dtype=dtype)


@pytest.fixture
def opened(source: Path) -> Opened:
    return Opened(source)


@pytest.fixture
def wanted(source: Path) -> Wanted:
    return Wanted(output=OUTPUT, revision=revision(source), dtype="float32")


def load(wanted: Wanted, opened: Opened, models_dir: Path) -> Loaded:
    return openvino_loading.load("owner/tiny", wanted, opened, models_dir=models_dir, threads=1, replicas=1)


def vectors(loaded: Loaded) -> np.ndarray:
    return loaded.network.compute(loaded.network.prepare(BATCH), alone=True)


@pytest.mark.timeout(60)
def test_who_computes_with_a_closed_model_does_not_wait_for_ever(
    wanted: Wanted, opened: Opened, tmp_path: Path
) -> None:
    loaded = load(wanted, opened, tmp_path)
    loaded.network.close()

    for _ in range(2):
        with pytest.raises(RuntimeError, match="the model was closed"):
            vectors(loaded)


def test_a_model_is_converted_once_and_then_read(wanted: Wanted, opened: Opened, tmp_path: Path) -> None:
    first, second = load(wanted, opened, tmp_path), load(wanted, opened, tmp_path)

    folder = folder_of(tmp_path, "owner/tiny", wanted)
    assert opened.count == 1
    assert folder == tmp_path / "openvino" / f"owner-tiny-{wanted.revision}-float32"
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "model.bin", "model.xml", "tokenizer.json"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert np.allclose(vectors(first), vectors(second), atol=1e-6)
    assert first.facts == second.facts
    assert first.tokenizer.to_str() == second.tokenizer.to_str()


def cut_weights(folder: Path) -> None:
    weights = folder / "model.bin"
    weights.write_bytes(weights.read_bytes()[:-1])


def change_weights(folder: Path) -> None:
    weights = folder / "model.bin"
    weights.write_bytes(bytes([weights.read_bytes()[0] ^ 1]) + weights.read_bytes()[1:])


def remove_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def empty_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def other_release(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["made_for"]["openvino"] = "2020.1"
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "spoil", [cut_weights, change_weights, remove_tokenizer, empty_manifest, no_manifest, other_release]
)
def test_files_that_are_not_what_was_written_are_made_anew(
    wanted: Wanted, opened: Opened, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    expected = vectors(load(wanted, opened, tmp_path))
    spoil(folder_of(tmp_path, "owner/tiny", wanted))

    again = vectors(load(wanted, opened, tmp_path))
    load(wanted, opened, tmp_path)

    assert np.allclose(again, expected, atol=1e-6)
    assert opened.count == 2


def test_another_model_or_number_type_is_another_conversion(wanted: Wanted, opened: Opened, tmp_path: Path) -> None:
    load(wanted, opened, tmp_path)
    folder = folder_of(tmp_path, "owner/tiny", wanted)

    assert read(folder, wanted) is not None
    assert read(folder, replace(wanted, revision="another")) is None
    assert read(folder, replace(wanted, dtype="int8")) is None
    assert read(folder, replace(wanted, output="scores")) is None


def test_where_nothing_can_be_written_the_model_is_served_from_memory(
    wanted: Wanted, opened: Opened, tmp_path: Path
) -> None:
    (tmp_path / "openvino").write_text("in the way")

    loaded = load(wanted, opened, tmp_path)

    assert vectors(loaded).shape == (2, tiny_models.DIMENSIONS)
    assert (tmp_path / "openvino").read_text() == "in the way"


def test_a_disk_that_fills_up_leaves_nothing_behind(
    wanted: Wanted, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("no space left on device")

    monkeypatch.setattr("services.common.devices.openvino_files.openvino.save_model", full)

    load(wanted, opened, tmp_path)

    assert list((tmp_path / "openvino").iterdir()) == []


def test_a_processor_that_cannot_compute_in_a_number_type_is_told_before_anything_is_loaded(
    wanted: Wanted, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_loading, "can_compute", lambda _dtype: False)

    with pytest.raises(StartupError, match="this processor has no instructions for bfloat16"):
        load(replace(wanted, dtype="bfloat16"), opened, tmp_path)

    assert opened.count == 0


class Unknown(torch.nn.Module):
    """Does something for which OpenVINO has no rule."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        vectors = features[OUTPUT]
        return {**features, OUTPUT: vectors * torch.nn.functional.cosine_similarity(vectors, vectors)[:, None]}


def test_a_pipeline_that_openvino_cannot_express_is_a_clear_error(
    wanted: Wanted, opened: Opened, tmp_path: Path
) -> None:
    def unknown(*, device: str, dtype: str) -> Pipeline:
        pipeline = opened(device=device, dtype=dtype)
        pipeline.module.append(Unknown())
        return pipeline

    with pytest.raises(StartupError, match=r"(?s)model owner/tiny: OpenVINO cannot express it .* to torch"):
        openvino_loading.load("owner/tiny", wanted, unknown, models_dir=tmp_path, threads=1, replicas=1)


FIRST_BATCHES = """
import builtins, sys, threading, time
from pathlib import Path
from services.common.devices.openvino_files import read
from services.common.devices.openvino_network import OpenVinoNetwork
from services.common.devices.openvino_wanted import Wanted
from services.common.models import Tokens

found = read(Path(sys.argv[1]), Wanted(output=sys.argv[2], revision=sys.argv[3], dtype="float32"))
network = OpenVinoNetwork(found.model, facts=found.facts, dtype="float32", threads=2, replicas=2)
prepared = network.prepare([Tokens(ids=(101, 7, 102))] * 20)
quick = builtins.__import__

def slow(*arguments, **more):
    time.sleep(0.2)
    return quick(*arguments, **more)

builtins.__import__ = slow
threads = [threading.Thread(target=network.compute, args=(prepared,), kwargs={"alone": False}) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
"""The binding imports numpy while it holds the lock of its table of types: slowly here, so that both threads meet."""


def test_the_first_two_batches_of_a_process_may_come_at_once(wanted: Wanted, opened: Opened, tmp_path: Path) -> None:
    """OpenVINO's binding locks up for ever when it is first used by two threads at once."""
    load(wanted, opened, tmp_path)
    folder = folder_of(tmp_path, "owner/tiny", wanted)

    done = subprocess.run(
        [sys.executable, "-c", FIRST_BATCHES, str(folder), wanted.output, wanted.revision], timeout=60, check=False
    )

    assert done.returncode == 0
