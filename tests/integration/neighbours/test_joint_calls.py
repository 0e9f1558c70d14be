"""Calls that travel together, with a neighbour who does its worst in those that Alice shares."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.integration.neighbours.kit import (
    THEIRS,
    assert_served,
    embeddings,
    exchange,
    flood,
    get,
    post,
    words,
)

pytestmark = pytest.mark.integration

MANY = 24
"""Connections of the neighbour: while so many ask, most of what Alice asks travels with them."""
_numbers = itertools.count()


def largest_answer() -> bytes:
    """As many vectors as one request of 16 KiB can ask for, whose results are kept: 3 MiB at once."""
    return embeddings(["a"] * 2048, encoding="base64", client="greedy")


def slow() -> bytes:
    """Texts that nobody has computed yet."""
    return embeddings([words(400, next(_numbers))], client="greedy")


def short_of_time() -> bytes:
    """A deadline that the text just does not keep."""
    return embeddings([words(200, next(_numbers))], client="greedy", within_s=0.002)


def wrong() -> bytes:
    """What fails in the service alone: no such model."""
    return post("/v1/embeddings", json.dumps({"model": "none", "input": "a"}).encode(), client="greedy")


async def joint_members(port: int) -> float:
    """Calls that travelled together so far, as the gateway counts them."""
    page = (await exchange(port, get("/metrics"))).body.decode()
    lines = [line for line in page.splitlines() if line.startswith("isolane_rpc_client_members_sum")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


@asynccontextmanager
async def leaving(port: int) -> AsyncIterator[None]:
    """Keep asking, and going away a moment later, while the body runs."""

    async def leave() -> None:
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(THEIRS, 0))
            try:
                writer.write(slow())
                await asyncio.sleep(0.01)
            finally:
                writer.close()

    neighbours = [asyncio.create_task(leave()) for _ in range(MANY)]
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.cancel()
        await asyncio.gather(*neighbours, return_exceptions=True)


async def test_what_others_ask_in_the_same_joint_call_keeps_nobody_from_an_answer(port: int) -> None:
    worst = itertools.cycle([largest_answer, slow, short_of_time, wrong])
    async with leaving(port), flood(port, (ask() for ask in worst), connections=MANY) as statuses:
        await assert_served(port)

    assert {200, 404, 504} <= statuses.keys()
    assert await joint_members(port) > MANY
