"""torch and what comes with it are in no part but one that was built with the extra `torch`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETS = ["gateway", "embedding", "reranking", "documents", "gpu", "ops", "local", "mesh"]
"""Locked requirements of parts and of users."""
TORCH = re.compile(r"torch|triton|nncf|transformers|sentence[-_]transformers|nvidia(?![-_]ml[-_]py)([-_].+)?")
"""Names of distributions and of modules; nvidia-ml-py is NVML's binding, without CUDA."""
LOADED = [
    *("gateway.app", "ops.cli"),
    *(f"services.{name}.app" for name in ("embedding", "reranking", "documents", "gpu")),
    *("openvino", "safetensors.numpy", "tokenizers"),
]
"""What a part imports before it serves on a CPU."""


def locked(name: str) -> set[str]:
    """Distributions of a set."""
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))


def imported(module: str) -> set[str]:
    """Top-level packages that are imported with a module, where everything is installed."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\w+)", done.stderr, re.MULTILINE))


def heavy(names: set[str]) -> set[str]:
    return {name for name in names if TORCH.fullmatch(name)}


@pytest.mark.parametrize("name", SETS)
def test_no_part_is_locked_with_torch(name: str) -> None:
    found = locked(name)

    assert "grpcio" in found
    assert heavy(found) == set()


@pytest.mark.parametrize("name", ["documents-torch", "embedding-torch", "reranking-torch", "dev"])
def test_the_sets_with_torch_are_told_from_the_others(name: str) -> None:
    found = heavy(locked(name))

    assert {"torch", "sentence-transformers", "transformers", "triton"} <= found
    assert any(one.startswith("nvidia-") for one in found)


@pytest.mark.parametrize("module", LOADED)
def test_no_part_imports_torch_though_it_is_installed(module: str) -> None:
    found = imported(module)

    assert module.split(".", maxsplit=1)[0] in found
    assert heavy(found) == set()
