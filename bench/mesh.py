"""The running dev mesh beside a local stack, same models and machine, in turns: what two Envoys and mTLS cost.

Needs `just dev`, as root; starts a local stack of its own on free ports and ends it.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.calibration import calibrate
from bench.report import Figure, json_argument, publish

_MODEL = "all-MiniLM-L6-v2"
_TURNS = 3
_WARM_CALLS = 20
_PARTS = ("GATEWAY", "EMBEDDING", "RERANKING", "DOCUMENTS", "GPU")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a load looks."""

    callers: int
    texts: int
    """In each request."""
    requests: int
    """Of each caller."""

    def __str__(self) -> str:
        return f"{self.texts} text x {self.callers} callers"


SHAPES = (
    Shape(callers=1, texts=1, requests=200),
    Shape(callers=32, texts=1, requests=12),
    Shape(callers=4, texts=32, requests=6),
)


@contextmanager
def local_stack() -> Iterator[str]:
    """A local stack on free ports; yields its gateway's URL."""
    with tempfile.TemporaryDirectory() as folder:
        ports = {f"ISOLANE_OPS_{name}_PORT": "0" for name in _PARTS}
        environ = {**os.environ, **ports, "ISOLANE_OPS_STATE_DIR": folder}
        try:
            _isolane(environ, "local", "--detach")
            yield str(json.loads(_isolane(environ, "status", "--json"))["url"])
        finally:
            _isolane(environ, "stop", "local")


def mesh_url() -> str:
    """The gateway of the running mesh."""
    mesh = json.loads(_isolane(dict(os.environ), "status", "--json"))["mesh"]
    if not mesh or not mesh["healthy"]:
        raise SystemExit("no healthy dev mesh runs here; start one with `just dev`, as root")
    return str(mesh["gateway"])


def load(url: str, shape: Shape) -> tuple[list[float], float]:
    """Seconds of every request, and texts per second of the whole."""
    times: list[list[float]] = [[] for _ in range(shape.callers)]
    threads = [threading.Thread(target=_call, args=(url, shape, each)) for each in times]
    started_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - started_s
    done = list(itertools.chain.from_iterable(times))
    if len(done) != shape.callers * shape.requests:
        raise SystemExit(f"{url}: {shape.callers * shape.requests - len(done)} requests failed")
    return done, len(done) * shape.texts / took_s


def measure() -> list[Figure]:
    """Latency and throughput of both, and their ratios."""
    figures = []
    mesh = mesh_url()
    with local_stack() as local:
        for url in (mesh, local):
            load(url, Shape(callers=1, texts=1, requests=_WARM_CALLS))
        for shape in SHAPES:
            # In turns, so that what else the machine does meets both alike.
            turns = [(load(local, shape), load(mesh, shape)) for _ in range(_TURNS)]
            figures += _compare(shape, [turn[0] for turn in turns], [turn[1] for turn in turns])
    return figures


def _compare(
    shape: Shape, local: Sequence[tuple[list[float], float]], mesh: Sequence[tuple[list[float], float]]
) -> list[Figure]:
    p50 = [[statistics.median(times) * 1e3 for times, _ in runs] for runs in (local, mesh)]
    rates = [[rate for _, rate in runs] for runs in (local, mesh)]
    added = [m - o for o, m in zip(*p50, strict=True)]
    ratios = [m / o for o, m in zip(*rates, strict=True)]
    return [
        Figure.of(f"{shape}: local, p50", "ms", p50[0]),
        Figure.of(f"{shape}: mesh, p50", "ms", p50[1]),
        Figure.of(f"{shape}: added by the mesh, p50", "ms", added),
        Figure.of(f"{shape}: local", "texts/s", rates[0]),
        Figure.of(f"{shape}: mesh", "texts/s", rates[1]),
        Figure.of(f"{shape}: mesh / local", "ratio", ratios),
    ]


def _call(url: str, shape: Shape, times: list[float]) -> None:
    """One caller over one connection; a request that fails ends it, which is noticed by its count."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    for _ in range(shape.requests):
        texts = [f"text {next(_numbers)}: Consul finds the services and wraps every call." for _ in range(shape.texts)]
        body = json.dumps({"model": _MODEL, "input": texts, "encoding_format": "base64"})
        started_s = time.perf_counter()
        connection.request("POST", "/v1/embeddings", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        if reply.status != http.client.OK:
            break
        times.append(time.perf_counter() - started_s)
    connection.close()


def _isolane(environ: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "ops", *arguments]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    target = json_argument((__doc__ or "").splitlines()[0])
    publish([*asyncio.run(calibrate()), *measure()], target)
