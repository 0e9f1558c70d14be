from __future__ import annotations

import pytest

from services.common.caller import ANYONE, Caller, Priority
from services.common.errors import DeadlineTooShort, Overloaded, RequestError, TooLarge
from services.scheduler.admission import Admission
from services.scheduler.lines import Lines
from services.scheduler.policy import Policy
from services.scheduler.speed import Speed
from services.scheduler.work import NotTaken
from tests.unit.scheduler.queued import caller, lines_of

ALICE, BOB = Caller(client="alice"), Caller(client="bob")
BULK = Caller(client="alice", priority=Priority.BULK)
POLICY = Policy()
NOW_S = 100.0


@pytest.fixture
def lines() -> Lines:
    return lines_of(100)


@pytest.fixture
def admission(lines: Lines) -> Admission:
    """A second for a hundred tokens; a thousand may wait."""
    return Admission(POLICY, lines, most=1000, seconds=lambda tokens: 0.01 * tokens)


def refused(
    admission: Admission,
    cost: int,
    of: Caller = ANYONE,
    *,
    left_s: float = 1000.0,
    now_s: float = NOW_S,
    taken: int = 100,
    doubt: float = 1.0,
) -> NotTaken | None:
    return admission.problem(cost, of, left_s=left_s, now_s=now_s, taken=taken, idle_doubt=doubt)


def overloaded(refusal: NotTaken | None) -> Overloaded:
    assert refusal is not None
    assert isinstance(refusal.error, Overloaded)
    return refusal.error


def test_what_comes_in_time_by_a_margin_is_taken(admission: Admission) -> None:
    # It takes 0.5 s itself, and what is before it 1 s, or twice that.
    assert refused(admission, 50, left_s=2.6) is None
    assert overloaded(refused(admission, 50, left_s=2.4)).retry_after_s


def test_requests_of_a_client_are_told_times_of_their_own(admission: Admission) -> None:
    errors = [overloaded(refused(admission, 50, left_s=1.0)) for _ in range(100)]

    delays_s = [error.retry_after_s or 0.0 for error in errors]
    assert delays_s[:3] == pytest.approx([1.5, 2.0, 2.5], abs=0.05)
    assert max(delays_s) <= 30.0
    assert len(set(delays_s)) == 100, "also those that are as far away as may be"


@pytest.mark.parametrize(
    ("of", "waiting", "cost", "delay_s", "bound"),
    [
        (ALICE, 950, 100, 0.75, "950 tokens are waiting, of 1000 at most, 0 of them this client's, which may have 40"),
        (ALICE, 800, 500, 4.25, "800 tokens are waiting, of 1000 at most, 0 of them this client's, which may have 160"),
        (BULK, 480, 100, 0.8, "480 of them are bulk work, which may have 500"),
    ],
)
def test_a_refusal_names_the_bound_and_when_there_is_room(
    admission: Admission, lines: Lines, of: Caller, waiting: int, cost: int, delay_s: float, bound: str
) -> None:
    lines.expect(caller("other", "elsewhere", priority=of.priority), waiting)

    error = overloaded(refused(admission, cost, of))

    assert bound in str(error)
    assert error.retry_after_s == pytest.approx(delay_s, rel=0.1)


def test_a_refusal_says_by_how_much_its_work_lengthens_the_queue(lines: Lines) -> None:
    speed = Speed(per_token=0.01, per_batch=0.5)
    admission = Admission(POLICY, lines, most=1000, seconds=lambda tokens: speed.seconds_of(tokens, batch=100))
    lines.expect(ALICE, 790)

    waiting, late = overloaded(refused(admission, 100, ALICE)), overloaded(refused(admission, 10, BOB, left_s=0.7))

    # A batch of 100 takes 1.5 s, of which a tenth is the share of 10 tokens in it; alone they would take 0.6 s.
    assert waiting.work_s == pytest.approx(1.5)
    assert late.work_s == pytest.approx(0.15)


def test_what_was_told_to_a_flood_is_forgotten_with_time(admission: Admission, lines: Lines) -> None:
    lines.expect(BOB, 950)
    for _ in range(100):
        refused(admission, 800, ALICE)

    error = overloaded(refused(admission, 100, caller("alice", "elsewhere"), now_s=NOW_S + 31))

    assert error.retry_after_s == pytest.approx(0.75, rel=0.1)


def test_a_client_over_its_part_is_told_when_others_have_left_enough(admission: Admission, lines: Lines) -> None:
    lines.expect(ALICE, 820)

    error = overloaded(refused(admission, 100, ALICE))

    assert "820 of them this client's, which may have 0 more" in str(error)
    assert error.retry_after_s == pytest.approx((820 + 5 * 100 - 4 * 180) / 4 / 100, rel=0.1)


@pytest.mark.parametrize(("of", "largest"), [(ALICE, 800), (BULK, 500)])
def test_what_would_find_no_room_in_an_empty_queue_is_refused_for_good_with_what_would(
    admission: Admission, of: Caller, largest: int
) -> None:
    def asked(cost: int) -> RequestError | None:
        refusal = refused(admission, cost, of)
        return refusal.error if refusal else None

    error = asked(largest + 1)

    assert asked(largest) is None
    assert admission.largest(of) == largest
    assert isinstance(error, TooLarge)
    assert error.retry_after_s is None
    assert f"at most {largest} of {of.priority.value} work are taken at once" in str(error)


def fill(admission: Admission, lines: Lines, of: Caller) -> int:
    while refused(admission, 5, of) is None:
        lines.expect(of, 5)
    return lines.cost_of_client(of)


@pytest.mark.parametrize("priority", Priority)
def test_the_bound_is_a_bound_and_leaves_each_next_client_its_part(
    admission: Admission, lines: Lines, priority: Priority
) -> None:
    waiting = [fill(admission, lines, caller(f"{at}", f"{at}", priority=priority)) for at in range(3)]

    assert lines.cost == sum(waiting) <= (1000 if priority is Priority.INTERACTIVE else 500)
    assert refused(admission, 1, caller("another", "another")) is None
    if priority is Priority.INTERACTIVE:
        assert waiting == pytest.approx([800, 160, 32], abs=5)


def test_all_names_of_one_origin_leave_room_for_another(admission: Admission, lines: Lines) -> None:
    waiting = sum(fill(admission, lines, caller(f"{name}", "here")) for name in range(200))

    assert waiting == pytest.approx(1000 * 16 / 17, abs=5)
    assert refused(admission, 45, caller("another", "there")) is None
    assert "from where this client calls" in str(overloaded(refused(admission, 5, caller("new", "here"))))


def test_bulk_work_of_a_client_counts_when_it_sends_interactive_work(admission: Admission, lines: Lines) -> None:
    lines.expect(BULK, 500)

    largest = max(cost for cost in range(500) if not refused(admission, cost, ALICE))

    assert largest == (4 * 500 - 500) // 5


@pytest.mark.parametrize("taken", [0, 100])
def test_what_needs_more_time_than_its_deadline_leaves_is_the_requests_fault_busy_or_idle(
    admission: Admission, taken: int
) -> None:
    refusal = refused(admission, 400, ALICE, left_s=1.5, taken=taken)

    assert refusal is not None
    assert type(refusal.error) is DeadlineTooShort
    assert "400 tokens need about 4" in str(refusal.error)


def test_an_idle_model_whose_speed_nobody_has_seen_for_long_is_tried_within_reason(admission: Admission) -> None:
    idle = [refused(admission, 400, left_s=left_s, taken=0, doubt=3.0) for left_s in (1.4, 1.3)]
    busy = refused(admission, 400, left_s=1.4, doubt=3.0)

    assert idle[0] is None
    assert idle[1] is not None
    assert busy is not None
    assert (idle[1].reason, busy.reason) == ("too_long", "too_long")


def test_what_is_tokenised_for_a_flood_delays_another_no_more_than_what_waits(
    admission: Admission, lines: Lines
) -> None:
    lines.expect(ALICE, 600)

    # It takes 0.1 s itself, what is computed now twice 1 s, and of what is tokenised as much as of its own.
    assert refused(admission, 10, BOB, left_s=2.4) is None
