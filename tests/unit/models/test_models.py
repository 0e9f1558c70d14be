"""Where models' files come from."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.common.errors import StartupError
from services.models.models import locate, revision


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


class Hub:
    """Stands for huggingface_hub."""

    def __init__(self, *, offline: bool, answer: Path | Exception) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._offline = offline
        self._answer = answer

    def is_offline_mode(self) -> bool:
        return self._offline

    def snapshot_download(self, name: str, **options: Any) -> str:
        self.asked.append((name, options))
        if isinstance(self._answer, Exception):
            raise self._answer
        return str(self._answer)


def use(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = SimpleNamespace(is_offline_mode=hub.is_offline_mode, snapshot_download=hub.snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", stand_in)


def test_the_revision_changes_with_the_contents_and_the_names_of_the_files(folder: Path) -> None:
    before = revision(folder)

    (folder / "README.md").write_text("more words")
    with_card = revision(folder)
    (folder / "model.safetensors").write_bytes(b"Weights")
    other_weights = revision(folder)

    assert (len(before), with_card) == (16, before)
    assert other_weights != before


def test_a_folder_with_nothing_but_an_onnx_file_is_a_model_and_its_revision_is_the_files(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"weights")
    before = revision(locate(f"path:{tmp_path}"))

    (tmp_path / "model.onnx").write_bytes(b"Weights")

    assert revision(tmp_path) != before


def test_an_onnx_file_beside_safetensors_is_not_read_and_changes_no_revision(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weights")
    before = revision(folder)
    (folder / "model.onnx").write_bytes(b"an export")

    assert revision(folder) == before


def test_onnx_files_below_the_top_are_not_read_and_change_no_revision(folder: Path) -> None:
    before = revision(folder)

    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"another export")

    assert revision(folder) == before


@pytest.mark.parametrize("digits", [0, 4, 16])
def test_files_of_the_wanted_revision_are_taken(folder: Path, digits: int) -> None:
    assert locate(f"path:{folder}", wanted=revision(folder)[:digits]) == folder


def test_files_of_another_revision_are_refused_and_both_are_named(folder: Path) -> None:
    with pytest.raises(StartupError, match=f"its files have revision {revision(folder)}, and 0123 is asked for"):
        locate(f"path:{folder}", wanted="0123")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing", "begin it with package:, path: or hub:"),
        ("path:/no/such/folder", "neither config.json nor model.onnx"),
        ("package:no_such_package/model", "is not installed"),
        ("package:../up/model", "is not installed"),
    ],
)
def test_a_source_that_leads_nowhere_says_what_to_do(source: str, words: str) -> None:
    with pytest.raises(StartupError, match=words):
        locate(source)


def test_a_model_of_the_hub_is_fetched_at_the_revision_that_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(offline=False, answer=folder)
    use(hub, monkeypatch)

    found = locate("hub:owner/name", wanted="v2")

    ((name, options),) = hub.asked
    assert (found, name, options["revision"], options["local_files_only"]) == (folder, "owner/name", "v2", False)
    assert {"*.safetensors", "*.json"} <= set(options["allow_patterns"])


def test_offline_nothing_is_fetched_and_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(offline=True, answer=FileNotFoundError("not in the cache"))
    use(hub, monkeypatch)

    with pytest.raises(StartupError, match=r"'hub:owner/name': revision v2 is not in the hub's cache") as raised:
        locate("hub:owner/name", wanted="v2")

    assert "run `HF_HUB_OFFLINE=0 ./just local` once" in str(raised.value)
    assert hub.asked[0][1]["local_files_only"] is True


@pytest.mark.parametrize("error", [ConnectionError("no route"), ValueError("no such name")])
def test_a_model_that_cannot_be_fetched_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    use(Hub(offline=False, answer=error), monkeypatch)

    with pytest.raises(StartupError, match="it cannot be fetched; check the name, the network and HF_TOKEN"):
        locate("hub:owner/name")


def test_a_repository_that_holds_no_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Hub(offline=False, answer=tmp_path), monkeypatch)

    with pytest.raises(StartupError, match="no model there"):
        locate("hub:owner/name")
