"""Step: the embedding service with `require_gpu`, on the machine as it is and with its GPUs hidden."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.gpu import steps
from bench.gpu.architectures import MINILM_L6, shrunk
from bench.gpu.steps import Options, Report
from bench.gpu.weights import make

_START_LIMIT_S, _END_LIMIT_S = 25.0, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a start of the service went."""

    served: bool
    status: int | None
    """Exit status; None of a process that had to be ended."""
    seconds: float
    """Until it served or ended."""
    error: str
    """Of its last line."""


def measure(report: Report, options: Options) -> bool:
    """Start it twice; False unless it serves with a GPU, and ends with the reason without one."""
    settings = _settings(make(shrunk(MINILM_L6), options.work, device=options.device))
    found = {"as it is": start(settings), "hidden": start({**settings, "CUDA_VISIBLE_DEVICES": ""})}
    for name, each in found.items():
        report.fact(name, {"served": each.served, "status": each.status, "seconds": each.seconds, "error": each.error})
    refused = [each for each in found.values() if not each.served and each.status == 1 and "GPU" in each.error]
    return found["hidden"] in refused and found["as it is"].served is options.has_gpu


def start(variables: dict[str, str]) -> Start:
    """Start the embedding service, end it once it serves, and tell how it went."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ISOLANE_")} | variables
    started_s = time.monotonic()
    command = [sys.executable, "-m", "services.embedding"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as process:
        limit = threading.Timer(_START_LIMIT_S, process.kill)
        limit.start()
        try:
            events = _events(process)
            seconds = time.monotonic() - started_s
            served = bool(events) and events[-1]["event"] == "serving"
            status = _end(process)
        finally:
            limit.cancel()
            process.kill()
    error = str(events[-1].get("error", "")) if events else ""
    return Start(served=served, status=status, seconds=round(seconds, 2), error=error)


def _events(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    """Its log, until it serves or ends."""
    assert process.stderr is not None  # it is a pipe
    events: list[dict[str, object]] = []
    for line in process.stderr:
        print(line, end="", flush=True)
        if line.startswith("{"):
            events.append(json.loads(line))
        if events and events[-1]["event"] == "serving":
            break
    return events


def _end(process: subprocess.Popen[str]) -> int | None:
    process.terminate()
    try:
        return process.wait(_END_LIMIT_S)
    except subprocess.TimeoutExpired:
        return None


def _settings(folder: Path) -> dict[str, str]:
    model = {"id": "random", "source": f"path:{folder}"}
    return {
        "ISOLANE_EMBEDDING_PORT": "0",
        "ISOLANE_EMBEDDING_METRICS_PORT": "0",
        "ISOLANE_EMBEDDING_REQUIRE_GPU": "true",
        "ISOLANE_EMBEDDING_MODELS": json.dumps([model]),
    }


if __name__ == "__main__":
    steps.run("require_gpu", measure)
