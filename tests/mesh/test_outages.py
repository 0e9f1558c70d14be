"""An agent goes away under load: requests go on, and everything is as before when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from ops.mesh.agents import is_openbao_unsealed
from tests.mesh.kit import Load, Mesh, wait_until

AFTERWARDS_S = 20.0
"""Long enough for every check to run again after an agent came back."""


def age_s(mesh: Mesh) -> float:
    """Age of what the gateway knows from Consul."""
    lines = httpx.get(f"{mesh.url}/metrics").text.splitlines()
    return max(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("isolane_resolver_age_seconds{"))


def test_consul_killed(mesh: Mesh, record: Callable[..., None], outage_s: float) -> None:
    agent = mesh.site.consul()

    with Load(mesh.url) as load:
        time.sleep(2)
        process = agent.process()
        assert process is not None
        process.kill()
        time.sleep(outage_s)
        age = age_s(mesh)
        mesh.isolane("start")
        back_s = wait_until(lambda: age_s(mesh) == 0.0, "fresh knowledge", 60)
        time.sleep(AFTERWARDS_S)

    record(outage_s=outage_s, age_at_its_end_s=age, fresh_after_s=back_s, **load.report.as_json())
    assert age > outage_s / 2
    assert dict(load.report.failed) == {}
    for part in ("embedding", "reranking", "documents", "gpu", "gateway"):
        mesh.wait_passing(part, 1)


def test_openbao_sealed(mesh: Mesh, record: Callable[..., None], outage_s: float) -> None:
    with Load(mesh.url) as load:
        time.sleep(2)
        mesh.openbao.sys.seal()
        assert not is_openbao_unsealed()
        time.sleep(outage_s)
        mesh.isolane("start")
        assert is_openbao_unsealed()
        time.sleep(5)

    record(outage_s=outage_s, **load.report.as_json())
    assert dict(load.report.failed) == {}


def test_nomad_restarted(mesh: Mesh, record: Callable[..., None], outage_s: float) -> None:
    before = {part: mesh.allocation(part)["ID"] for part in ("embedding", "gateway")}
    pids = {part: mesh.pid(allocation, part) for part, allocation in before.items()}

    with Load(mesh.url) as load:
        time.sleep(2)
        mesh.site.nomad().end(grace_s=10)
        time.sleep(outage_s)
        mesh.isolane("start")
        time.sleep(AFTERWARDS_S)

    record(outage_s=outage_s, **load.report.as_json())
    assert dict(load.report.failed) == {}
    assert {part: mesh.pid(allocation, part) for part, allocation in before.items()} == pids
    assert mesh.allocation("embedding")["ID"] == before["embedding"]
