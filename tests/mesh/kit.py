"""A running mesh as the tests see it: its agents' APIs, its allocations, and a steady load on its gateway."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from ops import leftovers
from ops.bootstrap import consul, nomad, openbao
from ops.mesh import jobs
from ops.mesh.agents import CONSUL, NOMAD, OPENBAO, site_of
from ops.mesh.folder import MeshFolder
from ops.settings import OpsSettings, project_root

MODEL = "all-MiniLM-L6-v2"
POLL_S = 0.1


class Mesh:
    """The mesh of `just dev`."""

    def __init__(self) -> None:
        self.settings = OpsSettings.load()
        self.folder = MeshFolder(self.settings.mesh_dir)
        self.url = f"http://127.0.0.1:{self.settings.mesh_gateway_port}"
        self.site = site_of(self.folder)

    @property
    def consul(self) -> Any:
        """Consul's API with a management token."""
        return consul.connect(CONSUL, self.folder.token("consul-bootstrap.token"))

    @property
    def nomad(self) -> Any:
        """Nomad's API with a management token."""
        return nomad.connect(NOMAD, self.folder.token("nomad-bootstrap.token"))

    @property
    def openbao(self) -> Any:
        """OpenBao's API with the bootstrap token."""
        return openbao.connect(OPENBAO, self.folder.secret("openbao-bootstrap.token"))

    def isolane(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        command = [sys.executable, "-P", "-m", "ops", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1500)
        assert not check or done.returncode == 0, f"isolane {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done

    def consul_command(self, *arguments: str) -> str:
        """What Consul's own command prints."""
        environ = {"CONSUL_HTTP_ADDR": CONSUL, "CONSUL_HTTP_TOKEN": self.folder.token("consul-bootstrap.token")}
        command = [str(self.folder.bin / "consul"), *arguments]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=30).stdout

    def embed(self, text: str | list[str] = "hello", **headers: str) -> httpx.Response:
        """Ask the gateway for a vector."""
        body = {"model": MODEL, "input": text}
        return httpx.post(f"{self.url}/v1/embeddings", json=body, headers=headers, timeout=30)

    def register(self, part: str, **values: Any) -> None:
        """Run a job with other values of its variables."""
        self.register_edited(part, lambda _job: None, **values)

    def register_edited(self, part: str, edit: Callable[[dict[str, Any]], None], **values: Any) -> None:
        """Run a job with other values of its variables, and otherwise changed."""
        root = project_root()
        values = {**jobs.values(part, self.settings), **values}
        job = nomad.parse(self.nomad, jobs.jobspec(root, part), jobs.variables(root), values)
        edit(job)
        nomad.register(self.nomad, job)

    def stop_job(self, part: str) -> None:
        """Stop a job."""
        self.nomad.job.request(part, method="delete")

    def allocations(self, part: str) -> list[dict[str, Any]]:
        """Allocations of a job that run, in full, the oldest first."""
        found = [one for one in self.nomad.job.get_allocations(part) if one["ClientStatus"] == "running"]
        found.sort(key=lambda one: one["CreateIndex"])
        return [self.nomad.allocation.get_allocation(one["ID"]) for one in found if one["DesiredStatus"] == "run"]

    def allocation(self, part: str) -> dict[str, Any]:
        """The one allocation of a job."""
        (found,) = self.allocations(part)
        return found

    def address(self, part: str) -> str:
        """Bridge address of the one allocation of a job."""
        return str(self.allocation(part)["NetworkStatus"]["Address"])

    def pid(self, allocation: str, task: str) -> int:
        """The process of a task."""
        for process in leftovers.find(str(self.folder.path)):
            with contextlib.suppress(psutil.Error):
                environ = process.environ()
                if (environ.get("NOMAD_ALLOC_ID"), environ.get("NOMAD_TASK_NAME")) == (allocation, task):
                    return process.pid
        raise LookupError(f"no process of {task} in {allocation}")

    def run_in(self, allocation: str, code: str, *arguments: str) -> str:
        """What Python code prints inside an allocation's network namespace."""
        command = ["ip", "netns", "exec", allocation, sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    def envoy_stats(self, part: str, pattern: str) -> dict[str, float]:
        """Counters and gauges of a part's sidecar whose names match."""
        allocation = self.allocation(part)["ID"]
        code = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
        text = self.run_in(allocation, code, f"http://127.0.0.2:19001/stats?filter={pattern}")
        pairs = [line.rsplit(": ", 1) for line in text.splitlines() if ": " in line]
        return {name: float(value) for name, value in pairs if value.replace(".", "").isdigit()}

    def passing(self, part: str) -> int:
        """Instances that get calls, as Consul says."""
        return consul.passing(self.consul, part)

    def passing_addresses(self, part: str) -> list[tuple[str, int]]:
        """Where the passing instances' sidecars listen."""
        nodes = self.consul.health.connect(part, passing=True)[1]
        return [(node["Service"]["Address"], node["Service"]["Port"]) for node in nodes]

    def wait_passing(self, part: str, count: int = 1, limit_s: float = 120) -> None:
        """Wait until that many instances of a job run and get calls, no other does, and no update is on its way."""

        def is_so() -> bool:
            is_updating = nomad.is_updating(self.nomad, part)
            return not is_updating and self.passing(part) == count == len(self.allocations(part))

        wait_until(is_so, f"{count} passing instances of {part}", limit_s)

    def wait_deployed(self, part: str, limit_s: float = 180) -> str:
        """Wait until the last deployment of a job has ended; returns its status."""
        status = ""

        def is_over() -> bool:
            nonlocal status
            status = str(self.nomad.job.get_deployment(part)["Status"])
            return status in {"successful", "failed", "cancelled"}

        wait_until(is_over, f"the end of the deployment of {part}", limit_s)
        return status

    def wait_answers(self, limit_s: float = 60) -> None:
        """Wait until the gateway answers for an embedding."""
        wait_until(lambda: self.embed().status_code == 200, "an answer", limit_s)

    def log_lines(self, part: str, task: str | None = None, stream: str = "stderr") -> list[dict[str, Any]]:
        """JSON lines of the task's log, over all of the allocations that are left."""
        pattern = f"*/alloc/logs/{task or part}.{stream}.*"
        paths = sorted((self.folder.nomad / "alloc").glob(pattern), key=lambda path: path.stat().st_mtime)
        lines = itertools.chain.from_iterable(path.read_text().splitlines() for path in paths)
        return [json.loads(line) for line in lines if line.startswith("{")]


def wait_until(is_so: Callable[[], bool], what: str, limit_s: float) -> float:
    """Wait for a condition; returns the seconds that it took. AssertionError when time is over."""
    started_s = time.monotonic()
    while True:
        with contextlib.suppress(*nomad.Failures, *consul.Failures, httpx.HTTPError):
            if is_so():
                return time.monotonic() - started_s
        assert time.monotonic() - started_s < limit_s, f"no {what} within {limit_s:g} s"
        time.sleep(POLL_S)


def steady(is_so: Callable[[], bool], what: str, *, for_s: float, limit_s: float) -> float:
    """Wait until a condition has held for a while; returns the seconds until it began to."""
    started_s = since_s = time.monotonic()
    while time.monotonic() - since_s < for_s:
        if not is_so():
            since_s = time.monotonic()
        assert time.monotonic() - started_s < limit_s, f"no {what} within {limit_s:g} s"
        time.sleep(POLL_S)
    return since_s - started_s


@dataclass(slots=True)
class Report:
    """What a load met."""

    sent: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    failed_at_s: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the record of a drill."""
        ordered = sorted(self.latencies_s) or [0.0]
        return {
            "sent": self.sent,
            "failed": sum(self.failed.values()),
            "failures": dict(self.failed),
            "failed_at_s": [round(at_s, 1) for at_s in self.failed_at_s[:20]],
            "p50_ms": round(ordered[len(ordered) // 2] * 1e3, 1),
            "p99_ms": round(ordered[len(ordered) * 99 // 100] * 1e3, 1),
            "max_ms": round(ordered[-1] * 1e3, 1),
        }


class Load:
    """A few callers that ask for embeddings one after the other, on a thread, while the body of `with` runs.

    Nothing is retried here: a request that fails counts.

    Args:
        url: of the gateway.
        callers: at the same time.
        pause_s: of each caller between its requests.
    """

    def __init__(self, url: str, *, callers: int = 4, pause_s: float = 0.05) -> None:
        self._url = url
        self._callers = callers
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self._numbers = itertools.count()
        self._started_s = 0.0
        self.report = Report()

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stopping.set()
        self._thread.join()

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as client, asyncio.TaskGroup() as tasks:
            for _ in range(self._callers):
                tasks.create_task(self._call_on(client))

    async def _call_on(self, client: httpx.AsyncClient) -> None:
        while not self._stopping.is_set():
            await self._call(client)
            await asyncio.sleep(self._pause_s)

    async def _call(self, client: httpx.AsyncClient) -> None:
        started_s = time.monotonic()
        self.report.sent += 1
        try:
            body = {"model": MODEL, "input": f"text number {next(self._numbers)}"}
            reply = await client.post("/v1/embeddings", json=body)
            problem = "" if reply.is_success else f"{reply.status_code} {reply.json()['error']['message'][:150]}"
        except (httpx.HTTPError, ValueError, KeyError) as exc:
            problem = type(exc).__name__
        self.report.latencies_s.append(time.monotonic() - started_s)
        if problem:
            self.report.failed[problem] += 1
            self.report.failed_at_s.append(started_s - self._started_s)


@contextlib.contextmanager
def kept(path: Path) -> Iterator[None]:
    """Put a file back as it was."""
    before = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(before)
