"""Gateways with services behind them, for a neighbour to do its worst to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.launching import Launch, Running, launcher
from tests.integration.neighbours.kit import until_served

Gateway = Callable[..., Awaitable[Running]]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts processes that end with the test."""
    with launcher(tmp_path) as launching:
        yield launching


@pytest.fixture
def embedding(launch: Launch) -> Callable[..., Running]:
    """Starts an embedding service that computes 50,000 tokens a second; settings by their names in lower case."""

    def start(**settings: str) -> Running:
        given = {
            "port": "0",
            "metrics_port": "0",
            "backend": "fake",
            "fake_token_us": "20",
            "drain_s": "0.1",
            **settings,
        }
        return launch("services.embedding", **{f"ISOLANE_EMBEDDING_{name.upper()}": v for name, v in given.items()})

    return start


@pytest.fixture
def before(launch: Launch) -> Callable[..., Running]:
    """Starts a gateway before a service: `before({"embedding": port}, body_timeout_s="1")`."""

    def start(ports: dict[str, int], **settings: str) -> Running:
        upstreams = {f"upstreams__{name}": f"127.0.0.1:{port}" for name, port in ports.items()}
        given = {"port": "0", "drain_s": "0.1", **upstreams, **settings}
        return launch("gateway", **{f"ISOLANE_GATEWAY_{name.upper()}": value for name, value in given.items()})

    return start


@pytest.fixture
async def port(embedding: Callable[..., Running], before: Callable[..., Running]) -> int:
    """Port of a gateway before an embedding service, both with their usual limits."""
    gateway = before({"embedding": embedding().port})
    await until_served(gateway.port)
    return gateway.port
