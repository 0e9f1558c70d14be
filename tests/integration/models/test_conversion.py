"""Models that the graph builder does not know: torch converts them once, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from services.common.errors import StartupError, Unbuildable
from services.embedding.backends.bi_encoder import KIND
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.backends.network import ModelFacts, Opened
from services.models.backends.openvino import conversion as openvino_conversion
from services.models.backends.openvino import loading as openvino_loading
from services.models.backends.openvino.files import Graph, Wanted, folder_of, read, write
from services.models.backends.openvino.runtime import openvino
from services.models.backends.torch import pipeline as torch_pipeline
from services.models.models import Tokens, revision
from services.reranking.app import TASK as RERANKING
from services.reranking.settings import RerankingModelSettings, RerankingSettings
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

BATCH = [Tokens(ids=(101, 7, 102), type_ids=(0, 0, 0)), Tokens(ids=(101, 9, 8, 102), type_ids=(0, 0, 0, 0))]
SETTINGS = EmbeddingSettings(threads=1, replicas=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_unknown(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def wanted(source: Path) -> Wanted:
    return Wanted(output=KIND.output, revision=revision(source), options={"pooling": ""})


@pytest.fixture(scope="module")
def first_folder(source: Path, wanted: Wanted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with the conversion, made by a service of its own process."""
    models_dir = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOLANE_MODELS_DIR", str(models_dir))
        load(source).network.close()
    return models_dir


@pytest.fixture
def models_dir(first_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that a test may spoil."""
    copy = tmp_path / "models"
    shutil.copytree(first_folder, copy)
    monkeypatch.setenv("ISOLANE_MODELS_DIR", str(copy))
    return copy


@pytest.fixture
def empty_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models without any."""
    monkeypatch.setenv("ISOLANE_MODELS_DIR", str(tmp_path / "empty"))
    return tmp_path / "empty"


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))


def load(source: Path, *, dtype: str = "float32") -> Opened:
    model = EmbeddingModelSettings(id="owner/tiny", source=f"path:{source}", dtype=dtype)
    return openvino_loading.load(SETTINGS, model, folder=source, kind=KIND)


def vectors(loaded: Opened) -> np.ndarray:
    return loaded.network.compute(loaded.network.prepare(BATCH), alone=True)


@pytest.mark.usefixtures("models_dir", "no_process")
def test_vectors_are_those_of_sentence_transformers(source: Path) -> None:
    reference = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    loaded = load(source)
    texts = ["the axis is tilted", "light " * 60, "a"]
    ids = reference.tokenizer(texts, truncation=True, max_length=tiny_models.MAX_TOKENS)["input_ids"]

    batch = [Tokens(ids=tuple(one), type_ids=(0,) * len(one)) for one in ids]
    found = loaded.network.compute(loaded.network.prepare(batch), alone=True)

    assert loaded.dtype == "float32"
    assert np.abs(found - reference.encode(texts)).max() < 1e-4
    assert np.ptp(found, axis=0).max() > 0.1, "vectors that are all alike prove nothing"


@pytest.mark.usefixtures("no_process")
def test_a_conversion_is_kept_whole_and_read_the_second_time(source: Path, wanted: Wanted, models_dir: Path) -> None:
    folder = folder_of(models_dir, "owner/tiny", wanted)

    assert np.allclose(vectors(load(source)), vectors(load(source)), atol=1e-6)
    assert folder == models_dir / "openvino" / f"owner-tiny-{wanted.revision}"
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "model.bin", "model.xml", "tokenizer.json"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


SERVICE = """
import sys
from services.common.telemetry.logs import configure_logs
from services.embedding.backends.base import InputType
from services.embedding.app import TASK
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings

configure_logs("embedding", "info")
model = EmbeddingModelSettings(id="tiny", source=f"path:{sys.argv[1]}")
backend = TASK.load(EmbeddingSettings(backend="openvino", threads=1), model)
shape = backend.compute(backend.prepare(backend.tokenize(["a"], InputType.PLAIN)), alone=True).shape
heavy = {"torch", "transformers", "sentence_transformers", "nncf", "onnx", "onnxruntime"}
print("RESULT", shape, sorted(heavy & set(sys.modules)))
"""


def test_the_service_itself_does_not_import_torch(source: Path, empty_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, str(source)], capture_output=True, text=True, check=False, timeout=200
    )

    assert f"RESULT (1, {tiny_models.DIMENSIONS}) []" in done.stdout, done.stderr
    assert "model_converted" in done.stderr
    assert len(list((empty_dir / "openvino").iterdir())) == 1


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
    manifest["made_for"]["openvino"] += ".1"
    (folder / "manifest.json").write_text(json.dumps(manifest))


SPOILS = [cut_weights, change_weights, remove_tokenizer, empty_manifest, no_manifest, other_release]


@pytest.mark.parametrize("spoil", SPOILS)
def test_files_that_are_not_what_was_written_are_made_anew(
    source: Path, wanted: Wanted, models_dir: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    folder = folder_of(models_dir, "owner/tiny", wanted)
    good = read(folder, wanted)
    assert good is not None
    kept = Graph(model=openvino.Core().read_model(good.model), tokenizer=good.tokenizer, facts=good.facts)
    converted: list[str] = []

    def convert(model_id: str, *_: object) -> None:
        converted.append(model_id)
        write(folder, wanted, kept)

    monkeypatch.setattr(openvino_conversion, "_convert", convert)
    expected = vectors(load(source))
    spoil(folder)

    again = vectors(load(source))
    load(source)

    assert converted == ["owner/tiny"]
    assert np.allclose(again, expected, atol=1e-6)


def test_another_model_or_output_is_another_conversion(wanted: Wanted, models_dir: Path) -> None:
    folder = folder_of(models_dir, "owner/tiny", wanted)

    assert read(folder, wanted) is not None
    assert read(folder, replace(wanted, revision="another")) is None
    assert read(folder, replace(wanted, output="scores")) is None


def convert(model_id: str, source: Path, target: Path) -> int:
    """What the process of a conversion does."""
    wanted = Wanted(output=KIND.output, revision="r", options={})
    return openvino_conversion.main([model_id, str(source), KIND.pipeline, json.dumps(asdict(wanted)), str(target)])


def test_where_nothing_can_be_written_the_error_names_the_folder_of_models(
    source: Path, wanted: Wanted, empty_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty_dir.mkdir()
    (empty_dir / "openvino").write_text("in the way")
    target = folder_of(empty_dir, "owner/tiny", wanted)

    status = convert("owner/tiny", source, target)

    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 1
    assert last.startswith(f"model owner/tiny: {target} cannot be written (")
    assert last.endswith("name another ISOLANE_MODELS_DIR")
    assert (empty_dir / "openvino").read_text() == "in the way"


def test_a_disk_that_fills_up_is_told_and_leaves_nothing_behind(
    source: Path, wanted: Wanted, empty_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("no space left on device")

    monkeypatch.setattr("services.models.backends.openvino.files.openvino.save_model", full)
    target = folder_of(empty_dir, "owner/tiny", wanted)

    status = convert("owner/tiny", source, target)

    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 1
    assert last.startswith(f"model owner/tiny: {target} cannot be written (no space left on device)")
    assert last.endswith("ISOLANE_MODELS_DIR")
    assert list((empty_dir / "openvino").iterdir()) == []


class Unknown(torch.nn.Module):
    """Does something for which OpenVINO has no rule."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        vectors = features[KIND.output]
        return {**features, KIND.output: vectors * torch.nn.functional.cosine_similarity(vectors, vectors)[:, None]}


def test_a_pipeline_that_openvino_cannot_express_is_an_error_of_one_line(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = torch_pipeline.open_pipeline

    def opened(*arguments: Any, **more: Any) -> Any:
        pipeline = right(*arguments, **more)
        pipeline.module.append(Unknown())
        return pipeline

    monkeypatch.setattr(torch_pipeline, "open_pipeline", opened)

    status = convert("m", source, tmp_path / "to")

    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 1
    assert last.startswith("model m: OpenVINO cannot express it (")
    assert last.endswith("set the backend to torch")


def child(code: str, monkeypatch: pytest.MonkeyPatch, *, longest_s: float = 60.0) -> None:
    """Have some code run in place of the conversion."""
    run = subprocess.run
    monkeypatch.setattr(openvino_conversion, "_LONGEST_S", longest_s)
    monkeypatch.setattr(subprocess, "run", lambda _command, **options: run([sys.executable, "-c", code], **options))


@pytest.mark.usefixtures("empty_dir")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, sys; print('a warning', file=sys.stderr, flush=True); os.kill(os.getpid(), 9)", r"signal 9; .*"),
        ("raise ValueError('a size of none')", "ValueError: a size of none"),
        ("raise SystemExit(3)", "exit status 3"),
    ],
)
def test_a_conversion_that_dies_is_a_clear_error(
    source: Path, code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    child(code, monkeypatch)

    with pytest.raises(StartupError, match=rf"^model owner/tiny: torch could not convert it \(.*{words}\)$"):
        load(source)


@pytest.mark.usefixtures("empty_dir")
def test_a_conversion_that_takes_too_long_is_ended(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child("import time; time.sleep(100)", monkeypatch, longest_s=1.0)

    started_s = time.monotonic()
    with pytest.raises(StartupError, match="model owner/tiny: its conversion took over 1 s; set the backend to torch"):
        load(source)

    assert time.monotonic() - started_s < 20


@pytest.mark.usefixtures("empty_dir")
def test_a_conversion_that_leaves_nothing_is_a_clear_error(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child("", monkeypatch)

    with pytest.raises(StartupError, match=r"its conversion in .* cannot be read; remove it and try again"):
        load(source)


PARENT = """
import sys
from pathlib import Path
from services.models.backends.openvino import conversion
from services.models.backends.openvino.files import Wanted

slow = "tests.integration.models.slow_pipeline"
conversion._convert("m", Path(sys.argv[1]), slow, Wanted(output="o", revision="r", options={}), Path("/none"))
"""


def test_a_conversion_ends_with_the_service_that_waits_for_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(told)], env=environment) as parent:
        wait_until(lambda: told.is_file() and told.read_text().isdigit())
        process = Path("/proc") / told.read_text()
        assert process.exists()

        parent.send_signal(signal.SIGKILL)

    wait_until(lambda: not process.exists() or "\nState:\tZ" in (process / "status").read_text())


def wait_until(holds: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends_s, "it did not come to be within a minute"
        time.sleep(0.05)


@pytest.mark.usefixtures("empty_dir", "no_process")
def test_without_torch_the_error_names_the_extra(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_loading, "find_spec", lambda _name: None)

    with pytest.raises(Unbuildable, match=r"'electra' is not known to the graph builder .* install the extra `torch`"):
        load(source)


@pytest.mark.usefixtures("empty_dir", "no_process")
def test_int8_of_what_only_torch_knows_is_refused(source: Path) -> None:
    with pytest.raises(StartupError, match="or another dtype: what torch converts is not rounded to int8"):
        load(source, dtype="int8")


@pytest.mark.usefixtures("empty_dir")
def test_a_cross_encoder_is_converted_too_and_damaged_files_are_told_by_name(tmp_path: Path) -> None:
    folder = tiny_models.make_unknown(tmp_path / "cross", scores=True)
    settings = RerankingSettings(backend="openvino", threads=1)
    model = RerankingModelSettings(id="tiny", source=f"path:{folder}", dtype="float32")

    backend = RERANKING.load(settings, model)
    scores = backend.compute(backend.prepare([Tokens(ids=(101, 7, 102, 8, 102), type_ids=(0, 0, 0, 1, 1))]), alone=True)
    tiny_models.damage(folder, "cut")

    assert scores.shape == (1,)
    with pytest.raises(StartupError, match=r"^model tiny: .*cross cannot be loaded"):
        RERANKING.load(settings, model)


def test_facts_come_back_as_they_were_written(models_dir: Path, wanted: Wanted) -> None:
    found = read(folder_of(models_dir, "owner/tiny", wanted), wanted)

    assert found is not None
    assert found.facts == ModelFacts(
        max_tokens=tiny_models.MAX_TOKENS,
        dimensions=tiny_models.DIMENSIONS,
        vocabulary=30_522,
        pad_id=0,
        has_types=True,
        keeps_end=False,
    )
