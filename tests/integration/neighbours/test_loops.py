"""The event loops of gateway and service, their answers and tables, with a neighbour who asks for what is costly."""

from __future__ import annotations

import asyncio
import itertools
import json
import random

import pytest

from tests.integration.neighbours.kit import (
    MODEL,
    assert_served,
    embeddings,
    exchange,
    flood,
    get,
    post,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.mark.parametrize("encoding", ["base64", "float"])
async def test_the_largest_answers_that_cost_no_computing_hold_nobody_up(encoding: str, port: int) -> None:
    kept = embeddings([f"kept {number}" for number in range(2048)], client="greedy", encoding=encoding)
    assert (await exchange(port, kept)).status == 200
    async with flood(port, itertools.repeat(kept), connections=16):
        await asyncio.sleep(1)
        await assert_served(port)


@pytest.mark.parametrize("path", ["/metrics", "/schema/openapi.json", "/v1/models", "/health"])
async def test_pages_that_need_no_service_hold_nobody_up(path: str, port: int) -> None:
    async with flood(port, itertools.repeat(get(path)), connections=24):
        await asyncio.sleep(1)
        await assert_served(port)


@pytest.mark.parametrize(
    "content",
    [
        b'{"model":"%b","input":[%b1]}' % (MODEL.encode(), b"1," * 2_000_000),
        b'{"model":"%b","input":[%b[1]]}' % (MODEL.encode(), b"[1]," * 1_000_000),
        b'{"model":"%b","input":[%b""]}' % (MODEL.encode(), b'"",' * 1_300_000),
        b'{"model":"%b","input":"%b"}' % (MODEL.encode(), b"\\u00e4" * 600_000),
        b"[" * 4_000_000,
        b'{"x":' * 700_000,
    ],
    ids=["token ids", "lists", "empty texts", "escapes", "brackets", "objects"],
)
async def test_bodies_that_are_costly_to_read_hold_nobody_up(content: bytes, port: int) -> None:
    costly = itertools.repeat(post("/v1/embeddings", content, client="greedy"))
    async with flood(port, costly, connections=8):
        await asyncio.sleep(1)
        await assert_served(port)


async def test_what_a_client_makes_up_makes_no_metrics(port: int) -> None:
    async def lines() -> int:
        return (await exchange(port, get("/metrics"))).body.count(b"\n")

    def made_up() -> bytes:
        body = json.dumps({"model": f"m-{random.random()}", "input": "a"}).encode()
        return post("/v1/embeddings", body, client=f"c-{random.random()}", key=f"k-{random.random()}")

    async def many() -> None:
        for number in range(60):
            await exchange(port, made_up())
            await exchange(port, get(f"/none/{random.random()}"))
            await exchange(port, get(f"/v1/models/none-{random.random()}"))
            purge = f"PURGE /{number} HTTP/1.1\r\nHost: h{random.random()}\r\nConnection: close\r\n\r\n"
            await exchange(port, purge.encode())

    await many()
    await lines()  # which has lines of its own
    before_lines = await lines()
    await many()

    assert await lines() == before_lines
    await assert_served(port)


async def test_the_longest_headers_that_are_passed_on_do_not_open_the_breaker(port: int) -> None:
    state = ",".join(f"k{number}{'k' * 200}={'v' * 250}" for number in range(32))
    headers = f"traceparent: 00-{'1' * 32}-{'2' * 16}-01\r\ntracestate: {state}\r\nX-Request-Id: {'i' * 128}\r\n"
    request = embeddings(["a word"], client="c" * 128).replace(b"Host:", headers.encode() + b"Host:")
    replies = [await exchange(port, request) for _ in range(8)]

    await assert_served(port)
    assert {reply.status for reply in replies} == {200}


async def test_texts_that_are_wrong_fail_alone_and_cost_the_others_nothing(port: int) -> None:
    wrong = json.dumps({"model": MODEL, "input": [[2_000_000_000]] * 2000 + [[1]], "item_errors": "report"}).encode()
    async with flood(port, itertools.repeat(post("/v1/embeddings", wrong, client="greedy")), connections=16):
        await asyncio.sleep(1)
        await assert_served(port)


async def test_models_that_are_not_there_cost_the_others_nothing(port: int) -> None:
    none = (
        post("/v1/embeddings", json.dumps({"model": f"none-{number}", "input": ["a"] * 2000}).encode())
        for number in itertools.count()
    )
    async with flood(port, none, connections=32):
        await asyncio.sleep(1)
        await assert_served(port)


async def test_requests_that_are_none_cost_the_others_nothing(port: int) -> None:
    for nonsense in (post("/v1/embeddings", b"{}"), post("/v1/embeddings", b"\xff"), get("/" + "a" * 20_000)):
        await asyncio.gather(*(exchange(port, nonsense) for _ in range(50)))

    await assert_served(port)
