from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_a_missing_model_ends_the_process_with_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ISOLANE_")}
    environ |= {"ISOLANE_RERANKING_PORT": "0", "ISOLANE_RERANKING_METRICS_PORT": "0"}
    environ |= {"ISOLANE_RERANKING_MODELS": json.dumps([{"id": "mine", "source": f"path:{tmp_path}"}])}

    done = subprocess.run(
        [sys.executable, "-m", "services.reranking"],
        capture_output=True,
        text=True,
        env=environ,
        timeout=30,
        check=False,
    )

    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert json.loads(line)["event"] == "cannot_start"
    assert str(tmp_path) in json.loads(line)["error"]
    assert "it has neither config.json nor model.onnx" in json.loads(line)["error"]
    assert "correct the setting" in json.loads(line)["error"]
