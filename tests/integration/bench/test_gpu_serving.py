"""The embedding service and its clients, as processes over loopback, with the fake in the model's place."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.gpu.client import Order
from bench.gpu.clients import Clients, together
from bench.gpu.service import Service
from bench.gpu.usage import CpuTime
from bench.metrics import TOKENS, scrape
from services.common.errors import StartupError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

START_LIMIT_S = 60.0


def order(address: str, model: str) -> Order:
    now_s = time.monotonic()
    return Order(
        address=address,
        model=model,
        texts=4,
        callers=3,
        starts_s=now_s,
        counts_from_s=now_s + 0.2,
        ends_s=now_s + 1.0,
    )


def test_clients_load_the_service_and_tell_what_they_saw(tmp_path: Path) -> None:
    with Service({"BACKEND": "fake"}, tmp_path / "log") as service, Clients(2, texts=500) as clients:
        endpoints = service.wait(START_LIMIT_S)
        clients.wait()
        before = CpuTime.of(endpoints.pid)
        clients.begin(order(endpoints.address, "all-MiniLM-L6-v2"))
        seen = together(clients.end())
        happened, taken = scrape(endpoints.metrics_url), CpuTime.of(endpoints.pid).since(before)

        clients.begin(order(endpoints.address, "no-such-model"))
        refused = together(clients.end())

    assert (seen.failed, seen.error) == (0, "")
    assert len(seen.latencies_s) >= 3
    assert 0 < seen.tokens <= happened[TOKENS] + happened["isolane_embedding_reused_tokens_total"]
    assert taken.process > 0
    assert refused.failed > 0
    assert refused.error.startswith("NOT_FOUND")
    assert (refused.latencies_s, refused.tokens) == ([], 0)


def test_a_service_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        Service({"BACKEND": "fake", "REPLICAS": "-1"}, tmp_path / "log") as service,
        pytest.raises(StartupError, match="REPLICAS"),
    ):
        service.wait(START_LIMIT_S)
