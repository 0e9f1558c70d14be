from __future__ import annotations

import pytest

from services.common.caller import ANYONE, Caller, Priority
from services.common.deadline import Deadline
from services.common.errors import DeadlineTooShort, Overloaded, RequestError, TooLarge
from services.common.testing.clock import FakeClock
from services.models.batching.admission import Admission
from services.models.batching.fair_queue import FairQueue
from services.models.batching.pace import Pace

ALICE, BOB = Caller(client="alice"), Caller(client="bob")
BULK = Caller(client="alice", priority=Priority.BULK)


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


def test_requests_of_a_client_are_told_times_of_their_own(admission: Admission, clock: FakeClock) -> None:
    refusals = [admission.refusal(50, ANYONE, Deadline.after(1.0, clock=clock)) for _ in range(100)]

    errors = [refusal.error for refusal in refusals if refusal is not None]
    delays_s = [error.retry_after_s or 0.0 for error in errors]
    assert all(isinstance(error, Overloaded) for error in errors)
    assert delays_s[:3] == pytest.approx([0.65, 1.15, 1.65], abs=0.05)
    assert max(delays_s) <= 30.0
    assert len(set(delays_s)) == 100, "also those that are as far away as may be"


def refused(admission: Admission, cost: int, caller: Caller, clock: FakeClock) -> Overloaded:
    refusal = admission.refusal(cost, caller, Deadline.after(100.0, clock=clock))
    assert refusal is not None
    assert isinstance(refusal.error, Overloaded)
    return refusal.error


@pytest.mark.parametrize(
    ("caller", "waiting", "cost", "delay_s", "bound"),
    [
        (ALICE, 950, 100, 0.75, "950 tokens are waiting, of 1000 at most, 0 of them this client's, which may have 40"),
        (ALICE, 800, 500, 4.25, "800 tokens are waiting, of 1000 at most, 0 of them this client's, which may have 160"),
        (BULK, 480, 100, 0.8, "480 tokens of bulk work are waiting, of 500 at most"),
    ],
)
def test_a_refusal_names_the_bound_and_when_there_is_room(
    admission: Admission, clock: FakeClock, caller: Caller, waiting: int, cost: int, delay_s: float, bound: str
) -> None:
    other = Caller(client="other", priority=caller.priority)
    admission._queue.expect(other, waiting)

    error = refused(admission, cost, caller, clock)

    assert bound in str(error)
    assert error.retry_after_s == pytest.approx(delay_s, rel=0.1)


def test_a_refusal_says_by_how_much_its_work_lengthens_the_queue(clock: FakeClock) -> None:
    pace = Pace(max_batch_tokens=100, replicas=1)
    for tokens in (10, 25, 50, 100) * 10:
        pace.observe(padded_tokens=tokens, items=1, seconds=0.5 + 0.01 * tokens)
    admission = Admission(FairQueue(quantum=100), pace, max_queued_cost=1000, clock=clock)
    admission._queue.expect(ALICE, 790)
    waiting, late = refused(admission, 100, ALICE, clock), admission.refusal(10, BOB, Deadline.after(0.5, clock=clock))

    # A batch of 100 takes 1.5 s, of which a tenth is the share of 10 tokens in it; alone they would take 0.6 s.
    assert waiting.work_s == pytest.approx(1.5, rel=0.3)
    assert late is not None
    assert isinstance(late.error, Overloaded)
    assert late.error.work_s == pytest.approx(0.15, rel=0.3)


def test_what_was_promised_to_a_flood_is_forgotten_with_time(admission: Admission, clock: FakeClock) -> None:
    admission._queue.expect(BOB, 950)
    for _ in range(100):
        refused(admission, 800, ALICE, clock)
    clock.advance(31.0)

    assert refused(admission, 100, ALICE, clock).retry_after_s == pytest.approx(0.75, rel=0.1)


def test_a_client_over_its_part_is_told_when_others_have_left_enough(admission: Admission, clock: FakeClock) -> None:
    admission._queue.expect(ALICE, 820)

    error = refused(admission, 100, ALICE, clock)

    assert "820 of them this client's, which may have 0 more" in str(error)
    assert error.retry_after_s == pytest.approx((820 + 5 * 100 - 4 * 180) / 4 / 100, rel=0.1)


@pytest.mark.parametrize(("caller", "largest"), [(ALICE, 800), (BULK, 500)])
def test_what_would_find_no_room_in_an_empty_queue_is_refused_for_good_with_what_would(
    admission: Admission, clock: FakeClock, caller: Caller, largest: int
) -> None:
    def asked(cost: int) -> RequestError | None:
        refusal = admission.refusal(cost, caller, Deadline.after(1000.0, clock=clock))
        return refusal.error if refusal else None

    error = asked(largest + 1)

    assert asked(largest) is None
    assert isinstance(error, TooLarge)
    assert error.retry_after_s is None
    assert f"at most {largest} of {caller.priority.value} work are taken at once" in str(error)


@pytest.mark.parametrize("priority", Priority)
def test_the_bound_is_a_bound_and_leaves_each_next_client_its_part(
    admission: Admission, clock: FakeClock, priority: Priority
) -> None:
    def fill(client: str) -> int:
        caller = Caller(client=client, priority=priority)
        while admission.refusal(5, caller, Deadline.after(1000.0, clock=clock)) is None:
            admission._queue.expect(caller, 5)
        return admission._queue.cost_of_client(client)

    taken = [fill(f"client {number}") for number in range(3)]

    assert sum(taken) <= (1000 if priority is Priority.INTERACTIVE else 500)
    assert admission.refusal(1, Caller(client="another"), Deadline.after(1000.0, clock=clock)) is None
    if priority is Priority.INTERACTIVE:
        assert taken == pytest.approx([800, 160, 32], abs=5)


def test_bulk_work_of_a_client_counts_when_it_sends_interactive_work(admission: Admission, clock: FakeClock) -> None:
    admission._queue.expect(BULK, 500)

    largest = max(cost for cost in range(500) if not admission.refusal(cost, ALICE, Deadline.after(1e3, clock=clock)))

    assert largest == (4 * 500 - 500) // 5


def test_work_that_needs_far_more_time_than_its_deadline_leaves_is_the_requests_fault(
    admission: Admission, clock: FakeClock
) -> None:
    refusal = admission.refusal(400, ALICE, Deadline.after(1.5, clock=clock))

    assert refusal is not None
    assert type(refusal.error) is DeadlineTooShort
    assert "400 tokens need about 4" in str(refusal.error)


def test_what_is_tokenised_for_a_flood_delays_another_no_more_than_what_waits(
    admission: Admission, clock: FakeClock
) -> None:
    admission._queue.expect(ALICE, 600)

    assert admission.refusal(10, BOB, Deadline.after(2.0, clock=clock)) is None


def test_an_idle_model_whose_speed_nobody_has_seen_for_long_is_tried(clock: FakeClock) -> None:
    pace = Pace(max_batch_tokens=1000, replicas=1)
    pace.observe(padded_tokens=20, items=1, seconds=60.0)
    admission = Admission(FairQueue(quantum=100), pace, max_queued_cost=1000, clock=clock)
    admission.note_learned()

    before = admission.refusal(20, ANYONE, Deadline.after(0.5, clock=clock))
    clock.advance(6.0)
    after = admission.refusal(20, ANYONE, Deadline.after(0.5, clock=clock))

    assert before is not None
    assert after is None
