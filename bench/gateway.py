"""The gateway by itself: time to its first healthy answer, resident memory, and what it adds to a call.

The services behind it run their fake backends, so that every figure is the gateway's own.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import psutil
from grpc import aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from bench.calibration import calibrate
from bench.report import Figure, json_argument, publish
from ops.ports import free_ports

_SERVICES = ("embedding", "reranking", "documents", "gpu")
_MODEL = "all-MiniLM-L6-v2"
_TEXT = "What does the gateway add to a call?"
_LIMIT_S = 60.0


@contextmanager
def process(module: str, settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m module` with these settings while the body runs."""
    child = subprocess.Popen([sys.executable, "-m", module], env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        child.wait(30)


@contextmanager
def fake_services() -> Iterator[dict[str, int]]:
    """All services with fake backends; yields their ports."""
    ports = dict(zip(_SERVICES, free_ports(len(_SERVICES)), strict=True))
    with ExitStack() as stack:
        for name, port in ports.items():
            prefix = f"ISOLANE_{name.upper()}"
            settings = {f"{prefix}_PORT": str(port), f"{prefix}_METRICS_PORT": "0", f"{prefix}_BACKEND": "fake"}
            stack.enter_context(process(f"services.{name}", settings))
        yield ports


def is_ready(port: int) -> bool:
    """One try of /health/ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def gateway(upstreams: dict[str, int]) -> Iterator[tuple[int, float, psutil.Process]]:
    """A ready gateway: its port, the seconds from its start to its first healthy answer, its process."""
    (port,) = free_ports(1)
    settings = {f"ISOLANE_GATEWAY_UPSTREAMS__{name.upper()}": f"127.0.0.1:{p}" for name, p in upstreams.items()}
    started_s = time.perf_counter()
    with process("gateway", {**settings, "ISOLANE_GATEWAY_PORT": str(port)}) as child:
        while not is_ready(port):
            if child.poll() is not None or time.perf_counter() - started_s > _LIMIT_S:
                raise SystemExit(f"the gateway was not ready within {_LIMIT_S:.0f} s")
            time.sleep(0.01)
        yield port, time.perf_counter() - started_s, psutil.Process(child.pid)


def http_times(port: int, calls: int) -> list[float]:
    """Seconds of each of `calls` requests over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = json.dumps({"model": _MODEL, "input": _TEXT, "encoding_format": "base64"})
    moments = [time.perf_counter()]
    for _ in range(calls):
        connection.request("POST", "/v1/embeddings", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        if reply.status != http.client.OK:
            raise SystemExit(f"the gateway answered {reply.status}")
        moments.append(time.perf_counter())
    connection.close()
    return [after - before for before, after in pairwise(moments)]


async def grpc_times(port: int, calls: int) -> list[float]:
    """The same work asked of the service directly."""
    request = pb.EmbedRequest(model=_MODEL, inputs=[pb.Input(text=_TEXT)])
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        embed = pb_grpc.EmbeddingServiceStub(channel).Embed
        moments = [time.perf_counter()]
        for _ in range(calls):
            await embed(request, timeout=10)
            moments.append(time.perf_counter())
    return [after - before for before, after in pairwise(moments)]


def measure() -> list[Figure]:
    """All figures of the gateway."""
    starts, idle, loaded, through, direct, rates = [], [], [], [], [], []
    with fake_services() as ports:
        with gateway(ports):
            pass  # the services' first start and the file cache are not the gateway's time
        for _ in range(5):
            with gateway(ports) as (port, seconds, running):
                starts.append(seconds)
                idle.append(running.memory_info().rss / 2**20)
                http_times(port, 50)
                cpu_before_s = sum(running.cpu_times()[:2])
                through += http_times(port, 500)
                rates.append(500 / max(1e-9, sum(running.cpu_times()[:2]) - cpu_before_s))
                direct += asyncio.run(grpc_times(ports["embedding"], 500))
                loaded.append(running.memory_info().rss / 2**20)
    p50_through, p50_direct = sorted(through)[len(through) // 2] * 1e3, sorted(direct)[len(direct) // 2] * 1e3
    return [
        Figure.of("gateway: start to first healthy answer", "s", starts),
        Figure.of("gateway: resident memory, idle", "MiB", idle),
        Figure.of("gateway: resident memory, after 550 calls", "MiB", loaded),
        Figure.of("one caller: through the gateway, p50", "ms", [p50_through]),
        Figure.of("one caller: the service directly, p50", "ms", [p50_direct]),
        Figure.of("one caller: added by the gateway, p50", "ms", [p50_through - p50_direct]),
        Figure.of("one caller: requests per second of gateway CPU", "requests/s", rates),
    ]


if __name__ == "__main__":
    target = json_argument((__doc__ or "").splitlines()[0])
    publish([*asyncio.run(calibrate()), *measure()], target)
