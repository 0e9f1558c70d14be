"""Clients that go away while their requests wait: nothing is computed for them."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

CALLERS = 1000
WORDS = 60


def metric(url: str, name: str) -> float:
    found = re.search(rf'^{name}\{{model="all-MiniLM-L6-v2"\}} (\S+)$', httpx.get(url).text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@contextlib.contextmanager
def open_files(number: int) -> Iterator[None]:
    """Room for so many sockets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], number), max(before[1], number)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_abandoned_requests_cost_no_more_than_the_batches_in_progress(
    launch: Any, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    service = launch(
        "services.embedding",
        ISOLANE_EMBEDDING_PORT="0",
        ISOLANE_EMBEDDING_METRICS_PORT="0",
        ISOLANE_EMBEDDING_BACKEND="fake",
        ISOLANE_EMBEDDING_FAKE_TOKEN_US="500",
    )
    gateway = launch(
        "gateway", ISOLANE_GATEWAY_PORT="0", ISOLANE_GATEWAY_UPSTREAMS__EMBEDDING=f"127.0.0.1:{service.port}"
    )
    metrics = f"http://127.0.0.1:{service.lines('serving')[0]['metrics_port']}/metrics"
    eventually(lambda: httpx.post(f"{gateway.url}/v1/embeddings", json=body("first")).status_code == 200)

    with open_files(2 * CALLERS):
        callers = [send(gateway.port, f"caller {number}") for number in range(CALLERS)]
        eventually(lambda: metric(metrics, "isolane_embedding_queued_tokens") > 0.9 * CALLERS * WORDS)
        computed = metric(metrics, "isolane_embedding_tokens_total")
        for caller in callers:
            caller.close()
        eventually(lambda: metric(metrics, "isolane_embedding_queued_tokens") == 0)
    time.sleep(1.0)

    # The news travels while the engine works on: what counts is that nearly all of 60,000 tokens are left alone.
    after = metric(metrics, "isolane_embedding_tokens_total") - computed
    assert after < 0.1 * CALLERS * WORDS
    assert httpx.post(f"{gateway.url}/v1/embeddings", json=body("last")).status_code == 200
    cancelled = [line for line in service.lines("rpc") if line["code"] == "cancelled"]
    assert len(cancelled) > 0.9 * CALLERS


def body(text: str) -> dict[str, str]:
    return {"model": "all-MiniLM-L6-v2", "input": f"{text} " * (WORDS // 2)}


def send(port: int, text: str) -> socket.socket:
    """A request that has been sent and not answered."""
    content = json.dumps(body(text)).encode()
    head = (
        "POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Request-Timeout-Ms: 120000\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(head.encode() + content)
    return connection
