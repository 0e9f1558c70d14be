"""Starting, cutting off and stopping a mesh leaves the machine as it was. Needs that no mesh runs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ops import leftovers
from ops.mesh import machine
from tests.mesh.kit import Mesh

COMMAND = [sys.executable, "-P", "-m", "ops", "dev"]
WHOLE_START_S = 30.0
"""A little less than a start takes with the programs built; kills are spread over it."""


def traces(mesh: Mesh) -> dict[str, Any]:
    """Everything that a mesh could leave on its machine."""
    interfaces = sorted(psutil.net_if_addrs())
    listening = {c.laddr.port for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN}  # type: ignore[union-attr]
    return {
        "processes": [process.cmdline() for process in leftovers.find(str(mesh.folder.path))],
        "mounts": machine.mounts(mesh.folder.path),
        "namespaces": sorted(path.name for path in Path("/run/netns").glob("*")),
        "interfaces": interfaces,
        "machine": machine.look(),
        "rules": [line for line in rules() if "CNI" in line or "NOMAD" in line or "172.26" in line],
        "ports": sorted(listening & {8200, 8201, 8500, 8502, 8300, 8301, 4646, 4647, 4648, 8090}),
        "state": sorted(path.name for path in mesh.folder.path.glob("*") if path.name not in {"logs", "lock"}),
    }


def rules() -> list[str]:
    programs = [program for program in ("iptables-save", "ip6tables-save") if Path("/usr/sbin", program).exists()]
    return [line for program in programs for line in subprocess.check_output([program], text=True).splitlines()]


@pytest.fixture
def unused() -> Iterator[Mesh]:
    mesh = Mesh()
    assert not mesh.folder.exists, "stop the mesh first: just stop mesh"
    yield mesh
    mesh.isolane("stop", "mesh", check=False)


def test_a_mesh_starts_serves_stops_and_leaves_nothing(unused: Mesh, record: Callable[..., None]) -> None:
    before = traces(unused)
    starts_s, stops_s = [], []

    for _ in range(2):
        started_s = time.monotonic()
        unused.isolane("dev")
        starts_s.append(round(time.monotonic() - started_s, 1))
        during = traces(unused)
        answer = unused.embed()
        stopped_s = time.monotonic()
        unused.isolane("stop", "mesh")
        stops_s.append(round(time.monotonic() - stopped_s, 1))

        assert answer.status_code == 200
        assert all(during[what] for what in ("processes", "mounts", "namespaces", "rules", "ports", "state"))
        assert traces(unused) == before

    record(starts_s=starts_s, stops_s=stops_s)


def test_starting_again_brings_up_to_date_and_restarts_nothing(unused: Mesh) -> None:
    unused.isolane("dev")
    before = {part: unused.allocation(part)["ID"] for part in ("gateway", "embedding", "documents")}

    again = unused.isolane("dev")

    assert "It just answered" in again.stdout
    assert {part: unused.allocation(part)["ID"] for part in before} == before


def test_killed_at_any_moment_it_starts_clean_again(
    unused: Mesh, record: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    before = traces(unused)
    rounds = []
    seed = random.randrange(1 << 16)
    chance = random.Random(seed)

    for _ in range(request.config.getoption("--rounds")):
        killed_s = round(chance.uniform(0.3, WHOLE_START_S), 1)
        with subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(killed_s)
            os.kill(process.pid, signal.SIGKILL)
        started_s = time.monotonic()
        unused.isolane("dev")
        rounds.append({"killed_after_s": killed_s, "clean_start_s": round(time.monotonic() - started_s, 1)})
        assert unused.embed().status_code == 200
        unused.isolane("stop", "mesh")
        assert traces(unused) == before

    record(seed=seed, rounds=rounds)


def test_everything_killed_is_cleaned_up_by_stop(unused: Mesh) -> None:
    before = traces(unused)
    unused.isolane("dev", "--backend", "fake")

    for process in leftovers.find(str(unused.folder.path)):
        process.kill()
    unused.isolane("stop", "mesh")

    assert traces(unused) == before


def test_mesh_and_local_stack_do_not_disturb_each_other(unused: Mesh, tmp_path: Path) -> None:
    unused.isolane("dev", "--backend", "fake")
    ports = {f"ISOLANE_OPS_{name}_PORT": "0" for name in ("GATEWAY", "EMBEDDING", "RERANKING", "DOCUMENTS", "GPU")}
    environ = {**os.environ, **ports, "ISOLANE_OPS_STATE_DIR": str(tmp_path / "local")}

    def local(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "ops", *arguments]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=300).stdout

    local("local", "--detach", "--backend", "fake")
    status = local("status")
    mesh_answers = unused.embed().status_code
    local("stop", "local")

    assert "PART" in status
    assert "JOB" in status
    assert (mesh_answers, unused.embed().status_code) == (200, 200)
    assert httpx.get(f"{unused.url}/health/ready").status_code == 200
