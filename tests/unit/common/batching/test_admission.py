from __future__ import annotations

import pytest

from services.common.batching.admission import Admission
from services.common.batching.fair_queue import FairQueue
from services.common.batching.pace import Pace
from services.common.caller import ANYONE
from services.common.deadline import Deadline
from services.common.errors import Overloaded
from services.common.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def admission(clock: FakeClock) -> Admission:
    """A second for a hundred tokens, and a hundred tokens in progress."""
    pace = Pace(max_batch_tokens=1000, replicas=1)
    for tokens in (10, 50, 100, 200) * 5:
        pace.observe(padded_tokens=tokens, items=1, seconds=0.01 * tokens)
    made = Admission(FairQueue(quantum=100), pace, max_queued_cost=1000, clock=clock)
    made.in_progress = 100
    return made


def is_taken(admission: Admission, seconds: float, clock: FakeClock) -> bool:
    return admission.refusal(50, ANYONE, Deadline.after(seconds, clock=clock)) is None


def test_what_comes_in_time_by_a_margin_is_taken(admission: Admission, clock: FakeClock) -> None:
    assert is_taken(admission, 1.5 * 1.1 + 0.1, clock)
    assert not is_taken(admission, 1.5 * 1.1 - 0.1, clock)


def test_late_answers_make_it_careful_and_timely_ones_bold_again(admission: Admission, clock: FakeClock) -> None:
    for _ in range(20):
        admission.observe(is_late=True)
    while_careful = is_taken(admission, 2.0, clock)
    for _ in range(1000):
        admission.observe(is_late=False)

    assert not while_careful
    assert is_taken(admission, 2.0, clock)


def test_carefulness_has_an_end(admission: Admission, clock: FakeClock) -> None:
    for _ in range(10_000):
        admission.observe(is_late=True)

    assert is_taken(admission, 3.1, clock)


def test_those_who_are_told_to_come_back_each_get_a_time_of_their_own(admission: Admission, clock: FakeClock) -> None:
    refusals = [admission.refusal(50, ANYONE, Deadline.after(1.0, clock=clock)) for _ in range(100)]

    errors = [refusal.error for refusal in refusals if refusal is not None]
    delays_s = [error.retry_after_s or 0.0 for error in errors]
    assert all(isinstance(error, Overloaded) for error in errors)
    assert delays_s[:3] == pytest.approx([0.65, 1.15, 1.65], abs=0.05)
    assert max(delays_s) == 30.0
