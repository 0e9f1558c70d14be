from __future__ import annotations

import asyncio

import pytest

from services.common.deadline import Deadline, is_task_cancelled
from services.common.errors import DeadlineExceeded
from services.common.testing.clock import FakeClock


def test_a_deadline_is_passed_down_as_the_time_left() -> None:
    clock = FakeClock()
    deadline = Deadline.after(10.0, clock=clock)

    clock.advance(4.0)

    assert deadline.remaining_s() == 6.0
    assert not deadline.is_over


def test_no_time_is_ever_left_below_zero() -> None:
    clock = FakeClock()
    deadline = Deadline.after(1.0, clock=clock)

    clock.advance(5.0)

    assert deadline.remaining_s() == 0.0
    assert deadline.is_over


def test_a_deadline_is_over_at_its_very_moment() -> None:
    clock = FakeClock()
    deadline = Deadline.after(1.0, clock=clock)

    clock.advance(1.0)

    assert deadline.is_over


def test_a_cap_shortens_and_never_lengthens() -> None:
    clock = FakeClock()
    deadline = Deadline.after(10.0, clock=clock)

    assert deadline.capped(3.0).remaining_s() == 3.0
    assert deadline.capped(30.0).remaining_s() == 10.0


def test_check_names_what_ran_out_of_time() -> None:
    clock = FakeClock()
    deadline = Deadline.after(1.0, clock=clock)
    deadline.check("tokenise")
    clock.advance(2.0)

    with pytest.raises(DeadlineExceeded, match="tokenise"):
        deadline.check("tokenise")


async def test_enforce_ends_a_wait_that_takes_too_long() -> None:
    with pytest.raises(DeadlineExceeded, match="the model"):
        async with Deadline.after(0.01).enforce("the model"):
            await asyncio.Event().wait()


async def test_enforce_leaves_the_bodys_own_timeout_alone() -> None:
    with pytest.raises(TimeoutError, match="of the body"):
        async with Deadline.after(5.0).enforce("the model"):
            raise TimeoutError("of the body")


async def test_enforce_lets_a_cancellation_through() -> None:
    async def wait() -> None:
        async with Deadline.after(5.0).enforce("the model"):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_only_a_request_to_end_counts_as_a_cancelled_task() -> None:
    async def observe(inner: asyncio.Future[None]) -> bool:
        try:
            await inner
        except asyncio.CancelledError:
            return is_task_cancelled()
        raise AssertionError("nothing was cancelled")

    loop = asyncio.get_running_loop()
    own, foreign = loop.create_future(), loop.create_future()
    asked, unasked = asyncio.create_task(observe(own)), asyncio.create_task(observe(foreign))
    await asyncio.sleep(0)
    asked.cancel()
    foreign.cancel()

    assert await asked
    assert not await unasked
