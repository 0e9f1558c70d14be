from __future__ import annotations

import io
import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ops.local import preflight
from ops.models import ensure_reranker
from ops.progress import Progress
from services.common.errors import StartupError
from services.reranking.backends.development import location

Usage = namedtuple("Usage", "total used free")


def test_full_disk_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, 200 << 20))

    with pytest.raises(StartupError, match=r"200 MiB free.*at least 256 MiB.*free some space"):
        preflight.check_disk(tmp_path)


def test_disk_with_room_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 0, 300 << 20))

    preflight.check_disk(tmp_path)


@pytest.mark.parametrize(("available", "warned"), [(1 << 30, True), (2 << 30, False)])
def test_little_memory_is_a_warning(monkeypatch: pytest.MonkeyPatch, available: int, warned: bool) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))

    preflight.warn_of_little_memory(Progress(stream))

    assert stream.getvalue().startswith("warning: 1024 MiB of memory" if warned else "")
    assert bool(stream.getvalue()) is warned


@pytest.mark.parametrize(
    "environ",
    [
        {"ISOLANE_RERANKING_MODELS": '[{"id": "x", "source": "path:/models/x"}]'},
        {"ISOLANE_RERANKING_CONFIG": "reranking.toml"},
        {"ISOLANE_RERANKING_BACKEND": "fake"},
    ],
)
def test_other_reranker_needs_no_training(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    monkeypatch.setattr(sys, "executable", "/missing/python")

    ensure_reranker(environ, Path.cwd())


def test_failed_training_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))

    with pytest.raises(StartupError, match="development reranker could not be made"):
        ensure_reranker({}, Path.cwd())


def test_reranker_that_is_there_is_not_told_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    environ = {**os.environ, "ISOLANE_MODELS_DIR": str(tmp_path)}
    folder = location.model_folder(tmp_path)
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "modules.json"):
        (folder / name).write_text("")

    ensure_reranker(environ, tmp_path)

    assert capfd.readouterr() == ("", "")
