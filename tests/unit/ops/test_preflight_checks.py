from __future__ import annotations

import io
import shutil
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ops.local import preflight
from ops.progress import Progress
from services.common.errors import StartupError

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
