"""Running processes: the services with their fake backends, and gateways in front of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

SERVICES = ("embedding", "reranking", "documents", "gpu")


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
def _launcher(folder: Path) -> Iterator[Launch]:
    with ExitStack() as stack:
        count = iter(range(1000))

        def launch(module: str, **settings: str) -> Running:
            log = folder / f"{module}-{next(count)}.log"
            return stack.enter_context(_running(module, log, settings))

        yield launch


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """Every service with its fake backend."""
    with _launcher(tmp_path_factory.mktemp("services")) as launch:
        yield {name: launch(f"services.{name}", **fake_settings(name)) for name in SERVICES}


@pytest.fixture(scope="session")
def gateway(services: dict[str, Running], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway in front of the fake services, with settings as they are by default."""
    with _launcher(tmp_path_factory.mktemp("gateway")) as launch:
        running = launch("gateway", **gateway_settings(services))
        wait_until(lambda: httpx.get(f"{running.url}/health/ready").status_code == 200)
        yield running


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], AbstractContextManager[Launch]]:
    """Makes what `launch` is, for processes that outlive a test."""
    return lambda: _launcher(tmp_path_factory.mktemp("launched"))


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts processes that end with the test: `launch("gateway", ISOLANE_GATEWAY_…="…")`."""
    with _launcher(tmp_path) as launcher:
        yield launcher


def fake_settings(name: str) -> dict[str, str]:
    prefix = f"ISOLANE_{name.upper()}"
    backend = {} if name == "gpu" else {f"{prefix}_BACKEND": "fake"}
    return {f"{prefix}_PORT": "0", f"{prefix}_METRICS_PORT": "0", **backend}


def gateway_settings(services: dict[str, Running]) -> dict[str, str]:
    upstreams = {
        f"ISOLANE_GATEWAY_UPSTREAMS__{name.upper()}": f"127.0.0.1:{service.port}" for name, service in services.items()
    }
    return {"ISOLANE_GATEWAY_PORT": "0", **upstreams}


@pytest.fixture(scope="session")
def settings_for() -> Callable[[dict[str, Running]], dict[str, str]]:
    """A gateway's settings for these services, on a free port."""
    return gateway_settings


@pytest.fixture(scope="session")
def fake() -> Callable[[str], dict[str, str]]:
    """A service's settings for its fake backend, on a free port."""
    return fake_settings


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits until a condition holds; fails when it does not within 20 s."""
    return wait_until


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come true within 20 s")
