from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.packing import LengthIndex, Limits, Packing
from services.scheduler.work import Task, Work


def indexed(*lengths: int) -> tuple[LengthIndex, list[Task]]:
    index, tasks = LengthIndex(), [Task(work=Work(payload=None, cost=length)) for length in lengths]
    for task in tasks:
        index.add(task)
    return index, tasks


def packed(first: int, index: LengthIndex, limits: Limits) -> list[int]:
    packing = Packing(limits=limits)
    packing.add(Task(work=Work(payload=None, cost=first)))
    for task in packing.fill(index, limits.own):
        index.discard(task)
    return [task.cost for task in packing.tasks]


def test_of_equal_lengths_the_oldest_comes_first() -> None:
    index, (old, new) = indexed(5, 5)

    before = index.at(5)
    index.discard(old)

    assert before is old
    assert index.at(5) is new


def test_a_task_that_was_added_twice_is_there_until_it_is_discarded_twice() -> None:
    index, (task,) = indexed(5)
    index.add(task)

    index.discard(task)
    after_one = index.at(5)
    index.discard(task)

    assert after_one is task
    assert index.at(5) is None
    assert not index._by_length


def test_the_nearest_lengths_are_taken_first() -> None:
    index, _ = indexed(30, 52, 49, 50, 90)

    lengths = packed(50, index, Limits(own=210, fill=0, padding=100))

    assert lengths == [50, 50, 49, 52]


def test_a_batch_grows_to_its_limit_padding_included_and_no_further() -> None:
    index, _ = indexed(*[10] * 20)

    assert len(packed(10, index, Limits(own=59, fill=0, padding=0))) == 5


def test_padding_counts_against_the_limit() -> None:
    padding = Limits(own=99, fill=0, padding=100)

    assert packed(50, indexed(48)[0], padding) == [50]


def test_padding_is_accepted_up_to_what_the_fixed_cost_of_a_batch_is_worth() -> None:
    few = Limits(own=1000, fill=0, padding=11)
    many = Limits(own=1000, fill=0, padding=12)

    # 50 + 48 + 40 are padded by 2 + 10 = 12.
    assert packed(50, indexed(48, 40)[0], few) == [50, 48]
    assert packed(50, indexed(48, 40)[0], many) == [50, 48, 40]


@given(
    st.integers(1, 60),
    st.lists(st.integers(1, 60), max_size=40),
    st.integers(0, 300),
    st.floats(0, 50),
)
def test_no_batch_is_larger_or_padded_more_than_it_may_be_and_none_of_what_fits_exactly_is_left(
    first: int, lengths: list[int], own: int, padding: float
) -> None:
    index, _ = indexed(*lengths)

    taken = packed(first, index, Limits(own=own, fill=0, padding=padding))

    padded, tokens = len(taken) * max(taken), sum(taken)
    assert len(taken) == 1 or padded <= own
    assert len(taken) == 1 or padded - tokens <= padding
    assert index.at(max(taken)) is None or padded + max(taken) > own
