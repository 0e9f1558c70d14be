"""Each rule of the repository turns its check red: a break of it is planted into a copy of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TREE = ("docs", "gateway", "ops", "proto", "requirements", "services", "tests", "tools", "justfile", "pyproject.toml")
LINT = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
LAYOUT = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_layout.py"]

FORBIDDEN_IMPORTS = {
    "parts": ("services/embedding/engine.py", "services.reranking.engine"),
    "protos": ("services/embedding/engine.py", "isolane.embedding.v1.embedding_service_pb2"),
    "torch": ("services/embedding/engine.py", "torch"),
    "docling": ("gateway/app.py", "docling.document_converter"),
    "nvml": ("services/gpu/engine.py", "pynvml"),
    "kit-devices": ("services/embedding/engine.py", "services.common.devices.torch_device"),
    "testing": ("services/embedding/engine.py", "services.common.testing"),
    "light": ("services/common/models.py", "torch"),
    "gateway": ("gateway/settings.py", "gateway.app"),
    "services": ("services/embedding/settings.py", "services.embedding.engine"),
    "ops": ("ops/settings.py", "ops.cli"),
    "kit": ("services/common/errors.py", "services.common.config"),
    "cycles": ("services/embedding/backends/base.py", "services.embedding.backends.fake"),
}
"""Import contract: file in which the import is planted, module that it imports."""


pytestmark = pytest.mark.timeout(300)  # a check is a process of its own, or many


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source tree."""
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def run(tree: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a check on the copy, which must win over the installed project."""
    environment = {**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'proto' / 'gen'}", "COLUMNS": "200"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        LINT,
        [sys.executable, "tools/protos.py", "--check"],
        [sys.executable, "tools/configuration.py", "--check"],
        [sys.executable, *LAYOUT],
    ],
    ids=["imports", "stubs", "configuration", "layout"],
)
def test_an_untouched_copy_passes(tree: Path, command: Sequence[str]) -> None:
    done = run(tree, command)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_import_contract_is_tried() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]

    assert {contract["id"] for contract in contracts} == set(FORBIDDEN_IMPORTS)


@pytest.mark.parametrize("contract", FORBIDDEN_IMPORTS)
def test_a_forbidden_import_breaks_its_contract(tree: Path, contract: str) -> None:
    file, module = FORBIDDEN_IMPORTS[contract]
    append(tree / file, f"import {module}")

    done = run(tree, [*LINT, "--contract", contract])

    assert done.returncode == 1, done.stdout
    assert "1 broken" in done.stdout


def test_a_stale_stub_is_reported(tree: Path) -> None:
    append(tree / "proto/gen/isolane/gpu/v1/gpu_service_pb2.py", "# edited by hand")

    done = run(tree, [sys.executable, "tools/protos.py", "--check"])

    assert done.returncode == 1
    assert "differs: isolane/gpu/v1/gpu_service_pb2.py" in done.stderr


def test_a_stale_configuration_page_is_reported(tree: Path) -> None:
    append(tree / "docs/configuration.md", "A line by hand.")

    done = run(tree, [sys.executable, "tools/configuration.py", "--check"])

    assert done.returncode == 1
    assert "docs/configuration.md is out of sync" in done.stderr


@pytest.mark.parametrize(
    "missing",
    ["docs/services/embedding.md", "services/embedding/backends/fake.py", "requirements/gpu.txt"],
)
def test_a_missing_file_of_a_service_is_reported(tree: Path, missing: str) -> None:
    (tree / missing).unlink()

    done = run(tree, [sys.executable, *LAYOUT, "-k", "checklist"])

    assert done.returncode == 1
    assert f"add {missing}" in done.stdout or f"or {missing}" in done.stdout


def test_a_heavy_import_in_a_composition_root_is_reported(tree: Path) -> None:
    append(tree / "services/embedding/app.py", "import torch")

    done = run(tree, [sys.executable, *LAYOUT, "-k", "heavy and embedding"])

    assert done.returncode == 1
    assert "import of torch halted" in done.stdout


def test_a_broken_link_in_a_page_is_reported(tree: Path) -> None:
    append(tree / "docs/index.md", "[gone](no-such-page.md)")

    done = run(tree, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/docs", "-k", "links"])

    assert done.returncode == 1
    assert "no-such-page.md" in done.stdout
