"""Connections, places and buffers of the gateway, with a neighbour who sends slowly, reads nothing or never ends."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable

import psutil
import pytest

from tests.integration.launching import Running
from tests.integration.neighbours.kit import (
    ask,
    assert_served,
    conversion,
    embeddings,
    exchange,
    get,
    held,
    until_served,
    words,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

Start = Callable[..., Running]


def half(request: bytes) -> bytes:
    return request[: -len(request) // 4]


async def test_bodies_that_arrive_slowly_hold_no_places(embedding: Start, before: Start) -> None:
    gateway = before({"embedding": embedding().port}, embedding__max_in_flight="8")
    await until_served(gateway.port)
    async with held(gateway.port, half(embeddings(["slow " * 1000])), 32):
        await asyncio.sleep(0.5)
        await assert_served(gateway.port)


async def test_files_that_arrive_slowly_hold_no_places(launch: Callable[..., Running], before: Start) -> None:
    settings = {"BACKEND": "fake", "PORT": "0", "METRICS_PORT": "0"}
    service = launch("services.documents", **{f"ISOLANE_DOCUMENTS_{name}": value for name, value in settings.items()})
    gateway = before({"documents": service.port})

    def note() -> bytes:
        return conversion("a.md", b"# A note\n", client="alice")

    await until_served(gateway.port, note)
    async with held(gateway.port, half(conversion("b.md", b"# slow\n" * 100)), 32):
        await asyncio.sleep(0.5)
        await assert_served(gateway.port, request=note)


@pytest.mark.parametrize("requests", [1, 2], ids=["one", "pipelined"])
async def test_answers_that_nobody_reads_hold_no_places(requests: int, embedding: Start, before: Start) -> None:
    gateway = before({"embedding": embedding().port}, embedding__max_in_flight="8")
    await until_served(gateway.port)
    large = embeddings(["same"] * 2048, close=False)
    async with held(gateway.port, large * requests, 12):
        await asyncio.sleep(3)
        await assert_served(gateway.port)


async def test_answers_that_nobody_reads_are_given_up(embedding: Start, before: Start) -> None:
    gateway = before({"embedding": embedding().port}, answer_timeout_s="1")
    await until_served(gateway.port)
    process = psutil.Process(gateway.process.pid)
    async with held(gateway.port, embeddings(["same"] * 2048, close=False), 16):
        await asyncio.sleep(6)
        left = [one for one in process.net_connections("tcp") if one.raddr and one.laddr.port == gateway.port]

    assert left == []
    await assert_served(gateway.port)


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /v1/embeddings HTTP/1.1\r\nHost: local", get("/health/live").replace(b"Connection: close\r\n", b"")],
    ids=["nothing", "half a head", "a request before"],
)
async def test_idle_connections_of_one_machine_leave_room_for_the_others(
    sent: bytes, embedding: Start, before: Start
) -> None:
    gateway = before({"embedding": embedding().port})
    await until_served(gateway.port)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (256, 256))
    async with held(gateway.port, sent, 300):
        await asyncio.sleep(0.5)
        await assert_served(gateway.port, 4)


async def test_a_client_that_leaves_is_noticed_however_large_its_body_was(embedding: Start, before: Start) -> None:
    service = embedding()
    gateway = before({"embedding": service.port})
    await until_served(gateway.port)
    for number in range(4):
        request = embeddings([words(250, f"{number}y{text}") for text in range(100)], client="greedy")
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.transport.set_write_buffer_limits(0)
        writer.write(embeddings(["x" * 3_000_000], close=False))  # by which the kernel learns to take much at once
        await reader.readuntil(b"}}")
        head = request.index(b"{")
        writer.write(request[:head])
        await asyncio.sleep(0.1)
        gateway.process.send_signal(signal.SIGSTOP)  # so that the body is there in one piece
        writer.write(request[head:])
        await writer.drain()
        gateway.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.15)
        writer.transport.abort()
        await asyncio.sleep(0.1)
    await assert_served(gateway.port)
    await asyncio.sleep(0.5)

    codes = [line["code"] for line in service.lines("rpc") if line.get("client") == "greedy"]
    assert codes == ["cancelled"] * 4


async def test_one_client_cannot_take_every_place(embedding: Start, before: Start) -> None:
    gateway = before({"embedding": embedding(fake_token_us="5000").port}, embedding__max_in_flight="16")
    await until_served(gateway.port)
    slow = [asyncio.create_task(ask(gateway.port, [words(200, n)], client="greedy", within_s=60)) for n in range(40)]
    await asyncio.sleep(0.5)
    await assert_served(gateway.port, 4)

    assert 429 in {task.result().status for task in slow if task.done()}
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_pipelined_requests_of_one_connection_wait_for_each_other_and_not_for_alice(port: int) -> None:
    many = b"".join(embeddings([words(100, f"{n}y")], close=False) for n in range(2000))
    async with held(port, many, 8):
        await asyncio.sleep(1)
        await assert_served(port)


async def test_what_is_not_http_costs_the_others_nothing(port: int) -> None:
    for nonsense in (b"\x16\x03\x01" + bytes(200), b"GET / HTTP/9.9\r\n\r\n", b"POST " + b"a" * 70_000):
        replies = await asyncio.gather(*(exchange(port, nonsense, within_s=5) for _ in range(20)))
        assert {reply.status for reply in replies} <= {0, 400, 431}

    await assert_served(port)
