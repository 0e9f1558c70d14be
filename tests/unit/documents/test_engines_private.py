"""What the libraries of the engines do beside computing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")


def test_the_engines_write_nothing_and_leave_no_trace_of_the_machine(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['openvino_telemetry'] = None\n"  # as their process does
        "from services.documents.backends.engines.structure import StructureReader; StructureReader(threads=1)"
    )
    folders = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    # These would keep the library quiet by themselves.
    quiet = {"CI", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY"}
    environment = {name: value for name, value in os.environ.items() if name not in quiet} | folders

    subprocess.run([sys.executable, "-B", "-c", code], env=environment, check=True, capture_output=True, timeout=50)

    assert [str(path) for path in tmp_path.rglob("*")] == []
