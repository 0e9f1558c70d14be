"""Isolane under measurement: a local stack of its own, and the dev mesh that runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.serving import Served
from ops.ports import LOOPBACK, free_ports

SERVICES = ("embedding", "reranking", "documents", "gpu")


@contextmanager
def local_stack(name: str = "isolane", **settings: str) -> Iterator[Served]:
    """A local stack on free ports while the body runs.

    Args:
        name: in tables.
        settings: environment variables without their ISOLANE_, for example EMBEDDING_BACKEND.
    """
    numbers = iter(free_ports(1 + 2 * len(SERVICES)))
    ports = {"GATEWAY_PORT": next(numbers)}
    for service in SERVICES:
        ports |= {f"{service.upper()}_PORT": next(numbers), f"{service.upper()}_METRICS_PORT": next(numbers)}
    with tempfile.TemporaryDirectory(prefix="isolane-bench-") as folder:
        environ = {
            **os.environ,
            **{f"ISOLANE_OPS_{port}": str(number) for port, number in ports.items()},
            **{f"ISOLANE_{setting}": value for setting, value in settings.items()},
            "ISOLANE_OPS_STATE_DIR": folder,
        }
        served: Served | None = None
        try:
            _isolane(environ, "local", "--detach")
            status = json.loads(_isolane(environ, "status", "--json"))
            metrics = {
                service: f"http://{LOOPBACK}:{ports[f'{service.upper()}_METRICS_PORT']}/metrics" for service in SERVICES
            }
            served = Served(name=name, url=str(status["url"]), pid=int(status["pid"]), metrics_urls=metrics)
            yield served
        finally:
            if served is not None:
                served.resume()
            _isolane(environ, "stop", "local")


def running_mesh() -> Served:
    """The dev mesh that runs here; it cannot be halted, and its metrics are not reached from outside.

    Raises:
        SystemExit: there is none.
    """
    mesh = json.loads(_isolane(dict(os.environ), "status", "--json", accept=(0, 1)))["mesh"]
    if not mesh or not mesh["healthy"]:
        raise SystemExit("no healthy dev mesh runs here; start one with `just dev`, as root")
    return Served(name="isolane, mesh", url=str(mesh["gateway"]))


def _isolane(environ: Mapping[str, str], *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
    command = [sys.executable, "-P", "-m", "ops", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode not in accept:
        folder = environ.get("ISOLANE_OPS_STATE_DIR", "")
        raise SystemExit(f"`isolane {' '.join(arguments)}` failed:\n{done.stdout}{done.stderr}{_log_ends(folder)}")
    return done.stdout


def _log_ends(folder: str) -> str:
    """The last lines of the stack's logs: its folder is gone when somebody reads the message."""
    logs = sorted(Path(folder, "logs").glob("*.log")) if folder else []
    ends = ((log.name, log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]) for log in logs)
    return "".join(f"\n{name}: {line[:400]}" for name, lines in ends for line in lines)
