from __future__ import annotations

import random

import pytest

from services.models.batching.latency import LatencyModel
from services.models.batching.pace import Pace


def seen(model: LatencyModel, batches: int, *, token: float, item: float, batch: float, noise: float = 0.0) -> None:
    chance = random.Random(3)
    for _ in range(batches):
        items = chance.choice([1, 2, 4, 8])
        tokens = items * chance.choice([8, 32, 100])
        seconds = token * tokens + item * items + batch
        model.observe(tokens=tokens, items=items, seconds=seconds * (1 + chance.uniform(-noise, noise)))


def test_nothing_is_predicted_before_anything_was_learned() -> None:
    assert LatencyModel().predict_s(tokens=100, items=1) == 0
    assert LatencyModel().overhead_tokens == 0


def test_the_line_is_found_again() -> None:
    model = LatencyModel()

    seen(model, 40, token=2e-4, item=1e-4, batch=2e-3)

    assert model.coefficients.per_token == pytest.approx(2e-4, rel=0.03)
    assert model.coefficients.per_batch == pytest.approx(2e-3, rel=0.2)
    assert model.predict_s(tokens=500, items=5) == pytest.approx(0.1025, rel=0.02)
    assert model.overhead_tokens == pytest.approx(10, rel=0.2)


def test_a_change_of_speed_is_followed() -> None:
    model = LatencyModel()
    seen(model, 100, token=2e-4, item=0, batch=1e-3)

    seen(model, 200, token=6e-4, item=0, batch=1e-3)

    assert model.predict_s(tokens=500, items=5) == pytest.approx(0.301, rel=0.05)


def test_a_machine_that_stood_still_teaches_nothing_of_the_model() -> None:
    model = LatencyModel()
    seen(model, 40, token=2e-4, item=1e-4, batch=2e-3)
    before_s = model.predict_s(tokens=500, items=5)

    model.observe(tokens=20, items=1, seconds=60.0)

    assert model.predict_s(tokens=500, items=5) == pytest.approx(before_s, rel=0.1)
    assert model.overhead_tokens == pytest.approx(10, rel=1.0)


def test_batches_that_became_small_grow_again_when_larger_ones_are_faster() -> None:
    pace = Pace(max_batch_tokens=8192, replicas=1)
    for tokens in (64, 128, 256) * 10:
        pace.observe(padded_tokens=tokens, items=1, seconds=tokens * 1e-4)
    assert pace.limits(is_shared=False).own == 64

    for _ in range(1000):
        tokens = min(pace.limits(is_shared=False).own, 16 * 64)
        pace.observe(padded_tokens=tokens, items=tokens // 64, seconds=tokens * 1e-4 + 5e-3)

    assert pace.limits(is_shared=False).own > 500


def test_a_limit_that_memory_has_set_grows_back() -> None:
    pace = Pace(max_batch_tokens=8192, replicas=1)
    for tokens in (8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16):
        pace.observe_memory_full(tokens)
    lowest = pace.quantum

    for _ in range(200):
        pace.observe(padded_tokens=pace._max_batch_tokens, items=8, seconds=0.05 + 1e-6 * pace._max_batch_tokens)

    assert lowest == 64
    assert pace._max_batch_tokens == 8192


def test_noise_gives_no_negative_coefficient() -> None:
    model = LatencyModel()

    seen(model, 100, token=1e-4, item=0, batch=0, noise=0.3)

    known = model.coefficients
    assert min(known.per_token, known.per_item, known.per_batch) >= 0
    assert model.predict_s(tokens=500, items=5) == pytest.approx(0.05, rel=0.3)


def test_equal_batches_are_predicted_and_leave_what_was_known_of_others() -> None:
    model = LatencyModel()
    seen(model, 40, token=2e-4, item=0, batch=4e-3)

    for _ in range(300):
        model.observe(tokens=100, items=1, seconds=0.024)

    assert model.predict_s(tokens=100, items=1) == pytest.approx(0.024, rel=0.01)
    assert model.predict_s(tokens=400, items=4) == pytest.approx(0.084, rel=0.15)


def test_batches_grow_with_what_a_batch_costs_besides_its_tokens() -> None:
    small, large = (Pace(max_batch_tokens=8192, replicas=1) for _ in range(2))
    for pace, overhead_s in ((small, 2e-3), (large, 2e-2)):
        for number, tokens in enumerate((64, 128, 512, 1024) * 5):
            pace.observe(padded_tokens=tokens, items=1 + number % 3, seconds=2e-4 * tokens + overhead_s)

    assert small.limits(is_shared=False).own == pytest.approx(490, rel=0.1), "0.1 s, before 1 % in overhead"
    assert large.limits(is_shared=False).own == pytest.approx(1000, rel=0.1), "a tenth in overhead, beyond 0.1 s"
    assert small.limits(is_shared=False).shared == pytest.approx(100, rel=0.1)


def test_batches_are_short_while_several_clients_send_work_unless_that_would_waste_much() -> None:
    small, large = (Pace(max_batch_tokens=8192, replicas=1) for _ in range(2))
    for pace, overhead_s in ((small, 1e-3), (large, 2e-2)):
        for number, tokens in enumerate((64, 128, 512, 1024) * 5):
            pace.observe(padded_tokens=tokens, items=1 + number % 3, seconds=1e-4 * tokens + overhead_s)

    assert small.limits(is_shared=True).own == pytest.approx(240, rel=0.1), "25 ms"
    assert small.limits(is_shared=False).own == pytest.approx(990, rel=0.1), "0.1 s"
    assert large.limits(is_shared=True).own == pytest.approx(2000, rel=0.1), "a tenth in overhead"


def test_replicas_share_the_work() -> None:
    paces = [Pace(max_batch_tokens=8192, replicas=replicas) for replicas in (1, 2)]
    for pace in paces:
        for tokens in (64, 128, 512, 1024) * 5:
            pace.observe(padded_tokens=tokens, items=4, seconds=2e-4 * tokens + 2e-3)

    assert paces[1].seconds(10_000, is_shared=False) == pytest.approx(paces[0].seconds(10_000, is_shared=False) / 2)
