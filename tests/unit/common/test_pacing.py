from __future__ import annotations

import pytest

from services.common.discovery.pacing import Backoff, Pace
from services.common.testing.clock import FakeClock


def test_a_burst_needs_no_wait_and_what_follows_does() -> None:
    pace = Pace(burst=3, interval_s=1.0, clock=FakeClock())

    waits = [pace.take_s() for _ in range(5)]

    assert waits[:3] == [0.0, 0.0, 0.0]
    assert 1.0 <= waits[3] <= 1.25
    assert 2.0 <= waits[4] <= 2.5


def test_a_quiet_time_saves_up_no_more_than_a_burst() -> None:
    clock = FakeClock()
    pace = Pace(burst=3, interval_s=1.0, clock=clock)

    clock.advance(3600.0)
    waits = [pace.take_s() for _ in range(4)]

    assert [wait > 0 for wait in waits] == [False, False, False, True]


def test_waits_double_up_to_the_longest_and_begin_anew_after_a_reset() -> None:
    backoff = Backoff(first_s=0.5, last_s=10.0)

    waits = [backoff.take_s() for _ in range(8)]
    backoff.reset()
    again = backoff.take_s()

    for wait, step in zip(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0], strict=True):
        assert step / 2 <= wait <= step
    assert again <= 0.5


def test_waits_differ_so_that_callers_do_not_come_together() -> None:
    waits = {Backoff().take_s() for _ in range(20)}

    assert len(waits) == pytest.approx(20, abs=1)
