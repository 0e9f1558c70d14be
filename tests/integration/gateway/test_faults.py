"""Upstreams that die, clients that leave or dawdle, and the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.common import call
from tests.integration.scripted_embedding import Context, ScriptedEmbedding, serving

pytestmark = pytest.mark.integration

MODEL = "all-MiniLM-L6-v2"
BODY = {"model": MODEL, "input": "a"}


class Slow(ScriptedEmbedding):
    """Answers only when a test says so, and remembers what became of its calls."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.deadlines_s: list[float] = []

    async def before_answer(self, context: Context) -> None:
        self.deadlines_s.append(call.deadline().remaining_s())
        self.begun.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.release.set()


@asynccontextmanager
async def slow_gateway(launch: Any, **settings: str) -> AsyncIterator[tuple[Slow, Any]]:
    """A gateway in front of a slow embedding service."""
    slow = Slow()
    async with serving(slow, drain_s=1.0) as port:
        upstream = {"ISOLANE_GATEWAY_UPSTREAMS__EMBEDDING": f"127.0.0.1:{port}"}
        gateway = await asyncio.to_thread(launch, "gateway", ISOLANE_GATEWAY_PORT="0", **upstream, **settings)
        async with httpx.AsyncClient() as client:
            for _ in range(200):
                states = (await client.get(f"{gateway.url}/health")).json()["services"]
                if states["embedding"]["healthy"]:
                    break
                await asyncio.sleep(0.05)
        yield slow, gateway


async def test_client_that_leaves_cancels_the_upstream_call(launch: Any) -> None:
    async with slow_gateway(launch) as (slow, gateway), httpx.AsyncClient() as client:
        headers = {"x-request-id": "left"}
        request = asyncio.create_task(client.post(f"{gateway.url}/v1/embeddings", json=BODY, headers=headers))
        await asyncio.wait_for(slow.begun.wait(), 10)
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await request

        await asyncio.wait_for(slow.cancelled.wait(), 5)

        line = await asyncio.to_thread(gateway.request_line, "left")
        assert (line["status"], line["code"]) == (499, "cancelled")
        assert (await client.get(f"{gateway.url}/health/live")).status_code == 200


async def test_header_sets_the_deadline_that_the_service_sees(launch: Any) -> None:
    async with (
        slow_gateway(launch, ISOLANE_GATEWAY_EMBEDDING__MAX_TIMEOUT_S="2") as (slow, gateway),
        httpx.AsyncClient(base_url=gateway.url, timeout=20) as client,
    ):
        short = await client.post("/v1/embeddings", json=BODY, headers={"x-request-timeout-ms": "300"})
        slow.begun.clear()
        capped = asyncio.create_task(
            client.post("/v1/embeddings", json=BODY, headers={"x-request-timeout-ms": "60000"})
        )
        await asyncio.wait_for(slow.begun.wait(), 10)
        slow.release.set()
        await capped

    assert short.status_code == 504
    assert short.json()["error"]["code"] == "deadline_exceeded"
    assert 0 < slow.deadlines_s[0] <= 0.3
    assert 0.3 < slow.deadlines_s[1] < 3.0


async def test_requests_over_the_cap_are_refused_at_once(launch: Any) -> None:
    async with (
        slow_gateway(launch, ISOLANE_GATEWAY_EMBEDDING__MAX_IN_FLIGHT="1") as (slow, gateway),
        httpx.AsyncClient(base_url=gateway.url, timeout=20) as client,
    ):
        first = asyncio.create_task(client.post("/v1/embeddings", json=BODY))
        await asyncio.wait_for(slow.begun.wait(), 10)

        second = await client.post("/v1/embeddings", json=BODY)
        slow.release.set()

        assert second.status_code == 429
        assert second.headers["retry-after"] == "1"
        assert second.json()["error"]["type"] == "rate_limit_error"
        assert (await first).status_code == 200
        assert (await client.post("/v1/embeddings", json=BODY)).status_code == 200


async def test_sigterm_finishes_the_requests_in_progress_and_exits_0(launch: Any) -> None:
    async with slow_gateway(launch, ISOLANE_GATEWAY_SHUTDOWN_DELAY_S="1") as (slow, gateway):
        async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as client:
            request = asyncio.create_task(client.post("/v1/embeddings", json=BODY))
            await asyncio.wait_for(slow.begun.wait(), 10)
            gateway.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)

            ready = await client.get("/health/ready")
            slow.release.set()
            answer = await request

        assert ready.status_code == 503
        assert ready.json()["draining"] is True
        assert answer.status_code == 200
        assert await asyncio.to_thread(gateway.process.wait, 20) == 0


def test_killed_service_gives_a_quick_503_and_heals(launch: Any, fake: Any, settings_for: Any, eventually: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    settings = {**fake("embedding"), "ISOLANE_EMBEDDING_PORT": port}
    first = launch("services.embedding", **settings)
    gateway = launch("gateway", **settings_for({"embedding": first}))

    def embeds() -> bool:
        return httpx.post(f"{gateway.url}/v1/embeddings", json=BODY).status_code == 200

    eventually(embeds)
    first.process.kill()
    first.process.wait()
    eventually(lambda: not embeds())

    refused = httpx.post(f"{gateway.url}/v1/embeddings", json=BODY)
    states = httpx.get(f"{gateway.url}/health/ready").json()["services"]["embedding"]["instances"]
    launch("services.embedding", **settings)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert int(refused.headers["retry-after-ms"]) > 0
    assert refused.json()["error"]["code"] == "no_endpoint"
    assert "not reachable" in states[0]["reason"]
    eventually(embeds)


def test_body_that_never_ends_is_given_up(launch: Any) -> None:
    gateway = launch("gateway", ISOLANE_GATEWAY_PORT="0", ISOLANE_GATEWAY_BODY_TIMEOUT_S="0.5")
    head = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head + b"Content-Length: 9\r\n\r\n{")
        received = _read_all(connection)

    assert received.startswith(b"HTTP/1.1 408 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"


def test_body_has_no_more_time_than_its_request(gateway: Any) -> None:
    head = b"POST /v1/convert/file HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head + b"X-Request-Timeout-Ms: 300\r\nContent-Length: 9\r\n\r\n-")
        received = _read_all(connection)

    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive within 0.3 s" in received


@pytest.mark.parametrize("sent", [b"", b"POST /v1/embeddings HTTP/1.1\r\nHost: local"], ids=["nothing", "half a head"])
def test_connection_that_never_brings_a_request_is_closed(sent: bytes, launch: Any) -> None:
    gateway = launch("gateway", ISOLANE_GATEWAY_PORT="0", ISOLANE_GATEWAY_HEAD_TIMEOUT_S="0.5")

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(sent)
        received = _read_all(connection)

    assert received == b"" if not sent else received.startswith(b"HTTP/1.1 408 ")


async def test_half_a_next_request_does_not_disturb_the_answer_in_progress(launch: Any) -> None:
    content = json.dumps(BODY).encode()
    whole = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole += b"Content-Length: %d\r\n\r\n" % len(content) + content
    async with slow_gateway(launch, ISOLANE_GATEWAY_HEAD_TIMEOUT_S="0.2") as (slow, gateway):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(whole + b"GET /health HTTP/1.1\r\nHo")
        await asyncio.wait_for(slow.begun.wait(), 10)
        await asyncio.sleep(0.6)
        slow.release.set()

        received = await asyncio.wait_for(reader.read(), 10)
        writer.close()

    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.index(b'"object":"list"') < received.index(b"HTTP/1.1 408 ")


def test_idle_connection_stays_open_after_a_request(launch: Any) -> None:
    gateway = launch("gateway", ISOLANE_GATEWAY_PORT="0", ISOLANE_GATEWAY_HEAD_TIMEOUT_S="0.3")
    request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(request)
        first = _read_until(connection, b"}")
        time.sleep(0.8)
        connection.sendall(request)
        second = _read_until(connection, b"}")

    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")


def test_half_a_head_is_given_up_also_on_a_connection_that_served_before(launch: Any) -> None:
    gateway = launch("gateway", ISOLANE_GATEWAY_PORT="0", ISOLANE_GATEWAY_HEAD_TIMEOUT_S="0.3")

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        first = _read_until(connection, b"}")
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHo")
        second = _read_all(connection)

    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 408 ")


def test_client_that_leaves_in_the_middle_of_its_body_is_recorded(gateway: Any) -> None:
    head = (
        b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: half\r\nContent-Type: application/json\r\n"
    )

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(head + b"Content-Length: 100\r\n\r\n{")
        time.sleep(0.2)

    assert gateway.request_line("half")["status"] == 499


def test_taken_port_is_one_clear_line_and_status_1(gateway: Any) -> None:
    ended = _run_gateway(ISOLANE_GATEWAY_PORT=str(gateway.port))

    line = json.loads(ended.stderr)
    assert ended.returncode == 1
    assert line["event"] == "cannot_start"
    assert f"127.0.0.1:{gateway.port}" in line["error"]
    assert "ISOLANE_GATEWAY_PORT" in line["error"]


def test_wrong_settings_are_all_named_and_status_2() -> None:
    ended = _run_gateway(ISOLANE_GATEWAY_PORT="x", ISOLANE_GATEWAY_UPSTREAMS__GPU="nowhere", ISOLANE_GATEWAY_PROT="1")

    assert ended.returncode == 2
    assert "ISOLANE_GATEWAY_PORT" in ended.stderr
    assert "ISOLANE_GATEWAY_UPSTREAMS__GPU" in ended.stderr
    assert "ISOLANE_GATEWAY_PROT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_dead_background_task_ends_the_process_with_status_1() -> None:
    program = """
import sys
from gateway.app import build
from gateway.server import serve
from gateway.settings import GatewaySettings
from services.common.lifecycle import run_process

class BrokenResolver:
    def resolve(self, service): raise RuntimeError("broken")
    async def watch(self, service):
        raise RuntimeError("broken")
        yield
    async def aclose(self): pass

sys.exit(run_process(GatewaySettings, lambda settings: serve(settings, build(settings, resolver=BrokenResolver()))))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"ISOLANE_GATEWAY_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 1
    assert "task_died" in ended.stderr


def _run_gateway(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway"], env=settings, capture_output=True, text=True, timeout=30, check=False
    )


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        received += connection.recv(65536)
    return received


def _read_all(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received
