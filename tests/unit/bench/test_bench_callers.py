from __future__ import annotations

import asyncio
import itertools

import pytest

from bench.callers import Visit, closed_loop, evenly, open_loop, randomly, visits_per_s


async def test_an_open_loop_does_not_wait_for_answers() -> None:
    async def visit(number: int) -> int:
        await asyncio.sleep(0.3)
        return number

    visits = await open_loop(evenly(50, 0.2), visit)

    intended = [one.intended_s for one in visits]
    assert [one.result for one in visits] == list(range(10))
    assert [b - a for a, b in itertools.pairwise(intended)] == pytest.approx([0.02] * 9)
    assert max(one.started_s for one in visits) < min(one.done_s for one in visits)
    assert all(one.latency_s >= 0.3 and 0 <= one.lag_s < 0.5 for one in visits)


def test_random_moments_keep_their_rate_and_are_not_even() -> None:
    moments = randomly(100, 50, seed=1)

    gaps = [b - a for a, b in itertools.pairwise(moments)]
    assert len(moments) == len(evenly(100, 50)) == 5000
    assert moments[-1] == pytest.approx(50, rel=0.05)
    assert sum(gap > 0.01 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.03)


async def test_a_closed_loop_has_so_many_visits_at_once() -> None:
    running, most = 0, 0

    async def visit(_number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    visits = await closed_loop(3, 0.1, visit)

    assert most == 3
    assert len(visits) >= 6


def test_visits_are_counted_from_the_end_of_the_first_wave() -> None:
    visits = [Visit(intended_s=0.0, started_s=0.0, done_s=1.0 + number // 2, result=None) for number in range(10)]

    assert visits_per_s(visits, 2) == pytest.approx(2.0)
    with pytest.raises(SystemExit, match="too few to measure"):
        visits_per_s(visits[:9], 2)
