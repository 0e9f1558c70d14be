from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
import time
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from services.common.caller import ANYONE, Caller, Priority
from services.common.deadline import Deadline
from services.common.errors import (
    BackendFailed,
    DeadlineExceeded,
    DeadlineTooShort,
    DeviceLost,
    DeviceMemoryFull,
    Overloaded,
    TooLarge,
    Unavailable,
)
from services.common.telemetry import request_id
from services.common.testing.clock import FakeClock
from services.common.testing.logs import captured_logs
from services.common.testing.waiting import eventually
from services.models.batching.batcher import Batcher
from services.models.batching.cache import ResultCache
from services.models.batching.call import Computed
from services.models.batching.metrics import ModelMetrics, engine_metrics
from services.models.batching.workers import WorkerDied
from services.models.models import Tokens
from services.models.testing import DoublingModel, work
from services.scheduler.packing import Limits
from services.scheduler.speed import Speed
from services.scheduler.work import Work

ALICE, BOB = Caller(client="alice"), Caller(client="bob")
BULK = Caller(client="alice", priority=Priority.BULK)


class Counted:
    """A model's metrics, and what they say."""

    numbers = itertools.count()

    def __init__(self) -> None:
        self.model = f"doubling {next(self.numbers)}"
        self.metrics = ModelMetrics(engine_metrics("batcher"), self.model)

    def value(self, name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"isolane_batcher_{name}", {"model": self.model, **labels}) or 0.0


def batcher_of(
    model: DoublingModel,
    *,
    max_batch_tokens: int = 10,
    max_queued_tokens: int = 1000,
    cache_bytes: int = 0,
    metrics: ModelMetrics | None = None,
    clock: FakeClock | None = None,
    stall_s: float = 120.0,
) -> Batcher:
    return Batcher(
        model,
        max_batch_tokens=max_batch_tokens,
        max_queued_tokens=max_queued_tokens,
        cache=ResultCache(cache_bytes),
        metrics=metrics or Counted().metrics,
        stall_s=stall_s,
        clock=clock or FakeClock(),
    )


@contextlib.asynccontextmanager
async def running(batcher: Batcher) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(batcher.run())
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def busy(model: DoublingModel, batcher: Batcher) -> AsyncIterator[None]:
    """The body runs while two first items are taken: one is computed and one is prepared. Afterwards they are done."""
    model.gate.clear()
    first = []
    for value in (900, 901)[: model.replicas + 1]:
        first.append(await queued(batcher, work(value), caller=Caller(client="first")))
        await eventually(lambda: len(batcher._scheduler._taken) == len(first))
    try:
        yield
    finally:
        model.gate.set()
        await asyncio.gather(*first, return_exceptions=True)


async def queued(
    batcher: Batcher, *items: Work, caller: Caller = ANYONE, deadline: Deadline | None = None
) -> asyncio.Task[Computed]:
    """A submit that is waiting."""
    task = asyncio.create_task(batcher.submit(items, caller, deadline or soon()))
    await asyncio.sleep(0)
    return task


def soon() -> Deadline:
    return Deadline.after(10.0)


def later(model: DoublingModel) -> list[list[int]]:
    """The batches after those of `busy`."""
    return [batch for batch in model.batches if not {900, 901} & set(batch)]


async def test_results_come_in_the_order_of_the_items() -> None:
    batcher = batcher_of(DoublingModel())

    async with running(batcher):
        computed = await batcher.submit([work(3, 5), work(1, 9), work(2, 2)], ANYONE, soon())

    assert list(computed.outcomes) == [6, 2, 4]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([ANYONE, ALICE, BOB, BULK]), st.lists(st.integers(1, 15), max_size=8)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 3),
)
async def test_any_mix_of_callers_gets_its_own_results_within_the_budget(
    calls: list[tuple[Caller, list[int]]], replicas: int
) -> None:
    model = DoublingModel(replicas=replicas)
    batcher = batcher_of(model)

    async with running(batcher):
        replies = await asyncio.gather(
            *(batcher.submit([work(length, length) for length in lengths], caller, soon()) for caller, lengths in calls)
        )

    assert [list(reply.outcomes) for reply in replies] == [[2 * length for length in lengths] for _, lengths in calls]
    assert sorted(model.computed) == sorted(length for _, lengths in calls for length in lengths)
    assert all(padded <= 10 or len(batch) == 1 for padded, batch in zip(model.padded, model.batches, strict=True))
    assert batcher.backlog().queued_cost == 0
    assert not batcher._scheduler._taken
    assert batcher._scheduler._taken_cost == 0


async def test_items_of_nearly_the_same_length_share_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(own=1000, fill=1000, padding=1.5)
    monkeypatch.setattr(Speed, "limits", lambda *_args, **_options: limits)
    model = DoublingModel()
    batcher = batcher_of(model, max_batch_tokens=1000)

    async with running(batcher):
        async with busy(model, batcher):
            waiting = await queued(batcher, *(work(length, length) for length in (30, 10, 32, 29, 20, 10, 31)))
        await waiting

    assert later(model) == [[30, 29], [10, 10], [32, 31], [20]]


async def test_padding_stays_small_on_a_log_normal_mix() -> None:
    model = DoublingModel()
    counted = Counted()
    batcher = batcher_of(model, max_batch_tokens=8192, max_queued_tokens=10**6, metrics=counted.metrics)
    chance = random.Random(1)
    lengths = [max(4, min(300, round(chance.lognormvariate(3.9, 0.9)))) for _ in range(500)]

    async with running(batcher):
        async with busy(model, batcher):
            waiting = [
                await queued(batcher, *(work(1, each) for each in lengths[at : at + 32])) for at in range(0, 500, 32)
            ]
        await asyncio.gather(*waiting)
        await eventually(lambda: counted.value("tokens_total") == sum(lengths) + 2)

    assert 1 - counted.value("tokens_total") / counted.value("padded_tokens_total") < 0.05
    assert counted.value("compute_seconds_count") < 420


async def test_an_item_over_the_budget_makes_a_batch_alone() -> None:
    model = DoublingModel()
    batcher = batcher_of(model)

    async with running(batcher):
        await batcher.submit([work(1, 50)], ANYONE, soon())

    assert model.padded == [50]


async def test_nothing_to_compute_is_answered_at_once() -> None:
    async with running(batcher := batcher_of(DoublingModel())):
        computed = await batcher.submit([], ANYONE, soon())

    assert list(computed.outcomes) == []


async def test_as_many_batches_are_computed_at_once_as_there_are_replicas() -> None:
    model = DoublingModel(replicas=2)
    model.gate.clear()
    batcher = batcher_of(model, max_batch_tokens=1)

    async with running(batcher):
        waiting = [await queued(batcher, work(value)) for value in range(6)]
        await eventually(lambda: model.at_once == 2 and len(batcher._scheduler._taken) == 3)
        model.gate.set()
        await asyncio.gather(*waiting)

    assert model.most_at_once == 2


async def test_a_batch_has_the_device_for_itself_only_when_nothing_else_is_there() -> None:
    model = DoublingModel(replicas=2)
    batcher = batcher_of(model, max_batch_tokens=1)

    async with running(batcher):
        await batcher.submit([work(1)], ANYONE, soon())
        await batcher.submit([work(2), work(3), work(4)], ANYONE, soon())

    assert model.alone[0] is True
    assert model.alone[1] is False


async def test_a_full_queue_refuses_with_a_delay_and_queues_nothing() -> None:
    model, counted = DoublingModel(), Counted()
    batcher = batcher_of(model, max_queued_tokens=10, metrics=counted.metrics)

    async with running(batcher):
        async with busy(model, batcher):
            waiting = await queued(batcher, work(1, 8))
            with pytest.raises(Overloaded) as refused:
                await batcher.submit([work(2, 1), work(3, 4)], ANYONE, soon())
            assert batcher.backlog().queued_cost == 8
        await waiting

    assert refused.value.retry_after_s
    assert counted.value("refused_total", reason="full") == 1
    assert later(model) == [[1]]


async def test_one_client_cannot_fill_the_queue_for_another() -> None:
    model = DoublingModel()
    batcher = batcher_of(model, max_queued_tokens=100)

    async with running(batcher), busy(model, batcher):
        waiting = [await queued(batcher, work(1, 10), caller=ALICE) for _ in range(8)]
        with pytest.raises(Overloaded):
            await batcher.submit([work(1, 10)], ALICE, soon())
        waiting.append(await queued(batcher, work(2, 10), caller=BOB))
        assert batcher.backlog().queued_cost == 90
        model.gate.set()
        await asyncio.gather(*waiting)


async def test_bulk_work_leaves_room_for_interactive_work() -> None:
    model = DoublingModel()
    batcher = batcher_of(model, max_queued_tokens=100)

    async with running(batcher), busy(model, batcher):
        waiting = [await queued(batcher, work(1, 10), caller=BULK) for _ in range(5)]
        with pytest.raises(Overloaded):
            await batcher.submit([work(1, 10)], BULK, soon())
        waiting.append(await queued(batcher, work(2, 10), caller=ALICE))
        model.gate.set()
        await asyncio.gather(*waiting)


async def test_a_request_larger_than_its_part_of_the_queue_is_refused_for_good() -> None:
    model, counted = DoublingModel(), Counted()
    batcher = batcher_of(model, max_queued_tokens=10, metrics=counted.metrics)

    async with running(batcher):
        with pytest.raises(TooLarge, match="9 tokens, and at most 8 of interactive work are taken at once"):
            await batcher.submit([work(9, 3), work(9, 3), work(9, 3)], ANYONE, soon())

    assert counted.value("refused_total", reason="too_large") == 1
    assert model.batches == []


async def test_beside_the_largest_bulk_request_an_interactive_one_is_taken() -> None:
    model = DoublingModel()
    batcher = batcher_of(model, max_queued_tokens=1000)

    async with running(batcher), busy(model, batcher):
        largest = await queued(batcher, *[work(n, 10) for n in range(50)], caller=BULK)
        beside = await queued(batcher, work(2, 100), caller=ALICE)
        model.gate.set()
        await asyncio.gather(largest, beside)


async def learned(model: DoublingModel, batcher: Batcher) -> None:
    """Let the batcher see batches of several sizes."""
    await asyncio.to_thread(
        batcher.warm_up, [[work(900, length).payload] * number for length in (1, 4, 9) for number in (1, 2, 4)]
    )
    model.batches.clear()
    model.started.clear()


async def test_what_would_be_late_is_refused_at_once_and_told_when_to_come_back() -> None:
    clock = FakeClock()
    model, counted = DoublingModel(on_compute=clock.advance), Counted()
    batcher = batcher_of(model, max_batch_tokens=1000, clock=clock, metrics=counted.metrics)
    await learned(model, batcher)

    async with running(batcher):
        async with busy(model, batcher):
            waiting = await queued(batcher, work(1, 100), deadline=Deadline.after(1000, clock=clock))
            with pytest.raises(Overloaded) as refused:
                await batcher.submit([work(2, 10)], ALICE, Deadline.after(12, clock=clock))
            with pytest.raises(Overloaded) as second:
                await batcher.submit([work(3, 10)], ALICE, Deadline.after(12, clock=clock))
        await waiting

    # Alice goes before what waits: 10 of hers take 10 s, and 2 in progress twice 2 s.
    assert refused.value.retry_after_s == pytest.approx(10 + 2 * 2 - 12, abs=0.5)
    assert second.value.retry_after_s == pytest.approx(10 + 2 * 2 - 12 + 10, abs=1.5)
    assert counted.value("refused_total", reason="late") == 2
    assert later(model) == [[1]]


async def test_what_never_fits_its_deadline_is_told_so() -> None:
    clock = FakeClock()
    model = DoublingModel(on_compute=clock.advance)
    batcher = batcher_of(model, clock=clock)
    await learned(model, batcher)

    async with running(batcher):
        with pytest.raises(DeadlineTooShort, match="100 tokens need about 100"):
            await batcher.submit([work(2, 100)], ALICE, Deadline.after(15, clock=clock))

    assert model.batches == []


async def test_what_was_let_in_to_be_tokenised_counts_as_waiting() -> None:
    model = DoublingModel()
    batcher = batcher_of(model, max_queued_tokens=10)

    async with running(batcher):
        with batcher.reserve(8, ALICE, soon()), pytest.raises(Overloaded), batcher.reserve(8, BOB, soon()):
            pass
        with batcher.reserve(8, BOB, soon()):
            pass


async def test_what_a_gone_caller_asked_for_leaves_the_queue_at_once() -> None:
    model = DoublingModel()
    batcher = batcher_of(model)

    async with running(batcher):
        async with busy(model, batcher):
            gone, stays = await queued(batcher, work(7)), await queued(batcher, work(2))
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            assert batcher.backlog().queued_cost == 1
        await stays

    assert gone.cancelled()
    assert later(model) == [[2]]


async def test_what_is_abandoned_after_it_was_prepared_is_not_computed() -> None:
    model = DoublingModel()
    batcher = batcher_of(model)
    model.gate.clear()

    async with running(batcher):
        first = await queued(batcher, work(1))
        await asyncio.to_thread(model.started.wait, 10)
        prepared = await queued(batcher, work(2, 3))
        await eventually(lambda: len(batcher._scheduler._taken) == 2)
        prepared.cancel()
        await asyncio.gather(prepared, return_exceptions=True)
        model.gate.set()
        await first
        await eventually(lambda: not batcher._scheduler._taken)

    assert model.computed == [1]


async def test_thousands_of_abandoned_requests_leave_nothing_behind() -> None:
    model = DoublingModel()
    batcher = batcher_of(model, max_queued_tokens=10**6)

    async with running(batcher):
        async with busy(model, batcher):
            gone = [await queued(batcher, work(7, 3, key=b"%d" % (n % 700))) for n in range(1000)]
            for task in gone:
                task.cancel()
            await asyncio.gather(*gone, return_exceptions=True)
            assert (
                batcher.backlog().queued_cost,
                batcher._scheduler.is_waiting,
                len(batcher._scheduler._joinable),
            ) == (
                0,
                0,
                0,
            )
        await eventually(lambda: not batcher._scheduler._taken)

    assert later(model) == []


async def test_what_expired_in_the_queue_is_never_computed() -> None:
    clock = FakeClock()
    model = DoublingModel()
    batcher = batcher_of(model, clock=clock)

    async with running(batcher):
        async with busy(model, batcher):
            late = await queued(batcher, work(7), work(8, 9), deadline=Deadline.after(5.0, clock=clock))
            stays = await queued(batcher, work(2))
            clock.advance(5.0)
        await stays
        with pytest.raises(DeadlineExceeded):
            await late

    assert later(model) == [[2]]


async def test_a_deadline_that_is_over_queues_nothing() -> None:
    clock = FakeClock()
    batcher = batcher_of(DoublingModel())

    async with running(batcher):
        with pytest.raises(DeadlineExceeded):
            await batcher.submit([work(1)], ANYONE, Deadline(at_s=clock(), clock=clock))

    assert batcher.backlog().queued_cost == 0


async def test_a_caller_stops_waiting_at_its_deadline_though_the_model_is_stuck() -> None:
    model = DoublingModel()
    batcher = batcher_of(model)

    async with running(batcher), busy(model, batcher):
        with pytest.raises(DeadlineExceeded):
            await batcher.submit([work(2)], ANYONE, Deadline.after(0.02))


async def test_a_poisoned_item_fails_alone() -> None:
    model = DoublingModel()
    model.poisoned = {4}
    batcher = batcher_of(model, max_batch_tokens=100)

    async with running(batcher):
        async with busy(model, batcher):
            mine, other = await queued(batcher, work(3), work(4), work(5)), await queued(batcher, work(6))
        mixed, whole = await mine, await other

    assert [isinstance(result, BackendFailed) for result in mixed.outcomes] == [False, True, False]
    assert [mixed.outcomes[0], mixed.outcomes[2]] == [6, 10]
    assert list(whole.outcomes) == [12]


async def test_one_bad_item_in_256_costs_a_handful_of_batches() -> None:
    model = DoublingModel()
    model.poisoned = {77}
    batcher = batcher_of(model, max_batch_tokens=1000)

    async with running(batcher):
        computed = await batcher.submit([work(value) for value in range(256)], ANYONE, soon())

    assert sum(isinstance(result, BackendFailed) for result in computed.outcomes) == 1
    assert isinstance(computed.outcomes[77], BackendFailed)
    assert len(model.batches) < 40


async def test_a_row_that_is_not_finite_fails_alone() -> None:
    class Broken(DoublingModel):
        def compute(self, prepared: list[Tokens], *, alone: bool) -> np.ndarray:
            result = super().compute(prepared, alone=alone)
            result[[tokens.ids[0] == 4 for tokens in prepared]] = np.nan
            return result

    batcher = batcher_of(Broken())

    async with running(batcher):
        computed = await batcher.submit([work(3), work(4), work(5)], ANYONE, soon())

    assert [isinstance(result, BackendFailed) for result in computed.outcomes] == [False, True, False]


async def test_the_models_own_words_stay_out_of_the_error() -> None:
    model = DoublingModel()
    model.poisoned = {4}
    batcher = batcher_of(model)

    async with running(batcher):
        computed = await batcher.submit([work(4)], ANYONE, soon())

    failure = computed.outcomes[0]
    assert isinstance(failure, BackendFailed)
    assert "must not reach" not in failure.message
    assert isinstance(failure.__cause__, ValueError)


async def test_a_dead_model_is_one_log_line_a_batch(capsys: pytest.CaptureFixture[str]) -> None:
    model = DoublingModel()
    model.poisoned = set(range(10))
    batcher = batcher_of(model, max_batch_tokens=1000)

    async with running(batcher):
        await batcher.submit([work(value) for value in range(10)], ANYONE, soon())
        await eventually(lambda: not batcher._scheduler._taken)
        await asyncio.sleep(0.05)

    assert capsys.readouterr().out.count("items_failed") <= len(model.batches) // 2


class Small(DoublingModel):
    """Has memory for four items."""

    def compute(self, prepared: list[Tokens], *, alone: bool) -> np.ndarray:
        if len(prepared) > 4:
            raise DeviceMemoryFull("full")
        return super().compute(prepared, alone=alone)


async def test_a_batch_for_which_there_is_no_memory_is_halved_and_the_next_is_not_so_large() -> None:
    model = Small()
    batcher = batcher_of(model, max_batch_tokens=1000)

    async with running(batcher):
        first = await batcher.submit([work(value, 20) for value in range(16)], ANYONE, soon())
        await batcher.submit([work(value, 20) for value in range(16)], ANYONE, soon())

    assert list(first.outcomes) == [2 * value for value in range(16)]
    assert batcher._scheduler._limits.own <= 5 * 20


async def test_a_lost_device_ends_the_batcher_and_tells_those_who_wait() -> None:
    model = DoublingModel()
    model.fatal = DeviceLost("CUDA error: an illegal memory access was encountered")
    batcher = batcher_of(model, max_batch_tokens=2)

    async with running(batcher) as task:
        outcomes = await asyncio.wait_for(
            asyncio.gather(*(batcher.submit([work(1, 2)], ANYONE, soon()) for _ in range(4)), return_exceptions=True), 5
        )
        await asyncio.wait({task})

    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    died = task.exception()
    assert isinstance(died, WorkerDied)
    assert isinstance(died.__cause__, DeviceLost)


async def test_a_dead_thread_ends_the_batcher_and_tells_those_who_wait() -> None:
    model = DoublingModel()
    model.fatal = SystemExit("what no handler of ordinary errors catches")
    batcher = batcher_of(model, max_batch_tokens=2)

    async with running(batcher) as task:
        outcomes = await asyncio.wait_for(
            asyncio.gather(
                batcher.submit([work(1, 2)], ANYONE, soon()),
                batcher.submit([work(2, 2)], ANYONE, soon()),
                return_exceptions=True,
            ),
            5,
        )
        await asyncio.wait({task})

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert isinstance(task.exception(), WorkerDied)


class StuckPreparing(DoublingModel):
    """Waits at the gate before it has computed anything."""

    def prepare(self, batch: Sequence[Tokens]) -> list[Tokens]:
        self.started.set()
        self.gate.wait(10)
        return super().prepare(batch)


@pytest.mark.parametrize("make", [DoublingModel, StuckPreparing])
async def test_a_batch_that_never_ends_ends_the_batcher(make: type[DoublingModel]) -> None:
    model = make()
    model.gate.clear()
    clock = FakeClock()
    batcher = batcher_of(model, stall_s=60.0, clock=clock)

    async with running(batcher) as task:
        stuck = await queued(batcher, work(1))
        await asyncio.to_thread(model.started.wait, 10)
        clock.advance(61.0)
        await asyncio.wait({task}, timeout=5)
        with pytest.raises(Unavailable):
            await stuck
        model.gate.set()

    assert isinstance(task.exception(), WorkerDied)


@pytest.mark.parametrize("number", [0, 1, 4])
async def test_a_model_that_returns_the_wrong_number_of_results_fails_items_and_hangs_nobody(number: int) -> None:
    class Wrong(DoublingModel):
        def compute(self, prepared: list[Tokens], *, alone: bool) -> np.ndarray:
            return np.zeros(number if len(prepared) > 1 else 0, dtype=np.float32)

    batcher = batcher_of(Wrong())

    async with running(batcher) as task:
        computed = await batcher.submit([work(1), work(2), work(3)], ANYONE, soon())
        is_alive = not task.done()

    assert [type(result) for result in computed.outcomes] == [BackendFailed] * 3
    assert is_alive


async def test_those_who_wait_are_told_when_the_batcher_is_stopped() -> None:
    model = DoublingModel()
    model.gate.clear()
    batcher = batcher_of(model)

    async with running(batcher) as task:
        computing = await queued(batcher, work(1))
        await asyncio.to_thread(model.started.wait, 10)
        waiting = await queued(batcher, work(2))
        task.cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(computing, waiting, return_exceptions=True), 5)
        model.gate.set()

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert batcher.backlog().queued_cost == 0


async def test_a_batcher_that_ended_refuses_at_once() -> None:
    batcher = batcher_of(DoublingModel())
    async with running(batcher):
        await batcher.submit([work(1)], ANYONE, soon())

    with pytest.raises(Unavailable):
        await batcher.submit([work(1)], ANYONE, soon())


async def test_draining_finishes_what_was_let_in_and_lets_in_no_more() -> None:
    model = DoublingModel()
    batcher = batcher_of(model)
    before = threading.active_count()

    async with running(batcher) as task:
        async with busy(model, batcher):
            waiting = await queued(batcher, work(2))
            with batcher.reserve(1, ANYONE, soon()):
                draining = asyncio.create_task(batcher.drain())
                await asyncio.sleep(0)
                with pytest.raises(Unavailable), batcher.reserve(1, ANYONE, soon()):
                    pass
            with pytest.raises(Unavailable):
                await batcher.submit([work(3)], ANYONE, soon())
        await asyncio.gather(draining, task)
        assert list((await waiting).outcomes) == [4]

    await eventually(lambda: threading.active_count() <= before)


async def test_the_log_of_a_failed_item_names_its_requests() -> None:
    model = DoublingModel()
    model.poisoned = {7}
    batcher = batcher_of(model)

    with captured_logs() as logs:
        async with running(batcher):
            async with busy(model, batcher):
                tasks = []
                for value in (1, 7, 3):
                    token = request_id.current.set(f"request-{value}")
                    tasks.append(await queued(batcher, work(value)))
                    request_id.current.reset(token)
            await asyncio.gather(*tasks)
            await eventually(lambda: bool(logs.lines("items_failed")))

        (line,) = logs.lines("items_failed")

    assert line["request_ids"] == ["request-7"]


async def test_warm_up_computes_no_larger_batch_than_the_limit_or_the_memory_allows() -> None:
    limited, small = DoublingModel(), Small()
    batches = [[work(1, 20).payload] * number for number in (1, 4, 16)]

    batcher_of(limited, max_batch_tokens=100).warm_up(batches)
    batcher = batcher_of(small, max_batch_tokens=1000)
    batcher.warm_up(batches)

    assert max(limited.padded) == 80
    assert batcher._scheduler._lines._classes[Priority.INTERACTIVE].quantum <= 160


async def test_equal_items_are_computed_once_within_and_across_requests() -> None:
    model = DoublingModel()
    batcher = batcher_of(model)

    async with running(batcher):
        async with busy(model, batcher):
            first = await queued(batcher, work(5, key=b"a"), work(5, key=b"a"), work(6, key=b"b"), caller=ALICE)
            second = await queued(batcher, work(6, key=b"b"), caller=BOB)
        mine, other = await first, await second

    assert (list(mine.outcomes), list(other.outcomes)) == ([10, 10, 12], [12])
    assert (list(mine.reused), list(other.reused)) == ([1], [0])
    assert sorted(value for batch in later(model) for value in batch) == [5, 6]


async def test_a_result_outlives_the_caller_that_asked_first() -> None:
    model = DoublingModel()
    batcher = batcher_of(model)

    async with running(batcher):
        async with busy(model, batcher):
            first = await queued(batcher, work(5, key=b"a"), caller=ALICE)
            second = await queued(batcher, work(5, key=b"a"), caller=BOB)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        assert list((await second).outcomes) == [10]

    assert later(model) == [[5]]


async def test_what_is_wanted_urgently_does_not_wait_in_bulk_works_place() -> None:
    model = DoublingModel()
    batcher = batcher_of(model, max_batch_tokens=1)

    async with running(batcher):
        async with busy(model, batcher):
            bulk = await queued(batcher, *(work(value, key=b"%d" % value) for value in range(1, 6)), caller=BULK)
            urgent = await queued(batcher, work(5, key=b"5"), caller=BOB)
        await asyncio.gather(bulk, urgent)

    assert later(model)[0] == [5]


async def test_results_are_kept_and_nothing_is_computed_for_them_again() -> None:
    model = DoublingModel()
    batcher = batcher_of(model, cache_bytes=10_000)

    async with running(batcher):
        first = await batcher.submit([work(5, key=b"a")], ANYONE, soon())
        again = await batcher.submit([work(5, key=b"a"), work(6, key=b"b")], ANYONE, soon())

    assert (list(first.outcomes), list(again.outcomes)) == ([10], [10, 12])
    assert (list(first.reused), list(again.reused)) == ([], [0])
    assert model.computed == [5, 6]


async def test_failures_are_not_kept() -> None:
    model = DoublingModel()
    model.poisoned = {5}
    batcher = batcher_of(model, cache_bytes=10_000)

    async with running(batcher):
        await batcher.submit([work(5, key=b"a")], ANYONE, soon())
        model.poisoned = set()
        again = await batcher.submit([work(5, key=b"a")], ANYONE, soon())

    assert list(again.outcomes) == [10]


async def test_queue_and_compute_times_are_told_apart() -> None:
    clock = FakeClock()
    model = DoublingModel(on_compute=clock.advance)
    batcher = batcher_of(model, clock=clock)

    async with running(batcher):
        async with busy(model, batcher):
            waiting = await queued(batcher, work(2, 2))
            clock.advance(3.0)
        computed = await waiting

    # Of the two that were taken before, the one that is only prepared may come after it.
    assert computed.timings.queue_us in {4_000_000, 5_000_000}
    assert computed.timings.compute_us == 2_000_000


async def test_the_backlog_predicts_the_wait_from_what_batches_took() -> None:
    clock = FakeClock()
    model = DoublingModel(on_compute=lambda tokens: clock.advance(0.5 * tokens))
    batcher = batcher_of(model, max_batch_tokens=1000, clock=clock)
    await learned(model, batcher)

    async with running(batcher):
        async with busy(model, batcher):
            waiting = await queued(batcher, work(1, 8), deadline=Deadline.after(1000, clock=clock))
            backlog = batcher.backlog()
        await waiting

    assert backlog.queued_cost == 8
    assert backlog.predicted_wait_s == pytest.approx(0.5 * (8 + 2), rel=0.1)


async def test_a_client_that_floods_makes_another_wait_for_the_batches_in_progress_alone() -> None:
    model = DoublingModel()
    batcher = batcher_of(model, max_batch_tokens=16, max_queued_tokens=10**6)

    async with running(batcher):
        async with busy(model, batcher):
            flood = [await queued(batcher, work(1, 16), caller=ALICE) for _ in range(100)]
            light = await queued(batcher, work(2, 16), caller=BOB)
        await asyncio.gather(light, *flood)

    assert later(model).index([2]) <= 1


async def test_work_submitted_from_many_tasks_at_full_speed_is_all_answered() -> None:
    model = DoublingModel(replicas=2, on_compute=lambda _tokens: time.sleep(0.0005))
    batcher = Batcher(
        model, max_batch_tokens=64, max_queued_tokens=10**6, cache=ResultCache(0), metrics=Counted().metrics
    )
    chance = random.Random(2)

    async def call(number: int) -> bool:
        items = [work(number + at, chance.randint(1, 40), key=b"%d" % (number + at)) for at in range(5)]
        computed = await batcher.submit(items, Caller(client=f"c{number % 7}"), soon())
        return list(computed.outcomes) == [2 * (number + at) for at in range(5)]

    async with running(batcher):
        answers = await asyncio.gather(*(call(number) for number in range(300)))

    assert all(answers)
    assert (len(batcher._scheduler._joinable), len(batcher._scheduler._taken), batcher._scheduler._lines.cost) == (
        0,
        0,
        0,
    )
