from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.batching.base import Batched, Batcher
from services.common.batching.fifo import FifoBatcher
from services.common.deadline import Deadline
from services.common.errors import BackendFailed, DeadlineExceeded, Overloaded, Unavailable
from services.common.testing.clock import FakeClock

Compute = Callable[[Sequence[int]], list[int]]


class Model:
    """Doubles numbers; remembers each batch; waits at `gate` while it is shut."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.poisoned: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.started.set()
        self.gate.wait(10)
        if self.poisoned & set(items):
            raise ValueError("NaN in the output")
        return [2 * item for item in items]

    @property
    def computed(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


def batcher_of(
    compute: Compute, *, max_batch_cost: int = 10, max_queued_cost: int = 1000, clock: FakeClock | None = None
) -> FifoBatcher[int, int]:
    """A batcher in which an item costs its own value."""
    return FifoBatcher(
        compute,
        cost=lambda item: item,
        max_batch_cost=max_batch_cost,
        max_queued_cost=max_queued_cost,
        clock=clock or FakeClock(),
    )


@contextlib.asynccontextmanager
async def running(batcher: Batcher[int, int]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(batcher.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def busy(model: Model, batcher: FifoBatcher[int, int]) -> AsyncIterator[asyncio.Task[Batched[int]]]:
    """The body runs while a first item is being computed; afterwards it is done."""
    model.gate.clear()
    first = asyncio.create_task(batcher.submit([1], soon()))
    await asyncio.to_thread(model.started.wait, 10)
    try:
        yield first
    finally:
        model.gate.set()
        await asyncio.gather(first, return_exceptions=True)


def slow(model: Model, clock: FakeClock, *, seconds_per_cost: float) -> Compute:
    """The model, taking time on the clock."""

    def compute(items: Sequence[int]) -> list[int]:
        result = model(items)
        clock.advance(seconds_per_cost * sum(items))
        return result

    return compute


def soon() -> Deadline:
    return Deadline.after(10.0)


async def queued(
    batcher: FifoBatcher[int, int], *items: int, deadline: Deadline | None = None
) -> asyncio.Task[Batched[int]]:
    """A submit that is waiting in the queue."""
    task = asyncio.create_task(batcher.submit(items, deadline or soon()))
    await asyncio.sleep(0)
    return task


async def test_results_come_in_the_order_of_the_items() -> None:
    model = Model()
    batcher = batcher_of(model)

    async with running(batcher):
        batched = await batcher.submit([3, 1, 2], soon())

    assert list(batched.results) == [6, 2, 4]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(1, 15), max_size=8), min_size=1, max_size=6))
async def test_any_mix_of_callers_gets_its_own_results_within_the_budget(calls: list[list[int]]) -> None:
    model = Model()
    batcher = batcher_of(model)

    async with running(batcher):
        replies = await asyncio.gather(*(batcher.submit(items, soon()) for items in calls))

    assert [list(reply.results) for reply in replies] == [[2 * item for item in items] for items in calls]
    assert model.computed == [item for items in calls for item in items]
    assert all(sum(batch) <= 10 or len(batch) == 1 for batch in model.batches)
    assert batcher.backlog().queued_cost == 0


async def test_callers_that_wait_share_a_batch() -> None:
    model = Model()
    batcher = batcher_of(model)

    async with running(batcher):
        async with busy(model, batcher):
            waiting = [await queued(batcher, 2), await queued(batcher, 3), await queued(batcher, 6)]
        await asyncio.gather(*waiting)

    assert model.batches == [[1], [2, 3], [6]]


async def test_an_item_over_the_budget_makes_a_batch_alone() -> None:
    model = Model()
    batcher = batcher_of(model)

    async with running(batcher):
        await batcher.submit([2, 50, 3], soon())

    assert model.batches == [[2], [50], [3]]


async def test_nothing_to_compute_is_answered_at_once() -> None:
    async with running(batcher_of(Model())):
        batched = await batcher_of(Model()).submit([], soon())

    assert list(batched.results) == []


async def test_a_full_queue_refuses_with_a_delay_and_queues_nothing() -> None:
    model = Model()
    batcher = batcher_of(model, max_queued_cost=10)

    async with running(batcher), busy(model, batcher):
        waiting = await queued(batcher, 6)
        with pytest.raises(Overloaded) as refused:
            await batcher.submit([1, 4], soon())
        assert batcher.backlog().queued_cost == 6
        model.gate.set()
        await waiting

    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s >= 1.0
    assert model.computed == [1, 6]


async def test_the_delay_of_a_refusal_is_the_predicted_wait() -> None:
    clock = FakeClock()
    model = Model()
    batcher = batcher_of(slow(model, clock, seconds_per_cost=2.0), max_queued_cost=10, clock=clock)

    async with running(batcher):
        await batcher.submit([4], soon())
        model.started.clear()
        async with busy(model, batcher):
            waiting = await queued(batcher, 10)
            with pytest.raises(Overloaded) as refused:
                await batcher.submit([1], soon())
        await waiting

    assert refused.value.retry_after_s == 20.0


async def test_a_request_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    model = Model()
    batcher = batcher_of(model, max_queued_cost=10)

    async with running(batcher):
        batched = await batcher.submit([9, 9, 9], soon())

    assert list(batched.results) == [18, 18, 18]


async def test_what_a_gone_caller_asked_for_is_never_computed() -> None:
    model = Model()
    batcher = batcher_of(model)

    async with running(batcher):
        async with busy(model, batcher):
            gone, stays = await queued(batcher, 7), await queued(batcher, 2)
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        await stays

    assert gone.cancelled()
    assert model.computed == [1, 2]


async def test_what_expired_in_the_queue_is_never_computed() -> None:
    clock = FakeClock()
    model = Model()
    batcher = batcher_of(model, clock=clock)

    async with running(batcher):
        async with busy(model, batcher):
            late = await queued(batcher, 7, 8, deadline=Deadline.after(5.0, clock=clock))
            stays = await queued(batcher, 2)
            clock.advance(5.0)
        await stays
        with pytest.raises(DeadlineExceeded):
            await late

    assert model.computed == [1, 2]


async def test_a_deadline_that_is_over_queues_nothing() -> None:
    clock = FakeClock()
    batcher = batcher_of(Model())

    with pytest.raises(DeadlineExceeded):
        await batcher.submit([1], Deadline(at_s=clock(), clock=clock))

    assert batcher.backlog().queued_cost == 0


async def test_a_caller_stops_waiting_at_its_deadline_though_the_model_is_stuck() -> None:
    model = Model()
    batcher = batcher_of(model)

    async with running(batcher), busy(model, batcher):
        with pytest.raises(DeadlineExceeded):
            await batcher.submit([2], Deadline.after(0.02))


async def test_a_poisoned_item_fails_alone() -> None:
    model = Model()
    model.poisoned = {4}
    batcher = batcher_of(model, max_batch_cost=100)

    async with running(batcher):
        async with busy(model, batcher):
            mine, other = await queued(batcher, 3, 4, 5), await queued(batcher, 6)
        mixed, whole = await mine, await other

    assert [type(result) for result in mixed.results] == [int, BackendFailed, int]
    assert [mixed.results[0], mixed.results[2]] == [6, 10]
    assert list(whole.results) == [12]


async def test_the_models_own_words_stay_out_of_the_error() -> None:
    model = Model()
    model.poisoned = {4}
    batcher = batcher_of(model)

    async with running(batcher):
        batched = await batcher.submit([4], soon())

    failure = batched.results[0]
    assert isinstance(failure, BackendFailed)
    assert "NaN" not in failure.message
    assert isinstance(failure.__cause__, ValueError)


async def test_a_dead_model_is_one_log_line_a_batch(capsys: pytest.CaptureFixture[str]) -> None:
    model = Model()
    model.poisoned = set(range(10))
    batcher = batcher_of(model, max_batch_cost=1000)

    async with running(batcher):
        await batcher.submit(list(range(10)), soon())

    assert capsys.readouterr().out.count("items_failed") == 1


@pytest.mark.parametrize("results", [[], [1], [1, 2, 3, 4]])
async def test_a_model_that_returns_the_wrong_number_of_results_fails_items_and_hangs_nobody(
    results: list[int],
) -> None:
    batcher = batcher_of(lambda items: results if len(items) > 1 else [])

    async with running(batcher) as task:
        batched = await batcher.submit([1, 2, 3], soon())
        is_alive = not task.done()

    assert [type(result) for result in batched.results] == [BackendFailed] * 3
    assert is_alive


async def test_those_who_wait_are_told_when_the_batcher_is_stopped() -> None:
    model = Model()
    batcher = batcher_of(model)

    async with running(batcher) as task, busy(model, batcher) as computing:
        waiting = await queued(batcher, 2)
        task.cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(computing, waiting, return_exceptions=True), 5)

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert batcher.backlog().queued_cost == 0


class ModelGone(BaseException):
    """What no handler of ordinary errors catches."""


async def test_those_who_wait_are_told_when_the_batcher_dies() -> None:
    def dies(_items: Sequence[int]) -> list[int]:
        raise ModelGone

    batcher = batcher_of(dies, max_batch_cost=2)

    async with running(batcher) as task:
        outcomes = await asyncio.wait_for(
            asyncio.gather(batcher.submit([2], soon()), batcher.submit([2], soon()), return_exceptions=True), 5
        )
        await asyncio.wait({task})

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert isinstance(task.exception(), ModelGone)


async def test_a_batcher_that_ended_refuses_at_once() -> None:
    batcher = batcher_of(Model())
    async with running(batcher):
        await batcher.submit([1], soon())

    with pytest.raises(Unavailable):
        await batcher.submit([1], soon())


async def test_queue_and_compute_times_are_told_apart() -> None:
    clock = FakeClock()
    model = Model()

    batcher = batcher_of(slow(model, clock, seconds_per_cost=1.0), clock=clock)

    async with running(batcher):
        async with busy(model, batcher):
            waiting = await queued(batcher, 2)
            clock.advance(3.0)
        batched = await waiting

    assert (batched.queue_us, batched.compute_us) == (4_000_000, 2_000_000)


async def test_the_backlog_predicts_the_wait_from_what_batches_took() -> None:
    clock = FakeClock()
    model = Model()
    batcher = batcher_of(slow(model, clock, seconds_per_cost=0.5), clock=clock)

    async with running(batcher):
        await batcher.submit([4], soon())
        model.started.clear()
        async with busy(model, batcher):
            waiting = await queued(batcher, 8)
            backlog = batcher.backlog()
        await waiting

    assert (backlog.queued_cost, backlog.predicted_wait_s) == (8, 4.0)
