"""`auto`: bfloat16 where the processor computes it and the model loses little, else float32; and what losses tell."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import DeviceMemoryFull, StartupError
from services.common.testing.logs import captured_logs
from services.embedding.backends import bi_encoder
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.backends import losses
from services.models.backends.choice import Choice
from services.models.backends.kind import Kind, Loss
from services.models.backends.loading import load_parts
from services.models.backends.openvino import loading as openvino_loading
from services.models.backends.openvino.network import OpenVinoNetwork, can_compute
from services.models.settings import ModelSettings
from services.reranking.backends import cross_encoder
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

SETTINGS = EmbeddingSettings(threads=1, replicas=1)
CPU = Choice(backend="openvino", device="cpu")


@pytest.fixture(autouse=True)
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLANE_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_bi_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, OpenVinoNetwork]]:
    """Every network that is made, with its number type; in truth all in float32, as this processor may lack others."""
    made: list[tuple[str, OpenVinoNetwork]] = []

    def make(graph: Any, *, dtype: str, **options: Any) -> OpenVinoNetwork:
        network = OpenVinoNetwork(graph, dtype="float32", **options)
        made.append((dtype, network))
        return network

    monkeypatch.setattr(openvino_loading, "OpenVinoNetwork", make)
    return made


def processor(monkeypatch: pytest.MonkeyPatch, *, has_bfloat16: bool) -> None:
    monkeypatch.setattr(openvino_loading, "can_compute", lambda dtype: dtype != "bfloat16" or has_bfloat16)


def kind(*, is_small: bool) -> Kind:
    return replace(bi_encoder.KIND, loss=lambda _exact, _fast: Loss(is_small=is_small, text="so much"))


def load(folder: Path, kind: Kind, *, dtype: str = "auto", pooling: str = "") -> Any:
    model = EmbeddingModelSettings(id="tiny", source=f"path:{folder}", dtype=dtype, pooling=pooling)
    return load_parts(SETTINGS, model, CPU, folder=folder, kind=kind)


@pytest.mark.parametrize(("is_small", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_the_loss_decides_and_what_was_tried_is_closed(
    folder: Path,
    opened: list[tuple[str, OpenVinoNetwork]],
    is_small: bool,
    dtype: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor(monkeypatch, has_bfloat16=True)

    with captured_logs() as logs:
        parts = load(folder, kind(is_small=is_small))

    *tried, taken = opened
    assert parts.info.dtype == dtype
    assert taken == (dtype, parts.network)
    [line] = logs.lines()
    said = {"event": "dtype_chosen", "level": "info", "model": "tiny", "dtype": dtype, "bfloat16": "so much"}
    assert line.items() >= said.items()
    assert [name for name, _ in tried] == ["float32", "bfloat16"]
    assert parts.network.compute(parts.network.prepare(parts.tokenizer.texts(["a"])), alone=True).shape == (1, 32)
    for _, network in tried:
        with pytest.raises(RuntimeError, match="the model was closed"):
            network.compute(network.prepare(parts.tokenizer.texts(["a"])), alone=True)


def test_what_was_measured_once_is_not_measured_again_until_something_else_is_asked_for(
    folder: Path, opened: list[tuple[str, OpenVinoNetwork]], models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch, has_bfloat16=True)
    load(folder, kind(is_small=True))
    before = len(opened)

    again = load(folder, kind(is_small=False)).info.dtype
    after = len(opened)
    other = load(folder, kind(is_small=False), pooling="cls").info.dtype

    assert (again, after - before) == ("bfloat16", 1)
    assert (other, len(opened) - after) == ("float32", 3)
    assert [path.name for path in models_dir.iterdir()] == ["dtypes.json"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}'])
def test_verdicts_that_cannot_be_read_are_measured_again(
    folder: Path,
    opened: list[tuple[str, OpenVinoNetwork]],
    models_dir: Path,
    content: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor(monkeypatch, has_bfloat16=True)
    models_dir.mkdir()
    (models_dir / "dtypes.json").write_text(content)

    assert load(folder, kind(is_small=True)).info.dtype == "bfloat16"
    assert len(opened) == 3


def test_a_folder_of_models_that_cannot_be_written_costs_only_the_time_to_measure(
    folder: Path, opened: list[tuple[str, OpenVinoNetwork]], models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch, has_bfloat16=True)
    models_dir.write_text("in the way")

    assert [load(folder, kind(is_small=True)).info.dtype for _ in range(2)] == ["bfloat16"] * 2
    assert len(opened) == 6


def test_a_processor_without_bfloat16_computes_in_float32_and_compares_nothing(
    folder: Path, opened: list[tuple[str, OpenVinoNetwork]], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch, has_bfloat16=False)

    with captured_logs() as logs:
        parts = load(folder, kind(is_small=True))

    assert parts.info.dtype == "float32"
    assert [name for name, _ in opened] == ["float32"]
    assert logs.lines() == []


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_a_type_that_is_named_is_taken_whatever_it_loses(
    folder: Path, opened: list[tuple[str, OpenVinoNetwork]], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch, has_bfloat16=True)

    parts = load(folder, kind(is_small=False), dtype=dtype)

    assert parts.info.dtype == dtype
    assert [name for name, _ in opened] == [dtype]


def test_a_processor_without_a_type_that_is_named_is_told_before_anything_is_built(
    folder: Path, opened: list[tuple[str, OpenVinoNetwork]], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch, has_bfloat16=False)
    unbuilt = replace(bi_encoder.KIND, graph="nothing.is_built")

    with pytest.raises(StartupError, match=r"model tiny: this processor has no instructions for bfloat16; use .* auto"):
        load(folder, unbuilt, dtype="bfloat16")

    assert opened == []


@pytest.mark.skipif(not can_compute("bfloat16"), reason="this processor has no bfloat16")
def test_a_model_with_large_weights_stays_in_float32(folder: Path) -> None:
    with captured_logs() as logs:
        parts = load(folder, bi_encoder.KIND)

    assert parts.info.dtype == "float32"
    [log] = logs.lines()
    assert float(log["bfloat16"].rpartition("mean, ")[2].split()[0]) > 1e-4


def test_models_differ_in_two_number_types_and_in_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, has_bfloat16=True)

    exact, fast = (load(folder, bi_encoder.KIND, dtype=dtype).info for dtype in ("float32", "bfloat16"))

    assert exact != fast
    assert replace(exact, dtype="bfloat16") == fast


def write_models(monkeypatch: pytest.MonkeyPatch, service: str, *sources: Path) -> None:
    models = [{"id": path.name, "source": f"path:{path}"} for path in sources]
    monkeypatch.setenv(f"ISOLANE_{service.upper()}_MODELS", json.dumps(models))


@pytest.mark.parametrize("service", ["embedding", "reranking"])
def test_losses_prints_a_line_for_each_type_and_goes_on_after_a_wrong_model(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = tiny_models.make_bi_encoder if service == "embedding" else tiny_models.make_cross_encoder
    good, wrong = make(tmp_path / "good"), tmp_path / "wrong"
    wrong.mkdir()
    write_models(monkeypatch, service, wrong, good)

    done = subprocess.run(
        [sys.executable, "-m", "services.models.backends.losses", service], capture_output=True, text=True, check=False
    )

    lines = [line.split(": ", 2) for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [[service, "good bfloat16"], [service, "good int8"]]
    assert ("1 - cosine with float32 is" if service == "embedding" else "scores move by") in lines[1][2]
    assert done.returncode == 1
    assert done.stderr.startswith(f"{service}: model source 'path:{wrong}': no model there")
    assert done.stderr.count("\n") == 1


def test_losses_of_good_models_end_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(losses, "can_compute", lambda dtype: dtype != "bfloat16")
    models = [ModelSettings(id="tiny", source=f"path:{folder}")]

    status = losses.main("embedding", lambda: models, bi_encoder.KIND)

    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    assert told.out.splitlines()[0] == "embedding: tiny bfloat16: this processor has no instructions for it"
    assert told.out.splitlines()[1].startswith("embedding: tiny int8: 1 - cosine with float32 is 0.0")


def test_losses_with_wrong_settings_tell_them(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong() -> list[ModelSettings]:
        raise StartupError("models: there is none")

    assert losses.main("reranking", wrong, cross_encoder.KIND) == 1
    assert capsys.readouterr().err == "reranking: models: there is none\n"


def test_losses_go_on_after_a_model_that_is_too_large(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_large(*_: object) -> None:
        raise DeviceMemoryFull("no memory for a batch")

    monkeypatch.setattr(losses, "compute", too_large)
    models = [ModelSettings(id=name, source=f"path:{folder}") for name in ("a", "b")]

    assert losses.main("embedding", lambda: models, bi_encoder.KIND) == 1
    assert capsys.readouterr().err.splitlines() == ["embedding: no memory for a batch"] * 2
