"""Many requests at once through a gateway and services: they travel together, and each gets what it would get alone."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

EMBED: dict[str, Any] = {"model": "all-MiniLM-L6-v2"}
RERANK: dict[str, Any] = {"model": "ms-marco-MiniLM-L-12-v2", "query": "a query"}


def members(url: str, service: str) -> float:
    """Calls to a service that travelled together so far, as the gateway counts them."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    [line] = [each for each in lines if each.startswith("isolane_rpc_client_members_sum") and service in each] or [
        "0 0"
    ]
    return float(line.rsplit(" ", 1)[1])


@pytest.mark.parametrize(
    ("service", "path", "bodies"),
    [
        ("embedding", "/v1/embeddings", [{**EMBED, "input": f"text {number}"} for number in range(40)]),
        ("reranking", "/v1/rerank", [{**RERANK, "documents": [f"a {number}", "b c d"]} for number in range(40)]),
    ],
    ids=["embedding", "reranking"],
)
async def test_requests_at_once_travel_together_and_each_gets_what_it_gets_alone(
    gateway: Any, service: str, path: str, bodies: list[dict[str, Any]]
) -> None:
    before = members(gateway.url, service)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as client:
        together = await asyncio.gather(*(client.post(path, json=body) for body in bodies))
        alone = [await client.post(path, json=body) for body in bodies]

    results = "data" if service == "embedding" else "results"
    assert [reply.json()[results] for reply in together] == [reply.json()[results] for reply in alone]
    assert members(gateway.url, service) > before
