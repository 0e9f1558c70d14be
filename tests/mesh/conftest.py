"""The mesh that these tests use: the one that runs, or else one that is started for them and stopped after them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.mesh.kit import Mesh

_HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mesh")
    group.addoption("--outage-s", type=float, default=8.0, help="How long the mesh tests keep an agent away.")
    group.addoption("--rounds", type=int, default=1, help="Rounds of killing `isolane dev`.")
    group.addoption("--record", type=Path, help="File for what the mesh tests measured, as JSON.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.mesh)
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def mesh() -> Iterator[Mesh]:
    found = Mesh()
    is_ours = not found.folder.is_ready
    if is_ours:
        started = found.isolane("dev", check=False)
        assert started.returncode == 0, f"{started.stdout}\n{started.stderr}"
    yield found
    if is_ours:
        found.isolane("stop", "mesh")


@pytest.fixture
def outage_s(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--outage-s"))


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep what a test measured, and show it."""
    path: Path | None = request.config.getoption("--record")
    reporter: Any = request.config.pluginmanager.getplugin("terminalreporter")

    def keep(**values: Any) -> None:
        reporter.write_line(f"\n{json.dumps({request.node.name: values})}")
        if path:
            known = json.loads(path.read_text()) if path.exists() else {}
            known["date"] = datetime.now(UTC).strftime("%Y-%m-%d")
            known[request.node.name] = values
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known, indent=2) + "\n")

    return keep
