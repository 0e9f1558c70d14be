from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from services.common.caller import ANYONE, Caller, Priority
from services.common.errors import DeadlineTooShort, Overloaded
from services.scheduler.policy import Policy
from services.scheduler.scheduler import Scheduler
from services.scheduler.speed import Speed
from services.scheduler.work import Batch, NotTaken, Request, Work
from tests.unit.scheduler.queued import caller, request, works

ALICE, BOB = caller("alice"), caller("bob")
POLICY = Policy()
SLOW = Speed(per_token=0.01, per_batch=0.0, tokens_per_item=1)
"""A second for a hundred tokens."""


def scheduler_of(*, most_queued: int = 10_000, most_batched: int = 64, speed: Speed | None = None) -> Scheduler:
    scheduler = Scheduler(POLICY, most_queued=most_queued, most_batched=most_batched)
    if speed is not None:
        scheduler.note_batch(speed, padded_tokens=1, now_s=0.0)
    return scheduler


def submitted(
    scheduler: Scheduler, items: list[tuple[int, Work]], of: Caller = ANYONE, *, now_s: float = 0.0, left_s: float = 1e6
) -> Request:
    asked = request(of, deadline_s=now_s + left_s, now_s=now_s)
    assert isinstance(scheduler.submit(asked, items, now_s), list)
    return asked


def begun(scheduler: Scheduler, now_s: float = 0.0) -> Batch:
    batch = scheduler.take(now_s)
    scheduler.begin(batch, now_s)
    return batch


def costs(batch: Batch) -> list[int]:
    return [task.cost for task in batch.tasks]


def calls_of(function: Callable[[], Any]) -> int:
    """How many functions a call calls, those of C included."""
    number = 0

    def note(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal number
        number += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return number


def test_a_request_is_complete_once_nothing_of_it_is_missing() -> None:
    scheduler = scheduler_of(most_batched=10)
    mine = submitted(scheduler, works(10, 10))

    first, second = begun(scheduler), begun(scheduler)

    assert scheduler.finish(second, 1.0) == []
    assert scheduler.finish(first, 2.0) == [mine]
    assert scheduler.is_idle


def test_equal_items_are_computed_once_and_tell_which_came_with_another() -> None:
    scheduler = scheduler_of()
    mine, other = request(ALICE), request(BOB)

    joined = [scheduler.submit(each, works(5, 5, 5, key=b"x"), 0.0) for each in (mine, other)]
    batch = begun(scheduler)

    assert joined == [[1, 2], [0, 1, 2]]
    assert costs(batch) == [5]
    assert batch.tasks[0].waiters == {mine: [0, 1, 2], other: [0, 1, 2]}
    assert set(scheduler.finish(batch, 1.0)) == {mine, other}


def test_an_item_that_joins_a_running_batch_tells_its_compute() -> None:
    scheduler = scheduler_of()
    first = submitted(scheduler, works(5, key=b"x"), ALICE)
    batch = begun(scheduler, 1.0)

    joins = submitted(scheduler, works(5, key=b"x"), BOB, now_s=3.0)
    scheduler.finish(batch, 4.0)

    assert (first.finished_s - first.submitted_s, first.compute_s) == (4.0, 3.0)
    assert (joins.finished_s - joins.submitted_s, joins.compute_s) == (1.0, 1.0)


def test_an_item_that_joins_a_batch_that_is_only_prepared_is_computed_from_its_begin_on() -> None:
    scheduler = scheduler_of()
    submitted(scheduler, works(5, key=b"x"), ALICE)
    batch = scheduler.take(0.0)

    joins = submitted(scheduler, works(5, key=b"x"), BOB, now_s=1.0)
    scheduler.begin(batch, 2.0)
    scheduler.finish(batch, 4.0)

    assert joins.compute_s == 2.0


def test_time_in_which_two_batches_of_a_request_are_computed_counts_once() -> None:
    scheduler = scheduler_of(most_batched=10)
    mine = submitted(scheduler, works(10, 10))
    first = begun(scheduler, 1.0)
    second = begun(scheduler, 2.0)

    scheduler.finish(first, 4.0)
    scheduler.finish(second, 5.0)

    assert mine.compute_s == 4.0


def test_what_was_computed_or_given_up_is_computed_anew_when_it_is_asked_for_again() -> None:
    scheduler = scheduler_of()
    submitted(scheduler, works(5, key=b"x"))
    scheduler.finish(begun(scheduler), 1.0)
    given_up = submitted(scheduler, works(5, key=b"x"))
    scheduler.cancel(given_up)

    again = request(ALICE)

    assert scheduler.submit(again, works(5, key=b"x"), 2.0) == []
    assert costs(begun(scheduler)) == [5]


def test_what_is_given_up_leaves_the_queue_and_the_batch_that_is_only_prepared() -> None:
    scheduler = scheduler_of(most_batched=10)
    mine = submitted(scheduler, works(4, 6, 8), ALICE)
    prepared = scheduler.take(0.0)
    submitted(scheduler, works(5), BOB)

    scheduler.cancel(mine)
    scheduler.begin(prepared, 0.0)

    assert prepared.tasks == []
    assert scheduler.backlog().queued_cost == 5
    assert costs(scheduler.take(0.0)) == [5]
    assert not scheduler.is_waiting


def test_what_another_wants_too_is_computed_though_the_first_left() -> None:
    scheduler = scheduler_of()
    first, second = (submitted(scheduler, works(5, key=b"x"), of) for of in (ALICE, BOB))

    scheduler.cancel(first)
    batch = begun(scheduler)

    assert costs(batch) == [5]
    assert scheduler.finish(batch, 1.0) == [second]
    assert first.compute_s == 0.0


def test_a_late_request_is_forgotten_as_a_whole_when_its_turn_comes() -> None:
    scheduler = scheduler_of(most_batched=10, speed=SLOW)
    late = submitted(scheduler, works(10, 8, 9), ALICE, left_s=0.5)
    stays = submitted(scheduler, works(7), ALICE, left_s=100)

    batch = scheduler.take(0.3)

    assert batch.late == [late]
    assert costs(batch) == [7]
    assert (late.missing, stays.missing) == (0, 1)
    assert scheduler.backlog().queued_cost == 0


def test_of_a_late_request_what_another_wants_too_is_computed() -> None:
    scheduler = scheduler_of(most_batched=10, speed=SLOW)
    late = submitted(scheduler, [*works(10, key=b"x"), *works(9)], ALICE, left_s=0.2)
    stays = submitted(scheduler, works(10, key=b"x"), BOB, left_s=100)

    batch = scheduler.take(0.1)

    assert batch.late == [late]
    assert batch.tasks[0].waiters == {stays: [0]}
    assert not scheduler.is_waiting


def test_a_batch_in_which_all_is_late_is_followed_by_the_next() -> None:
    scheduler = scheduler_of(most_batched=10)
    late = [submitted(scheduler, works(10), ALICE, left_s=1.0) for _ in range(5)]
    submitted(scheduler, works(9), ALICE)

    batch = scheduler.take(2.0)

    assert set(batch.late) == set(late)
    assert costs(batch) == [9]


def test_a_speed_that_no_batch_confirmed_for_long_may_be_too_slow_but_not_by_any_factor() -> None:
    scheduler = scheduler_of(speed=SLOW)

    def taken_at(now_s: float, cost: int) -> bool:
        return scheduler.problem(cost, ALICE, now_s + 1.0, now_s) is None

    assert (taken_at(4.9, 110), taken_at(5.1, 110), taken_at(5.1, 290), taken_at(5.1, 310)) == (
        False,
        True,
        True,
        False,
    )


def test_what_cannot_meet_its_deadline_is_refused_when_idle_too() -> None:
    scheduler = scheduler_of(speed=SLOW)

    refusal = scheduler.submit(request(ALICE, deadline_s=1.0), works(*[10] * 11), 0.0)

    assert isinstance(refusal, NotTaken)
    assert isinstance(refusal.error, DeadlineTooShort)
    assert scheduler.is_idle


def test_a_refused_request_leaves_nothing_behind() -> None:
    scheduler = scheduler_of(most_queued=100)
    submitted(scheduler, works(70), ALICE)
    mine = request(ALICE)

    refusal = scheduler.submit(mine, works(20, key=b"x"), 0.0)

    assert isinstance(refusal, NotTaken)
    assert isinstance(refusal.error, Overloaded)
    assert (mine.tasks, mine.missing, scheduler.backlog().queued_cost) == ([], 0, 70)
    assert not scheduler._joinable


def test_what_costs_nothing_is_never_refused() -> None:
    scheduler = scheduler_of(most_queued=100, speed=SLOW)
    submitted(scheduler, works(80, key=b"x"), ALICE)
    submitted(scheduler, works(14), BOB)

    refused = scheduler.submit(request(caller("carol")), works(1), 0.0)
    joins = scheduler.submit(request(caller("carol"), deadline_s=0.1), works(80, key=b"x"), 0.0)

    assert isinstance(refused, NotTaken)
    assert joins == [0]
    assert scheduler.backlog().queued_cost == 94


def test_what_is_reserved_counts_as_waiting_until_it_is_given_back() -> None:
    scheduler = scheduler_of(most_queued=100)
    scheduler.reserve(ALICE, 80)

    refusal = scheduler.problem(50, BOB, 1e6, 0.0)
    scheduler.reserve(ALICE, -80)

    assert refusal is not None
    assert scheduler.problem(50, BOB, 1e6, 0.0) is None
    assert scheduler.is_idle


def test_two_callers_without_a_name_from_two_origins_make_batches_short() -> None:
    scheduler = Scheduler(POLICY, most_queued=10_000, most_batched=8192)
    scheduler.note_batch(Speed(per_token=1e-4, per_batch=1e-3), padded_tokens=1, now_s=0.0)

    def largest(*origins: str) -> int:
        for origin in origins:
            submitted(scheduler, works(*[1] * 2000), caller("", origin))
        return len(scheduler.take(0.0).tasks)

    assert (largest("here"), largest("here"), largest("there")) == (990, 990, 240)


def test_a_batch_is_the_only_one_when_nothing_else_waits_or_is_computed() -> None:
    scheduler = scheduler_of(most_batched=10)
    submitted(scheduler, works(10, 10))
    first, second = begun(scheduler), begun(scheduler)
    scheduler.finish(first, 1.0)
    scheduler.finish(second, 1.0)
    submitted(scheduler, works(10))

    third = begun(scheduler, 2.0)

    assert [first.is_only, second.is_only, third.is_only] == [False, False, True]


def test_at_the_end_all_who_wait_are_named_once() -> None:
    scheduler = scheduler_of(most_batched=10)
    both = submitted(scheduler, works(10, 10), ALICE)
    begun(scheduler)
    queued = submitted(scheduler, works(10), caller("carol", priority=Priority.BULK))

    assert scheduler.drop_all() == {both, queued}
    assert not scheduler.is_waiting


def calls_beside(clients: int, act: Callable[[Scheduler], Callable[[], Any]]) -> int:
    """Calls of an action while so many clients wait, each for the same 20 texts and one of its own."""
    scheduler = scheduler_of(most_queued=10**6, speed=Speed(per_token=1e-9, tokens_per_item=1))
    for number in range(clients):
        priority = Priority.BULK if number % 2 else Priority.INTERACTIVE
        items = [(at, Work(payload=None, cost=1, key=b"%d" % at)) for at in range(20)]
        submitted(scheduler, [*items, *works(2)], caller(f"{number}", f"{number % 7}", priority=priority))
    return calls_of(act(scheduler))


def equal_texts(scheduler: Scheduler) -> Callable[[], Any]:
    return lambda: submitted(scheduler, works(*[3] * 2048, key=b"new"), BOB)


def joined_texts(scheduler: Scheduler) -> Callable[[], Any]:
    items = [(at, Work(payload=None, cost=1, key=b"%d" % (at % 20))) for at in range(2048)]
    return lambda: submitted(scheduler, items, BOB)


def left_texts(scheduler: Scheduler) -> Callable[[], Any]:
    mine = submitted(scheduler, [(at, Work(payload=None, cost=1, key=b"%d" % at)) for at in range(20)], BOB)
    return lambda: scheduler.cancel(mine)


@pytest.mark.parametrize("act", [equal_texts, joined_texts, left_texts])
def test_what_an_item_costs_does_not_grow_with_the_clients_that_wait(
    act: Callable[[Scheduler], Callable[[], Any]],
) -> None:
    few, many = calls_beside(10, act), calls_beside(1000, act)

    # Once for each request the two classes are asked for what waits; nothing is done for each client.
    assert many <= few + 20


def test_equal_texts_of_one_request_wait_once() -> None:
    scheduler = scheduler_of(most_queued=10**6)
    for number in range(1000):
        submitted(scheduler, works(1), caller(f"{number}"))

    mine = submitted(scheduler, works(*[3] * 2048, key=b"x"), ALICE)

    assert (len(mine.tasks), mine.missing, mine.missing_cost) == (1, 2048, 3)
    assert scheduler.backlog().queued_cost == 1003
