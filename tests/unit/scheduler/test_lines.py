from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.caller import Caller, Priority
from services.scheduler.lines import Lines
from services.scheduler.packing import Limits
from services.scheduler.policy import Policy
from services.scheduler.work import Task, Work
from tests.unit.scheduler.queued import ONE, caller, clients, join, lines_of, request, taken, wait

BULK = Priority.BULK


def waiting(of: Caller, lines: Lines) -> int:
    return lines.cost_of_client(of)


def test_where_nobody_waits_there_is_no_batch() -> None:
    assert lines_of(10).take(ONE) == []


def test_clients_with_much_to_do_share_alike_whatever_the_size_of_their_items() -> None:
    lines = lines_of(30)
    for client, cost, number in (("a", 10, 1000), ("b", 30, 100), ("c", 20, 100)):
        wait(lines, caller(client), *[cost] * number)

    served: Counter[str] = Counter()
    for (task,) in taken(lines, 200):
        served[task.first.client] += task.cost

    assert max(served.values()) - min(served.values()) <= 60


def test_one_that_sends_large_items_gets_no_more_beside_many_that_send_small_ones() -> None:
    lines, served = lines_of(24), Counter[str]()
    costs = {"large": 24} | {f"small {number}": 1 for number in range(10)}

    for _ in range(3000):
        for client, cost in costs.items():
            if not waiting(caller(client), lines):
                wait(lines, caller(client), cost)
        (task,) = lines.take(ONE)
        served[task.first.client] += task.cost

    assert served["large"] == pytest.approx(served.total() / 11, abs=2 * 24)


def test_one_that_was_idle_goes_before_one_that_has_much_to_do() -> None:
    lines = lines_of(50)
    wait(lines, caller("flood"), *[10] * 100)
    taken(lines, 7)

    wait(lines, caller("light"), 10, 10)

    assert clients(taken(lines, 3)) == ["light", "light", "flood"]


def test_nobody_gets_ahead_by_more_than_a_quantum_however_long_it_was_idle() -> None:
    lines = lines_of(50)
    wait(lines, caller("flood"), *[10] * 1000)
    taken(lines, 500)

    wait(lines, caller("idle"), *[10] * 100)

    after = clients(taken(lines, 16))
    assert after[:5] == ["idle"] * 5
    assert 4 <= after[6:].count("flood") <= 6


def test_a_quantum_is_not_kept_for_later_where_nobody_waited() -> None:
    lines = lines_of(50)
    wait(lines, caller("first"), *[10] * 100)
    wait(lines, caller("second"), *[10] * 100)

    assert Counter(clients(taken(lines, 25))) == {"first": 10, "second": 15}


def test_coming_and_going_gains_nothing() -> None:
    lines, served = lines_of(100), Counter[str]()
    wait(lines, caller("steady"), *[10] * 1000)

    for _ in range(400):
        if not waiting(caller("sly"), lines):
            wait(lines, caller("sly"), 10)
        served.update(clients(taken(lines, 1)))

    assert served["sly"] <= 200 + 10


def test_what_others_take_of_a_batch_is_charged_to_them() -> None:
    lines = lines_of(0)
    wait(lines, caller("a"), *[10] * 4, 77)
    wait(lines, caller("b"), *[10] * 40)
    first = lines.take(Limits(own=100, fill=100, padding=0))

    second = taken(lines, 3, Limits(own=20, fill=1, padding=0))

    assert Counter(clients([first])) == {"a": 4, "b": 6}
    assert clients(second) == ["a", "b", "b", "b", "b"], "b had 60 and a 40"


def test_new_clients_without_end_leave_one_that_waits_its_part() -> None:
    lines, served = lines_of(100), Counter[str]()
    wait(lines, caller("steady", "here"), *[20] * 1000)

    for number in range(1000):
        if lines.cost - waiting(caller("steady", "here"), lines) < 100:
            wait(lines, caller("new", f"origin {number}"), 50)
        served.update({task.first.client: task.cost for task in lines.take(ONE)})

    # Two or three wait: half of a third at least.
    assert served["steady"] >= served.total() / 6 - 150


def test_clients_of_one_origin_share_the_part_of_one() -> None:
    lines, served = lines_of(100), Counter[str]()
    wait(lines, caller("alone", "there"), *[10] * 1000)
    for name in range(50):
        wait(lines, caller(f"{name}", "here"), *[10] * 20)

    served.update(task.first.origin for batch in taken(lines, 1000) for task in batch)

    assert served["there"] == pytest.approx(500, abs=11)


def test_new_names_for_every_request_gain_an_origin_nothing() -> None:
    lines, served = lines_of(100), Counter[str]()
    alone = caller("alone", "there")

    for number in range(1000):
        wait(lines, caller(f"{number}", "here"), 20)
        if not waiting(alone, lines):
            wait(lines, alone, 20)
        served.update(task.first.origin for task in lines.take(ONE))

    assert served["there"] == pytest.approx(500, abs=6)


def test_one_that_waits_is_not_passed_by_the_many_names_that_begin_at_once() -> None:
    lines = lines_of(20)
    wait(lines, caller("alone", "there"), *[10] * 100)
    for name in range(100):
        wait(lines, caller(f"{name}", "here"), 10)

    assert clients(taken(lines, 5)).count("alone") >= 1


def test_within_an_origin_the_light_goes_before_the_heavy() -> None:
    lines = lines_of(50)
    wait(lines, caller("flood", "proxy"), *[10] * 100)
    taken(lines, 7)

    wait(lines, caller("light", "proxy"), 10)

    assert clients(taken(lines, 1)) == ["light"]


def test_interactive_work_goes_first_and_bulk_work_has_its_floor() -> None:
    lines = lines_of(50)
    wait(lines, caller("a", priority=BULK), *[10] * 1000)
    wait(lines, caller("b"), *[10] * 1000)

    batches = taken(lines, 500)

    assert clients(batches[:1]) == ["b"]
    assert Counter(clients(batches))["a"] == pytest.approx(50, abs=1)


def test_bulk_work_has_its_floor_beside_interactive_work_that_leaves_the_queue_empty_each_time() -> None:
    limits = Limits(own=100, fill=100, padding=0)
    lines, served = lines_of(1000), Counter[Priority]()
    wait(lines, caller("a", priority=BULK), *[10] * 1000)

    for _ in range(100):
        wait(lines, caller("b"), 10, 10, 10)
        for task in lines.take(limits):
            served[task.first.priority] += task.cost

    assert served[BULK] == pytest.approx(served.total() / 10, abs=100)


def test_bulk_work_that_comes_and_goes_has_no_more_than_its_floor() -> None:
    lines, served = lines_of(100), Counter[Priority]()
    wait(lines, caller("b"), *[10] * 2000)

    for _ in range(600):
        if not waiting(caller("a", priority=BULK), lines):
            wait(lines, caller("a", priority=BULK), 10)
        served.update(task.first.priority for batch in taken(lines, 3) for task in batch)

    assert served[BULK] <= served.total() / 10 + 1


def test_bulk_work_is_owed_nothing_for_the_time_in_which_it_did_not_wait() -> None:
    lines = lines_of(50)
    wait(lines, caller("b"), *[10] * 1000)
    taken(lines, 500)

    wait(lines, caller("a", priority=BULK), *[10] * 100)

    assert clients(taken(lines, 100)).count("a") == pytest.approx(10, abs=1)


def test_bulk_work_alone_is_served_at_once_and_owes_nothing_for_it() -> None:
    lines = lines_of(50)
    wait(lines, caller("a", priority=BULK), *[10] * 100)
    taken(lines, 50)

    wait(lines, caller("b"), *[10] * 100)

    assert clients(taken(lines, 11)).index("a") == 1


def test_what_is_expected_counts_as_its_clients() -> None:
    lines, flood, light = lines_of(5), caller("flood"), caller("light")
    lines.expect(flood, 1000)
    expected = (waiting(flood, lines), lines.cost_of_origin(flood), lines.cost_of_class(flood.priority), lines.cost)

    before = lines.cost_until(light, 10)
    lines.expect(flood, -1000)

    assert expected == (1000, 1000, 1000, 1000)
    assert before == 20, "it is shared with the others as what is queued"
    assert (lines.cost, lines.cost_until(light, 10)) == (0, 10)


def test_the_oldest_of_a_client_is_in_the_batch_of_its_turn_whatever_its_length() -> None:
    lines, limits = lines_of(10_000), Limits(own=100, fill=100, padding=0)
    wait(lines, caller("a"), *[10] * 10)
    (old,) = wait(lines, caller("a"), 77)
    wait(lines, caller("a"), *[10] * 100)

    batches = taken(lines, 2, limits)

    assert [len(batch) for batch in batches] == [10, 1]
    assert batches[1] == [old]


def test_what_is_before_a_newcomer_are_its_own_tokens_and_the_others_as_far_as_they_share() -> None:
    lines = lines_of(50)
    wait(lines, caller("flood", "far"), *[10] * 100)

    new, more = caller("new", "near"), caller("flood", "far")

    assert lines.cost_until(new, 30) == 30, "it goes first for a quantum"
    assert lines.cost_until(new, 70) == 70 + 20, "and shares from then on"
    assert lines.cost_until(more, 10) == 1010


def test_what_is_before_a_client_counts_what_waits_of_its_origin_and_in_the_other_class() -> None:
    lines = lines_of(0)
    wait(lines, caller("beside", "here"), *[10] * 100)
    wait(lines, caller("far", "there"), *[10] * 100)
    wait(lines, caller("bulk", "there", priority=BULK), *[10] * 100)

    # 90 of its own, 90 of who shares its origin, 180 of the other origin, and a tenth of all is bulk.
    assert lines.cost_until(caller("new", "here"), 90) == 360 + 40


def test_a_task_that_many_wait_for_is_before_a_newcomer_once() -> None:
    lines, task = lines_of(0), Task(work=Work(payload=None, cost=50))
    for name in range(100):
        join(lines, task, caller(f"{name}", f"origin {name}"))

    assert lines.cost == 50
    assert lines.cost_until(caller("new", "another"), 500) == 550


@pytest.mark.parametrize("batches", [1, 7, 30])
def test_what_is_before_a_newcomer_is_what_is_computed_until_it_is_done(batches: int) -> None:
    lines = lines_of(40)
    for number in range(5):
        wait(lines, caller(f"c{number}", f"o{number % 3}"), *[10] * (5 + 3 * number))
    taken(lines, batches)
    new = caller("new", "o1")
    predicted = lines.cost_until(new, 60)
    mine = set(wait(lines, new, *[10] * 6))

    done = 0
    while mine:
        for task in lines.take(ONE):
            mine.discard(task)
            done += task.cost

    assert done == pytest.approx(predicted, abs=5 * 10)


def test_a_task_is_computed_when_it_is_the_turn_of_any_who_wants_it() -> None:
    lines, task = lines_of(0), Task(work=Work(payload=None, cost=10))
    wait(lines, caller("first"), *[10] * 5)
    join(lines, task, caller("first"))
    wait(lines, caller("other"), *[10] * 5)
    join(lines, task, caller("light"))

    order = [batch[0] for batch in taken(lines, 11)]

    assert order.index(task) <= 2, "of those that wait it is the turn of the light one third at the latest"
    assert order.count(task) == 1
    assert not lines.is_waiting
    assert lines.cost == 0


def test_a_task_that_is_wanted_urgently_does_not_wait_in_bulk_works_place() -> None:
    lines, task = lines_of(0), Task(work=Work(payload=None, cost=10))
    wait(lines, caller("slow", priority=BULK), *[10] * 5)
    join(lines, task, caller("slow", priority=BULK))
    join(lines, task, caller("urgent"))

    assert lines.take(ONE) == [task]
    assert waiting(caller("slow", priority=BULK), lines) == 50


@pytest.mark.parametrize("leaves", [0, 1])
def test_when_one_leaves_a_task_waits_in_the_lines_of_the_rest(leaves: int) -> None:
    lines, task = lines_of(0), Task(work=Work(payload=None, cost=10))
    wait(lines, caller("flood"), *[10] * 5)
    callers = [caller("flood"), caller("light")]
    asked = [join(lines, task, each) for each in callers]

    lines.leave(task, asked[leaves])
    order = [batch[0] for batch in taken(lines, 6)]

    assert order.index(task) == [1, 5][leaves]
    assert lines.cost == waiting(callers[0], lines) == waiting(callers[1], lines) == 0


def test_a_task_that_one_client_wants_twice_waits_until_both_have_left() -> None:
    lines, task, light = lines_of(0), Task(work=Work(payload=None, cost=10)), caller("light")
    asked = [join(lines, task, light), join(lines, task, light)]

    lines.leave(task, asked[0])
    after_one = (lines.is_waiting, lines.cost, waiting(light, lines))
    lines.leave(task, asked[1])

    assert after_one == (True, 10, 10)
    assert (lines.is_waiting, lines.cost, waiting(light, lines)) == (False, 0, 0)


def test_clients_whose_work_only_was_expected_are_forgotten_too() -> None:
    lines = lines_of(50)
    lines.expect(caller("expected"), 5)

    for number in range(10_000):
        lines.expect(caller(f"name {number}"), 7)
        lines.expect(caller(f"name {number}"), -7)

    assert len(lines._interactive.lines) <= Policy().most_idle + 3
    assert waiting(caller("expected"), lines) == lines.cost == 5


def test_clients_that_come_once_are_forgotten_but_not_those_with_work() -> None:
    lines = lines_of(50)
    wait(lines, caller("stays"), 10_000)
    lines.expect(caller("expected"), 5)

    for number in range(6000):
        (once,) = wait(lines, caller(f"once-{number}", f"origin-{number % 2000}"), 1)
        lines.leave(once, next(iter(once.waiters)))

    assert sum(len(of.lines) for of in lines._classes.values()) < 5000
    assert waiting(caller("expected"), lines) == 5
    assert waiting(caller("stays"), lines) == 10_000


def test_everything_is_dropped_at_the_end() -> None:
    lines, shared = lines_of(50), Task(work=Work(payload=None, cost=10))
    tasks = wait(lines, caller("a"), 1, 2) + wait(lines, caller("b", priority=BULK), 3)
    for each in (caller("a"), caller("b", priority=BULK)):
        join(lines, shared, each)

    dropped = list(lines.drop_all())

    assert Counter(dropped) == Counter([*tasks, shared])
    assert (lines.is_waiting, lines.cost) == (False, 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from("xy"), st.integers(1, 40), st.sampled_from(Priority), st.booleans()
        ),
        max_size=60,
    ),
    st.integers(1, 200),
    st.integers(0, 30),
)
def test_everything_that_waits_comes_out_once_and_nothing_else(
    asked: list[tuple[str, str, int, Priority, bool]], own: int, padding: int
) -> None:
    lines, limits = lines_of(50), Limits(own=own, fill=own // 2, padding=padding)
    tasks = [
        (wait(lines, caller(client, origin, priority=priority), length)[0], gone)
        for client, origin, length, priority, gone in asked
    ]
    for task, gone in tasks:
        if gone:
            lines.leave(task, next(iter(task.waiters)))

    out = [task for batch in iter(lambda: lines.take(limits), []) for task in batch]

    assert Counter(out) == Counter(task for task, gone in tasks if not gone)
    assert (lines.cost, lines.is_waiting) == (0, False)
    assert all(not lines.cost_of_class(priority) for priority in Priority)
    assert all(not lines.cost_of_origin(request(caller("", origin)).caller) for origin in "xy")


def computed(lines: Lines, real: dict[str, int]) -> Task:
    """The next task, of which only its end shows what its client's really cost."""
    [task] = lines.take(ONE)
    lines.settle(task.first, real[task.first.client] - task.cost)
    return task


def test_bulk_work_that_costs_more_than_believed_has_no_more_than_its_part() -> None:
    lines, had, real = lines_of(40), Counter[str](), {"bulk": 500, "human": 10}
    for _ in range(3000):
        for client, priority in (("bulk", BULK), ("human", Priority.INTERACTIVE)):
            if not waiting(caller(client, priority=priority), lines):
                wait(lines, caller(client, priority=priority), 10)
        task = computed(lines, real)
        had[task.first.client] += real[task.first.client]

    assert had["bulk"] == pytest.approx(Policy().bulk_floor * had.total(), abs=2 * 500)


def test_endless_newcomers_whose_work_costs_more_than_believed_do_not_starve_who_waits() -> None:
    lines, real, spent = lines_of(40), {f"new {number}": 200 for number in range(400)}, 0
    real["alice"] = 10
    for number in range(8):
        wait(lines, caller(f"new {number}"), 10)
    wait(lines, caller("alice"), 10, 10, 10)
    for number in range(8, 400):
        wait(lines, caller(f"new {number}"), 10)
        task = computed(lines, real)
        spent += real[task.first.client]
        if not waiting(caller("alice"), lines):
            break

    assert spent <= 40 * 200
