"""Processes that tests start: the gateway and the services, on free ports, with their logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process that serves."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event."""
        return [line for line in _json_lines(self.log) if line.get("event") == event]

    def request_line(self, request_id: str) -> dict[str, Any]:
        """The log line of a request; it is written just after the answer."""
        for _ in range(100):
            for line in self.lines("request"):
                if line["request_id"] == request_id:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no log line for {request_id}")


Launch = Callable[..., Running]


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


@contextmanager
def _running(module: str, log: Path, settings: dict[str, str]) -> Iterator[Running]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ISOLANE_")}
    with log.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-m", module], env={**environment, **settings}, stderr=stderr)
    try:
        yield Running(port=_port(process, log), process=process, log=log)
    finally:
        process.terminate()
        process.wait(20)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    for _ in range(1200):
        if serving := [line for line in _json_lines(log) if line.get("event") == "serving"]:
            return int(serving[0]["port"])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"it does not serve: {log.read_text()}")


@contextmanager
def launcher(folder: Path) -> Iterator[Launch]:
    """Starts processes that end with the body: `launch("gateway", ISOLANE_GATEWAY_…="…")`."""
    with ExitStack() as stack:
        count = iter(range(1000))

        def launch(module: str, **settings: str) -> Running:
            log = folder / f"{module}-{next(count)}.log"
            return stack.enter_context(_running(module, log, settings))

        yield launch


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds; it fails when that takes 20 s."""
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come true within 20 s")
