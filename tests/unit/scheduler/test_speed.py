from __future__ import annotations

import random

import pytest

from services.common.caller import ANYONE
from services.scheduler.policy import Policy
from services.scheduler.scheduler import Scheduler
from services.scheduler.speed import Speed, SpeedModel

POLICY = Policy()


def seen(model: SpeedModel, batches: int, *, token: float, item: float, batch: float, noise: float = 0.0) -> None:
    chance = random.Random(3)
    for _ in range(batches):
        items = chance.choice([1, 2, 4, 8])
        tokens = items * chance.choice([8, 32, 100])
        seconds = token * tokens + item * items + batch
        model.observe(tokens=tokens, items=items, seconds=seconds * (1 + chance.uniform(-noise, noise)))


def model_of(*, token: float, item: float, batch: float) -> SpeedModel:
    model = SpeedModel(POLICY)
    seen(model, 40, token=token, item=item, batch=batch)
    return model


def without_limit() -> Scheduler:
    """One of a model whose batches take 50 ms however large they are."""
    scheduler = Scheduler(POLICY, most_queued=10_000, most_batched=8192)
    scheduler.note_batch(Speed(per_token=1e-6, per_batch=0.05), padded_tokens=1, now_s=0.0)
    return scheduler


def own(speed: Speed, *, longest_s: float = POLICY.longest_s) -> int:
    return speed.limits(POLICY, longest_s=longest_s, most=8192).own


def test_nothing_is_predicted_before_anything_was_learned() -> None:
    speed = SpeedModel(POLICY).speed

    assert speed.seconds(tokens=100, items=1) == 0
    assert speed.overhead_tokens == 0
    assert speed.tokens_in(1.0) == float("inf")


def test_the_line_is_found_again() -> None:
    speed = model_of(token=2e-4, item=1e-4, batch=2e-3).speed

    assert speed.per_token == pytest.approx(2e-4, rel=0.03)
    assert speed.per_batch == pytest.approx(2e-3, rel=0.2)
    assert speed.seconds(tokens=500, items=5) == pytest.approx(0.1025, rel=0.02)
    assert speed.overhead_tokens == pytest.approx(10, rel=0.2)


def test_a_change_of_speed_is_followed() -> None:
    model = SpeedModel(POLICY)
    seen(model, 100, token=2e-4, item=0, batch=1e-3)

    seen(model, 200, token=6e-4, item=0, batch=1e-3)

    assert model.speed.seconds(tokens=500, items=5) == pytest.approx(0.301, rel=0.05)


def test_small_batches_teach_a_model_that_was_slow_while_large_ones_warmed_it_up() -> None:
    model = SpeedModel(POLICY)
    for tokens in (64, 512, 8192) * 4:
        model.observe(tokens=tokens, items=8, seconds=8e-4 * tokens)

    for _ in range(100):
        model.observe(tokens=64, items=1, seconds=8e-5 * 64)

    assert model.speed.seconds(tokens=64, items=1) < 1.5 * 8e-5 * 64


def test_a_machine_that_stood_still_teaches_nothing_of_the_model() -> None:
    model = model_of(token=2e-4, item=1e-4, batch=2e-3)
    before_s = model.speed.seconds(tokens=500, items=5)

    model.observe(tokens=20, items=1, seconds=60.0)
    for _ in range(POLICY.solve_every):
        model.observe(tokens=500, items=5, seconds=before_s)

    assert model.speed.seconds(tokens=500, items=5) == pytest.approx(before_s, rel=0.1)
    assert model.speed.overhead_tokens == pytest.approx(10, rel=1.0)


def test_once_settled_the_line_is_solved_for_only_now_and_then() -> None:
    model = SpeedModel(POLICY)

    solved = [model.observe(tokens=at + 1, items=1, seconds=0.01) is not None for at in range(POLICY.settled + 16)]

    assert solved == [True] * POLICY.settled + ([False] * (POLICY.solve_every - 1) + [True]) * 2


def test_a_batch_that_took_far_longer_than_expected_is_learned_from_at_once() -> None:
    model = model_of(token=2e-4, item=1e-4, batch=2e-3)
    expected_s = model.speed.seconds(tokens=500, items=5)

    while model.observe(tokens=500, items=5, seconds=expected_s) is None:
        pass

    as_expected = model.observe(tokens=500, items=5, seconds=expected_s)
    too_long = model.observe(tokens=500, items=5, seconds=POLICY.most_surprise * expected_s + 0.001)

    assert as_expected is None
    assert too_long is not None
    assert too_long.seconds(tokens=500, items=5) > 1.05 * expected_s


def test_noise_gives_no_negative_coefficient() -> None:
    model = SpeedModel(POLICY)

    seen(model, 100, token=1e-4, item=0, batch=0, noise=0.3)

    speed = model.speed
    assert min(speed.per_token, speed.per_item, speed.per_batch) >= 0
    assert speed.seconds(tokens=500, items=5) == pytest.approx(0.05, rel=0.3)


def test_equal_batches_are_predicted_and_leave_what_was_known_of_others() -> None:
    model = model_of(token=2e-4, item=0, batch=4e-3)

    for _ in range(300):
        model.observe(tokens=100, items=1, seconds=0.024)

    assert model.speed.seconds(tokens=100, items=1) == pytest.approx(0.024, rel=0.01)
    assert model.speed.seconds(tokens=400, items=4) == pytest.approx(0.084, rel=0.15)


def test_many_tokens_take_as_many_batches_as_they_fill() -> None:
    speed = Speed(per_token=1e-3, per_item=2e-3, per_batch=0.01, tokens_per_item=20)

    # 50 items in 10 batches of 100 tokens.
    assert speed.seconds_of(1000, batch=100) == pytest.approx(1.0 + 0.1 + 0.1)
    assert speed.seconds_of(10, batch=100) == pytest.approx(0.01 + 0.001 + 0.01), "a batch is begun as a whole"


def test_batches_grow_with_what_a_batch_costs_besides_its_tokens_and_are_short_unless_that_would_waste_much() -> None:
    tiny, small, large = (Speed(per_token=1e-4, per_batch=batch_s) for batch_s in (2e-4, 1e-3, 2e-2))

    assert own(tiny) == 200, "1 % in overhead"
    assert own(small) == 990, "0.1 s"
    assert own(small, longest_s=POLICY.longest_contended_s) == 240, "25 ms"
    assert own(large, longest_s=POLICY.longest_contended_s) == 2000, "a tenth in overhead"
    assert large.limits(POLICY, longest_s=0.1, most=8192).fill == 2000


def test_batches_that_became_small_grow_again_when_larger_ones_are_faster() -> None:
    model = SpeedModel(POLICY)
    for tokens in (64, 128, 256) * 10:
        model.observe(tokens=tokens, items=1, seconds=tokens * 1e-4)
    before = own(model.speed)

    for _ in range(1000):
        tokens = min(own(model.speed), 16 * 64)
        model.observe(tokens=tokens, items=tokens // 64, seconds=tokens * 1e-4 + 5e-3)

    assert before == 64
    assert own(model.speed) > 500


def test_a_limit_that_memory_has_set_grows_back() -> None:
    scheduler = without_limit()
    for tokens in (8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16):
        scheduler.note_memory_full(tokens)
    lowest = scheduler._limits.own

    for at in range(200):
        scheduler.note_batch(None, padded_tokens=scheduler._limits.own, now_s=at)

    assert lowest == POLICY.least_tokens
    assert scheduler._limits.own == 8192


def test_small_batches_say_nothing_of_a_limit_that_memory_has_set() -> None:
    scheduler = without_limit()
    scheduler.note_memory_full(2048)

    for at in range(200):
        scheduler.note_batch(None, padded_tokens=512, now_s=at)

    assert scheduler._limits.own == 1024


def test_replicas_share_the_work() -> None:
    one, two = (Scheduler(POLICY, most_queued=10_000, most_batched=8192, replicas=number) for number in (1, 2))
    for scheduler in (one, two):
        scheduler.note_batch(Speed(per_token=2e-4, per_batch=2e-3, tokens_per_item=50), padded_tokens=1, now_s=0.0)
        scheduler.reserve(ANYONE, 5000)

    assert two.backlog().predicted_wait_s == pytest.approx(one.backlog().predicted_wait_s / 2)
