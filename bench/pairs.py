"""A gateway and its embedding service as processes of their own: ours, another checkout's or bare; what they cost."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil

from ops.ports import free_ports

MODEL = "all-MiniLM-L6-v2"
_SERVICES = ("embedding", "reranking", "documents", "gpu")
_LIMIT_S = 60.0
_PATH = "/v1/embeddings"

Spent = tuple[float, float]
"""Processor time of gateway and service. Unit: seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Processor time for one request. Unit: milliseconds."""

    PARTS: ClassVar = ("gateway", "service", "both")

    gateway: float
    service: float

    @classmethod
    def between(cls, before: Spent, after: Spent, requests: int) -> Cost:
        """What each of so many requests cost."""
        gateway, service = ((late - early) / requests * 1e3 for early, late in zip(before, after, strict=True))
        return cls(gateway=gateway, service=service)

    def of(self, part: str) -> float:
        """Of one part, or of both."""
        return {"gateway": self.gateway, "service": self.service, "both": self.gateway + self.service}[part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A gateway that answers, and the embedding service behind it."""

    name: str
    port: int
    """Of the gateway."""
    start_s: float
    """From the gateway's start to its first healthy answer."""
    gateway: psutil.Popen
    service: psutil.Popen | None
    """None where the service is not this pair's own."""

    @property
    def url(self) -> str:
        """Where embeddings are asked for."""
        return f"http://127.0.0.1:{self.port}{_PATH}"

    def cpu_s(self) -> Spent:
        """Processor time of both, with all below them, since their start."""
        return _cpu_s(self.gateway), _cpu_s(self.service) if self.service else 0.0

    def resident_mib(self) -> float:
        """Memory of the gateway."""
        return float(self.gateway.memory_info().rss) / 2**20

    @contextmanager
    def connection(self) -> Iterator[Callable[[bytes], None]]:
        """Asks over one connection; SystemExit when the answer is no 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

        def ask(body: bytes) -> None:
            connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            if reply.status != http.client.OK:
                raise SystemExit(f"{self.name}: the gateway answered {reply.status}")

        try:
            yield ask
        finally:
            connection.close()


@contextmanager
def fake_services() -> Iterator[dict[str, int]]:
    """All services with fake backends; yields their ports."""
    ports = dict(zip(_SERVICES, free_ports(len(_SERVICES)), strict=True))
    with ExitStack() as stack:
        for name, port in ports.items():
            stack.enter_context(_service(name, port))
        yield ports


@contextmanager
def our_pair(name: str, upstreams: Mapping[str, int], *, folder: Path | None = None) -> Iterator[Pair]:
    """A ready gateway of this checkout, or of the one in `folder`, with an embedding service of its own.

    Args:
        name: in tables; without one the pair shares the embedding service of the upstreams.
        upstreams: ports of the services that it does not measure.
        folder: a checkout with its environment in .venv.
    """
    port, service_port = free_ports(2)
    with ExitStack() as stack:
        service = stack.enter_context(_service("embedding", service_port, folder)) if name else None
        ports = {**upstreams, **({"embedding": service_port} if name else {})}
        settings = {f"ISOLANE_GATEWAY_UPSTREAMS__{key.upper()}": f"127.0.0.1:{value}" for key, value in ports.items()}
        settings["ISOLANE_GATEWAY_PORT"] = str(port)
        started_s = time.perf_counter()
        gateway = stack.enter_context(_process(["gateway"], settings, folder))
        yield Pair(name=name, port=port, start_s=_ready_s(gateway, port, started_s), gateway=gateway, service=service)


@contextmanager
def bare_pair() -> Iterator[Pair]:
    """The bare gateway and service."""
    port, service_port = free_ports(2)
    with ExitStack() as stack:
        service = stack.enter_context(_process(["bench.bare", "service", str(service_port)], {}))
        started_s = time.perf_counter()
        gateway = stack.enter_context(_process(["bench.bare", "gateway", str(port), str(service_port)], {}))
        yield Pair(name="bare", port=port, start_s=_ready_s(gateway, port, started_s), gateway=gateway, service=service)


@contextmanager
def _service(name: str, port: int, folder: Path | None = None) -> Iterator[psutil.Popen]:
    prefix = f"ISOLANE_{name.upper()}"
    settings = {f"{prefix}_PORT": str(port), f"{prefix}_METRICS_PORT": "0", f"{prefix}_BACKEND": "fake"}
    with _process([f"services.{name}"], settings, folder) as running:
        yield running


@contextmanager
def _process(module: list[str], settings: Mapping[str, str], folder: Path | None = None) -> Iterator[psutil.Popen]:
    """`python -m module` with these settings while the body runs."""
    python = sys.executable if folder is None else str(folder / ".venv/bin/python")
    environ = {**os.environ, **settings}
    child = psutil.Popen([python, "-m", *module], env=environ, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(30)


def _ready_s(gateway: psutil.Popen, port: int, started_s: float) -> float:
    """Seconds from the start to the first healthy answer; SystemExit when there is none."""
    while not _is_ready(port):
        if gateway.poll() is not None or time.perf_counter() - started_s > _LIMIT_S:
            raise SystemExit(f"the gateway was not ready within {_LIMIT_S:.0f} s")
        time.sleep(0.01)
    return time.perf_counter() - started_s


def _is_ready(port: int) -> bool:
    """One try of /health/ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _cpu_s(root: psutil.Process) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in (root, *root.children(recursive=True)))
