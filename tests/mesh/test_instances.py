"""Two instances of a service: one fails, one is killed, one is replaced; then there is none."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.mesh.kit import Load, Mesh, wait_until

FAILING = Path(__file__).parent / "failing_server.py"
BROKEN = "embedding-broken"


@pytest.fixture
def two(mesh: Mesh) -> Iterator[None]:
    """Two instances of embedding, and one again afterwards."""
    mesh.register("embedding", count=2)
    mesh.wait_passing("embedding", 2)
    yield
    mesh.register("embedding")
    mesh.wait_passing("embedding", 1)


@pytest.mark.parametrize("status", ["UNAVAILABLE", "INTERNAL"])
def test_instance_whose_calls_fail_is_put_aside(mesh: Mesh, record: Callable[..., None], status: str) -> None:
    def break_it(job: dict[str, Any]) -> None:
        job["ID"] = job["Name"] = BROKEN
        task = job["TaskGroups"][0]["Tasks"][0]
        task["Config"]["args"] = ["-P", str(FAILING), status]
        task["Vault"] = task["Templates"] = None

    before = ejections(mesh)
    with Load(mesh.url) as load:
        mesh.register_edited("embedding", break_it)
        wait_until(lambda: mesh.passing("embedding") == 2, "the failing instance", 60)
        time.sleep(15)
        aside = ejections(mesh)
        mesh.stop_job(BROKEN)
        wait_until(lambda: mesh.passing("embedding") == 1, "the end of the failing instance", 60)

    record(status=status, ejections=aside - before, **load.report.as_json())
    assert aside > before
    if status == "UNAVAILABLE":
        assert load.report.failed.total() == 0
    else:
        # An error of the service itself is not retried; five in a row put the instance aside, each time it comes back,
        # and those on their way by then fail too.
        assert load.report.failed.total() <= (5 + 4) * (aside - before)
        assert load.report.failed.total() < load.report.sent / 10


def ejections(mesh: Mesh) -> float:
    """How often the gateway's sidecar has put an instance of embedding aside."""
    return sum(mesh.envoy_stats("gateway", "cluster.embedding.*outlier_detection.ejections_enforced_total").values())


@pytest.mark.usefixtures("two")
def test_killing_one_of_two_under_load_fails_no_request(mesh: Mesh, record: Callable[..., None]) -> None:
    victim = mesh.allocations("embedding")[0]["ID"]
    pid = mesh.pid(victim, "embedding")

    with Load(mesh.url) as load:
        time.sleep(3)
        os.kill(pid, signal.SIGKILL)
        time.sleep(5)
        restarted_s = wait_until(lambda: mesh.pid(victim, "embedding") != pid, "restart", 30)
        mesh.wait_passing("embedding", 2)
        time.sleep(5)

    record(restarted_after_s=5 + restarted_s, **load.report.as_json())
    assert load.report.sent > 50
    assert dict(load.report.failed) == {}


@pytest.mark.usefixtures("two")
def test_killing_a_sidecar_under_load_fails_no_request(mesh: Mesh, record: Callable[..., None]) -> None:
    victim = mesh.allocations("embedding")[0]["ID"]

    with Load(mesh.url) as load:
        time.sleep(3)
        os.kill(mesh.pid(victim, "connect-proxy-embedding"), signal.SIGKILL)
        time.sleep(10)
        mesh.wait_passing("embedding", 2)
        time.sleep(5)

    record(**load.report.as_json())
    assert dict(load.report.failed) == {}


def test_without_any_instance_the_answer_is_fast_and_says_when_to_come_back(
    mesh: Mesh, record: Callable[..., None]
) -> None:
    mesh.stop_job("embedding")
    try:
        gone_s = wait_until(lambda: mesh.embed().status_code == 503, "503", 30)
        with httpx.Client(base_url=mesh.url) as client:
            client.get("/health/live")  # the connection is there
            replies = [client.post("/v1/embeddings", json={"model": "m", "input": "x"}) for _ in range(20)]
    finally:
        mesh.register("embedding")
    back_s = wait_until(lambda: mesh.embed().status_code == 200, "recovery", 120)

    slowest_ms = max(reply.elapsed.total_seconds() for reply in replies) * 1e3
    record(refused_after_s=gone_s, slowest_refusal_ms=slowest_ms, back_after_s=back_s, answer=replies[0].text)
    assert {(reply.status_code, reply.headers["retry-after"]) for reply in replies} == {(503, "1")}
    assert replies[0].json()["error"]["code"] == "no_endpoint"
    assert slowest_ms < 50
    mesh.wait_passing("embedding", 1)


@pytest.mark.usefixtures("two")
def test_rolling_update_under_load_fails_no_request(mesh: Mesh, record: Callable[..., None]) -> None:
    old = {one["ID"] for one in mesh.allocations("embedding")}

    with Load(mesh.url) as load:
        time.sleep(2)
        mesh.register("embedding", count=2, log_level="debug")  # another environment: new processes
        took_s = wait_until(lambda: not old & {one["ID"] for one in mesh.allocations("embedding")}, "new ones", 240)
        status = mesh.wait_deployed("embedding")
        time.sleep(8)

    record(deployment=status, replaced_after_s=took_s, **load.report.as_json())
    assert status == "successful"
    assert dict(load.report.failed) == {}


def test_bad_version_goes_back_by_itself_and_fails_no_request(mesh: Mesh, record: Callable[..., None]) -> None:
    def hurry(job: dict[str, Any]) -> None:
        job["TaskGroups"][0]["Update"].update(HealthyDeadline=int(40e9), ProgressDeadline=int(60e9))

    good = {one["ID"] for one in mesh.allocations("embedding")}
    before = mesh.nomad.job.get_job("embedding")["Version"]
    with Load(mesh.url) as load:
        mesh.register_edited("embedding", hurry, models='[{"id": "all-MiniLM-L6-v2", "source": "path:/nowhere"}]')
        wait_until(lambda: mesh.nomad.job.get_job("embedding")["Version"] > before + 1, "reversion", 180)
        status = mesh.wait_deployed("embedding")
        count = mesh.nomad.job.get_job("embedding")["TaskGroups"][0]["Count"]  # of the last version that was good
        mesh.wait_passing("embedding", count)

    versions = mesh.nomad.job.get_versions("embedding")["Versions"]
    sources = [v["TaskGroups"][0]["Tasks"][0]["Env"]["ISOLANE_EMBEDDING_MODELS"] for v in versions[:3]]
    record(versions=sources, deployment=status, **load.report.as_json())
    assert sources[0] == sources[2] != sources[1]
    assert good <= {one["ID"] for one in mesh.allocations("embedding")}
    assert dict(load.report.failed) == {}
    mesh.register("embedding")
    mesh.wait_passing("embedding", 1)
