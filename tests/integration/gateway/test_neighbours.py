"""One client does its worst; another, who asks for little, is answered all the same."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MODEL = "all-MiniLM-L6-v2"


@pytest.fixture
def url(launch: Any) -> str:
    """A gateway before an embedding service that computes 50,000 tokens a second."""
    service = launch(
        "services.embedding",
        ISOLANE_EMBEDDING_PORT="0",
        ISOLANE_EMBEDDING_METRICS_PORT="0",
        ISOLANE_EMBEDDING_BACKEND="fake",
        ISOLANE_EMBEDDING_FAKE_TOKEN_US="20",
    )
    upstream = f"127.0.0.1:{service.port}"
    gateway = launch("gateway", ISOLANE_GATEWAY_PORT="0", ISOLANE_GATEWAY_UPSTREAMS__EMBEDDING=upstream)
    while ask(gateway.url, "alice", ["first"]).status_code != 200:
        time.sleep(0.05)
    found: str = gateway.url
    return found


def ask(url: str, client: str, texts: list[str], *, within_s: float = 30.0, priority: str = "interactive") -> Any:
    return httpx.post(
        f"{url}/v1/embeddings",
        json={"model": MODEL, "input": texts},
        headers={
            "X-Isolane-Client": client,
            "X-Isolane-Priority": priority,
            "X-Request-Timeout-Ms": str(round(within_s * 1000)),
        },
        timeout=60,
    )


def assert_alice_is_served(url: str, times: int) -> None:
    for number in range(times):
        reply = ask(url, "alice", [f"a word {number} {time.monotonic()}"])
        assert (reply.status_code, reply.elapsed.total_seconds() < 2) == (200, True), reply.text


def words(number: int, text: int) -> str:
    return " ".join(f"w{text}x{at}" for at in range(number))


@pytest.mark.parametrize("at_once", [1, 8], ids=["one by one", "together"])
def test_requests_that_their_deadlines_do_not_allow_cost_the_others_nothing(url: str, at_once: int) -> None:
    texts = [words(250, text) for text in range(600)]
    with ThreadPoolExecutor(at_once) as threads:
        replies = list(threads.map(lambda _: ask(url, "greedy", texts, within_s=1.1), range(16)))

    assert_alice_is_served(url, 3)
    assert {reply.status_code for reply in replies} <= {413, 429, 504}
    assert any("the deadline leaves" in reply.text for reply in replies)


def test_beside_a_bulk_request_as_large_as_may_be_interactive_work_is_served(url: str) -> None:
    texts = [words(200, text) for text in range(2048)]
    with ThreadPoolExecutor(1) as threads:
        bulk = threads.submit(ask, url, "greedy", texts, priority="bulk")
        time.sleep(2)
        assert not bulk.done()
        assert_alice_is_served(url, 8)

    assert bulk.result().status_code == 200


def test_what_never_fits_is_refused_at_once_with_what_does(launch: Any, url: str) -> None:
    texts = [f"{text} " + "w " * 255 for text in range(2048)]
    service = launch(
        "services.embedding",
        ISOLANE_EMBEDDING_PORT="0",
        ISOLANE_EMBEDDING_METRICS_PORT="0",
        ISOLANE_EMBEDDING_BACKEND="fake",
        ISOLANE_EMBEDDING_MAX_QUEUED_TOKENS="262144",
    )
    upstream = f"127.0.0.1:{service.port}"
    gateway = launch("gateway", ISOLANE_GATEWAY_PORT="0", ISOLANE_GATEWAY_UPSTREAMS__EMBEDDING=upstream)
    while ask(gateway.url, "alice", ["first"]).status_code != 200:
        time.sleep(0.05)

    reply = ask(gateway.url, "greedy", texts, priority="bulk")

    assert reply.status_code == 413
    assert "at most 131072 of bulk work are taken at once; send it in parts" in reply.json()["error"]["message"]
    assert_alice_is_served(gateway.url, 3)
