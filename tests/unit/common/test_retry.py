from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.common.rpc.retry import RetryBudget, backoff_s
from services.common.testing.clock import FakeClock


def spend(budget: RetryBudget, times: int, held: int = 0) -> int:
    """How many of `times` retries are allowed."""
    return sum(budget.try_spend(held) for _ in range(times))


def test_an_upstream_that_always_fails_is_retried_for_a_tenth_of_the_calls() -> None:
    clock = FakeClock()
    budget = RetryBudget(clock=clock)
    retries = 0

    for _ in range(1000):
        clock.advance(0.009)
        budget.record_call()
        retries += budget.try_spend(1)

    assert 100 <= retries <= 0.1 * 1000 + 5


def test_a_few_retries_are_allowed_however_few_calls_there_were() -> None:
    budget = RetryBudget(floor=3, clock=FakeClock())

    budget.record_call()

    assert spend(budget, 10) == 3


def test_everything_that_a_killed_instance_held_may_be_retried() -> None:
    budget = RetryBudget(clock=FakeClock())
    for _ in range(40):
        budget.record_call()

    # The calls fail one after the other, and each leaves fewer in flight.
    allowed = [budget.try_spend(held) for held in range(40, 0, -1)]

    assert all(allowed)


def test_what_was_held_counts_twice_and_no_more() -> None:
    budget = RetryBudget(ratio=0.0, clock=FakeClock())

    assert spend(budget, 100, held=20) == 40


def test_the_window_slides() -> None:
    clock = FakeClock()
    budget = RetryBudget(floor=0, clock=clock)
    for _ in range(100):
        budget.record_call()
    assert spend(budget, 20) == 10

    clock.advance(9.0)
    assert spend(budget, 1) == 0
    clock.advance(1.0)
    for _ in range(50):
        budget.record_call()

    assert spend(budget, 20) == 5


def test_a_full_instance_is_forgotten_after_the_window() -> None:
    clock = FakeClock()
    budget = RetryBudget(ratio=0.0, clock=clock)
    budget.try_spend(100)

    clock.advance(10.0)

    assert spend(budget, 100, held=1) == 5


@given(st.integers(1, 50))
def test_backoff_stays_within_its_cap(attempt: int) -> None:
    assert 0.0 <= backoff_s(attempt) <= 0.5
