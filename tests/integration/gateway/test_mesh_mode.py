"""A gateway with discovery=consul: a sidecar's listener for the calls, a Consul agent for what is there."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

pytestmark = pytest.mark.integration

BODY = {"model": "all-MiniLM-L6-v2", "input": "a"}
SERVICES = ("embedding", "reranking", "documents", "gpu")


class Consul:
    """An agent over HTTP whose answers a test changes; it holds queries back as the real one does."""

    def __init__(self) -> None:
        self._passing: dict[str, list[int]] = {}
        self._index = 1
        self._changed = threading.Condition()
        self._is_closed = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def shows(self, service: str, *ports: int) -> None:
        """From now on these instances pass."""
        with self._changed:
            self._passing[service] = list(ports)
            self._index += 1
            self._changed.notify_all()

    def answer(self, path: str) -> tuple[int, list[dict[str, Any]]]:
        asked = urlsplit(path)
        known = int(parse_qs(asked.query).get("index", ["0"])[0])
        with self._changed:
            self._changed.wait_for(lambda: self._index != known or self._is_closed, timeout=30)
            ports = self._passing.get(asked.path.rpartition("/")[2], [])
            service = {"Address": "127.0.0.1", "Meta": {}}
            return self._index, [{"Node": {"Address": "127.0.0.1"}, "Service": {**service, "Port": p}} for p in ports]

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        consul = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index, entries = consul.answer(self.path)
                body = json.dumps(entries).encode()
                self.send_response(200)
                self.send_header("X-Consul-Index", str(index))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        return Handler


@pytest.fixture
def consul() -> Iterator[Consul]:
    agent = Consul()
    yield agent
    agent.close()


def mesh_settings(consul_url: str, **ports: int) -> dict[str, str]:
    """A gateway of the mesh; a service that is not named has a listener where nothing listens."""
    listeners = {f"ISOLANE_GATEWAY_UPSTREAMS__{name.upper()}": f"127.0.0.1:{ports.get(name, 1)}" for name in SERVICES}
    own = {"PORT": "0", "DISCOVERY": "consul", "CONSUL__ADDRESS": consul_url}
    return {**{f"ISOLANE_GATEWAY_{name}": value for name, value in own.items()}, **listeners}


def embed(gateway: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/embeddings", json=BODY)


def test_a_service_without_a_passing_instance_is_refused_at_once_and_heals(
    launch: Any, services: Any, consul: Consul, eventually: Any
) -> None:
    gateway = launch("gateway", **mesh_settings(consul.url, embedding=services["embedding"].port))
    eventually(lambda: "passing" in embed(gateway).text)

    with httpx.Client(base_url=gateway.url) as client:
        client.post("/v1/embeddings", json=BODY)
        began_s = time.perf_counter()
        refused = client.post("/v1/embeddings", json=BODY)
        took_s = time.perf_counter() - began_s
    consul.shows("embedding", 21000)
    began_again_s = time.perf_counter()
    eventually(lambda: embed(gateway).status_code == 200)
    healed_s = time.perf_counter() - began_again_s
    consul.shows("embedding")
    eventually(lambda: embed(gateway).status_code == 503)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "no_endpoint"
    assert refused.json()["error"]["message"].startswith("embedding: no instance is passing in Consul")
    assert took_s < 0.05
    assert healed_s < 2.0


def test_readiness_names_the_instances_that_consul_shows_and_why_a_service_has_none(
    launch: Any, consul: Consul, eventually: Any
) -> None:
    gateway = launch("gateway", **mesh_settings(consul.url))
    for service in ("embedding", "documents"):
        consul.shows(service, 21000)

    def states() -> Any:
        return httpx.get(f"{gateway.url}/health/ready").json()["services"]

    eventually(lambda: states()["documents"]["healthy"] and "passing" in states()["reranking"]["reason"])
    not_ready = httpx.get(f"{gateway.url}/health/ready")
    consul.shows("reranking", 21001)
    eventually(lambda: httpx.get(f"{gateway.url}/health/ready").status_code == 200)

    shown = not_ready.json()["services"]
    assert not_ready.status_code == 503
    assert "reranking" in not_ready.json()["detail"]
    assert shown["embedding"]["instances"] == [{"address": "127.0.0.1:21000", "healthy": True, "reason": ""}]
    assert shown["reranking"]["reason"].startswith("no instance is passing in Consul")


def test_without_consul_the_gateway_is_alive_and_says_what_is_missing(launch: Any) -> None:
    gateway = launch("gateway", **mesh_settings("http://127.0.0.1:1"))

    refused = embed(gateway)
    metrics = httpx.get(f"{gateway.url}/metrics").text

    assert httpx.get(f"{gateway.url}/health/live").status_code == 200
    assert refused.status_code == 503
    assert "Consul has not answered yet" in refused.json()["error"]["message"]
    assert 'isolane_resolver_failures_total{service="embedding"}' in metrics
    assert {line["upstream"] for line in gateway.lines("resolver_lost")} == set(SERVICES)


def test_an_upstream_that_keeps_failing_is_left_alone_for_a_second(
    launch: Any, consul: Consul, eventually: Any
) -> None:
    gateway = launch("gateway", **mesh_settings(consul.url))
    consul.shows("embedding", 21000)
    eventually(lambda: embed(gateway).json()["error"]["code"] == "breaker_open")

    refused = embed(gateway)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert gateway.lines("breaker_opened")[0]["upstream"] == "embedding"
