"""Running processes: the services with their fake backends, and gateways in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.integration.launching import Launch, Running, wait_until
from tests.integration.launching import launcher as _launcher

SERVICES = ("embedding", "reranking", "documents", "gpu")


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
    with _launcher(tmp_path) as launch:
        yield launch


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
