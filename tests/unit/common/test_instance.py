from __future__ import annotations

from collections import Counter
from typing import cast

import pytest
from grpc import aio

from services.common.discovery.base import Endpoint
from services.common.rpc.instance import Instance
from services.common.rpc.instance_pool import _by_preference
from services.common.testing.breakers import AlwaysClosed
from services.common.testing.clock import FakeClock


def instance(clock: FakeClock) -> Instance[None]:
    """An instance that is never dialled."""
    return Instance(
        Endpoint(address="127.0.0.1:1"),
        cast(aio.Channel, None),
        lambda _channel: None,
        health_service="x",
        breaker=AlwaysClosed(),
        clock=clock,
    )


def test_a_slower_instance_is_expected_to_take_longer() -> None:
    clock = FakeClock()
    fast, slow = instance(clock), instance(clock)

    fast.observe_latency(0.010)
    slow.observe_latency(0.050)

    assert fast.predicted_wait_s < slow.predicted_wait_s


def test_calls_in_flight_lengthen_the_wait() -> None:
    clock = FakeClock()
    idle, busy = instance(clock), instance(clock)

    busy.in_flight = 3

    assert busy.predicted_wait_s == 4 * idle.predicted_wait_s


def test_recent_calls_count_more_than_old_ones() -> None:
    one = instance(FakeClock())
    one.observe_latency(1.0)

    for _ in range(30):
        one.observe_latency(0.1)

    assert 0.1 <= one.predicted_wait_s < 0.11


def test_an_instance_that_was_slow_once_is_tried_again_after_a_while() -> None:
    clock = FakeClock()
    good, once_slow = instance(clock), instance(clock)
    once_slow.observe_latency(5.0)

    clock.advance(60.0)
    good.observe_latency(0.010)

    assert once_slow.predicted_wait_s < good.predicted_wait_s


def test_a_new_instance_and_a_very_fast_one_are_equals() -> None:
    clock = FakeClock()
    new, fast = instance(clock), instance(clock)

    fast.observe_latency(0.0001)

    assert new.predicted_wait_s == fast.predicted_wait_s


def test_an_instance_that_reports_a_longer_wait_is_expected_to_take_longer() -> None:
    clock = FakeClock()
    free, queued = instance(clock), instance(clock)
    for one in (free, queued):
        one.observe_latency(0.010)

    free.observe_load(0.0)
    queued.observe_load(0.5)

    assert queued.predicted_wait_s == pytest.approx(free.predicted_wait_s + 0.5)


def test_a_reported_wait_passes_as_time_does_and_the_newest_report_counts() -> None:
    clock = FakeClock()
    one, other = instance(clock), instance(clock)
    one.observe_load(3.0)
    one.observe_load(2.0)

    clock.advance(1.5)
    waits = [one.predicted_wait_s - other.predicted_wait_s]
    clock.advance(1.0)
    waits.append(one.predicted_wait_s - other.predicted_wait_s)

    assert waits == pytest.approx([0.5, 0.0])


def test_an_instance_that_answers_nothing_counts_as_slow_for_as_long_as_it_says_however_fast_that_was() -> None:
    clock = FakeClock()
    slow, failing = instance(clock), instance(clock)
    slow.observe_latency(2.0)

    failing.stay_away(3.0)
    clock.advance(2.9)
    slow.observe_latency(2.0)
    during = failing.predicted_wait_s > slow.predicted_wait_s
    clock.advance(0.2)

    assert (during, failing.predicted_wait_s < slow.predicted_wait_s) == (True, True)


def test_answers_to_what_was_taken_before_and_shorter_times_do_not_end_that() -> None:
    clock = FakeClock()
    one = instance(clock)
    one.stay_away(3.0)

    one.observe_latency(0.001)
    one.observe_load(0.0)
    one.stay_away(0.1)
    clock.advance(2.0)

    assert one.predicted_wait_s > 1.0


def test_no_answer_keeps_calls_away_for_ever() -> None:
    clock = FakeClock()
    one = instance(clock)
    one.stay_away(86_400.0)

    clock.advance(61.0)

    assert one.predicted_wait_s < 1.0


def test_the_busiest_of_several_is_picked_least_and_every_other_sometimes() -> None:
    clock = FakeClock()
    instances = [instance(clock) for _ in range(3)]
    instances[0].in_flight = 10

    firsts = Counter(instances.index(_by_preference(instances)[0]) for _ in range(300))

    assert firsts[0] == 0
    assert min(firsts[1], firsts[2]) > 50


def test_every_instance_is_there_as_a_fallback() -> None:
    instances = [instance(FakeClock()) for _ in range(5)]

    assert set(_by_preference(instances)) == set(instances)
