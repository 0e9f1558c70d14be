from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from prometheus_client import REGISTRY

from services.common.caller import Caller
from services.common.deadline import Deadline
from services.common.errors import (
    BackendFailed,
    DeadlineTooShort,
    DeviceLost,
    DeviceMemoryFull,
    InvalidRequest,
    Overloaded,
    RequestError,
    StartupError,
    TooLarge,
    Unavailable,
    UnknownModel,
)
from services.common.lifecycle import TaskDied, supervise
from services.common.testing.waiting import eventually
from services.embedding.backends.base import InputType, Text
from services.embedding.backends.fake import FakeEmbeddingBackend
from services.embedding.engine import EmbeddingEngine
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.backends.fake.cost import FakeCost
from services.models.models import Tokens

MODEL = "all-MiniLM-L6-v2"
POISON = 13


class PoisonedBackend(FakeEmbeddingBackend):
    """Fails on every batch that holds the token POISON."""

    def compute(self, prepared: Sequence[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:
        if any(POISON in tokens.ids for tokens in prepared):
            raise ValueError("poison")
        return super().compute(prepared, alone=alone)


@asynccontextmanager
async def entered(backend: FakeEmbeddingBackend | None = None, **settings: object) -> AsyncIterator[EmbeddingEngine]:
    chosen = backend or FakeEmbeddingBackend(model_id=MODEL, dimensions=8)
    engine = EmbeddingEngine(EmbeddingSettings(backend="fake", **settings), lambda _model: chosen)  # type: ignore[arg-type]
    async with engine, supervise([engine.run], asyncio.Event()):
        await eventually(lambda: engine._running is not None)
        yield engine


def soon() -> Deadline:
    return Deadline.after(10)


def error_of(item: Tokens | RequestError) -> RequestError:
    assert isinstance(item, RequestError)
    return item


class WatchedBackend(FakeEmbeddingBackend):
    """Knows on which thread it tokenised last."""

    thread = 0

    def tokenize(self, inputs: Sequence[Text], input_type: InputType) -> list[Tokens | InvalidRequest]:
        self.thread = threading.get_ident()
        return super().tokenize(inputs, input_type)


@pytest.mark.parametrize(
    ("inputs", "is_inline"), [(["short"], True), (["a"] * 20, True), (["a" * 2000], False), (["a"] * 100, False)]
)
async def test_little_text_is_tokenised_in_the_event_loop_and_much_on_a_thread(
    inputs: list[str], is_inline: bool
) -> None:
    backend = WatchedBackend(model_id=MODEL, dimensions=8)
    async with entered(backend) as engine:
        await engine.embed(MODEL, inputs, deadline=soon())

    assert (backend.thread == threading.get_ident()) is is_inline


async def test_each_row_is_the_vector_of_its_own_text() -> None:
    async with entered(max_batch_tokens=2) as engine:
        together = await engine.embed(MODEL, ["red", "green", "blue"], deadline=soon())
        alone = [(await engine.embed(MODEL, [text], deadline=soon())).matrix[0] for text in ("red", "green", "blue")]

    assert together.matrix.dtype == np.dtype("<f4")
    assert np.array_equal(together.matrix, np.stack(alone))
    assert len({row.tobytes() for row in together.matrix}) == 3


async def test_items_that_are_wrong_alone_leave_zeros_and_the_others_their_vectors() -> None:
    async with entered(max_input_bytes=10) as engine:
        embedded = await engine.embed(MODEL, ["", "good", "x" * 11, [1, 99_999]], deadline=soon())

    assert [error_of(embedded.items[index]).code for index in (0, 2, 3)] == [
        "invalid_request",
        "too_large",
        "invalid_request",
    ]
    assert isinstance(embedded.items[1], Tokens)
    assert [bool(row.any()) for row in embedded.matrix] == [False, True, False, False]


async def test_an_item_that_breaks_the_model_fails_alone() -> None:
    backend = PoisonedBackend(model_id=MODEL, dimensions=8)
    async with entered(backend) as engine:
        embedded = await engine.embed(MODEL, [[1], [POISON], [2]], deadline=soon())

    assert isinstance(embedded.items[1], BackendFailed)
    assert [bool(row.any()) for row in embedded.matrix] == [True, False, True]


async def test_a_text_over_the_models_limit_is_flagged_as_truncated() -> None:
    async with entered() as engine:
        embedded = await engine.embed(MODEL, ["word " * 256, "word " * 257], deadline=soon())

    assert [(len(item.ids), item.truncated) for item in embedded.items if isinstance(item, Tokens)] == [
        (256, False),
        (256, True),
    ]


@pytest.mark.parametrize(
    ("model", "inputs", "dimensions", "error", "param"),
    [
        ("other", ["a"], 0, UnknownModel, "model"),
        (MODEL, [], 0, InvalidRequest, "input"),
        (MODEL, ["a"] * 4, 0, TooLarge, "input"),
        (MODEL, ["a"], 7, InvalidRequest, "dimensions"),
    ],
)
async def test_a_request_that_is_wrong_as_a_whole_names_the_field_at_fault(
    model: str, inputs: list[str], dimensions: int, error: type[RequestError], param: str
) -> None:
    async with entered(max_inputs=3) as engine:
        with pytest.raises(error) as raised:
            await engine.embed(model, inputs, dimensions=dimensions, deadline=soon())

    assert type(raised.value) is error
    assert raised.value.param == param


async def test_tokens_and_outcomes_are_counted() -> None:
    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"isolane_embedding_{name}_total", {"model": "counted", **labels}) or 0

    models = [{"id": "counted", "source": "path:/none"}]
    async with entered(FakeEmbeddingBackend(model_id="counted"), models=models) as engine:
        before = count("tokens"), count("padded_tokens")
        await engine.embed("counted", ["one two three", "", "one two three"], deadline=soon())
        await eventually(lambda: count("tokens") > before[0])

    assert (count("tokens") - before[0], count("padded_tokens") - before[1]) == (3, 3)
    assert (count("items", outcome="ok"), count("items", outcome="invalid_request")) == (2, 1)
    assert count("reused_tokens") == 3


async def test_equal_texts_are_computed_once_and_their_vectors_kept() -> None:
    async with entered() as engine:
        first = await engine.embed(MODEL, ["red", "blue", "red"], deadline=soon())
        again = await engine.embed(MODEL, ["blue", "green"], deadline=soon())

    assert (list(first.reused), list(again.reused)) == ([2], [0])
    assert np.array_equal(first.matrix[0], first.matrix[2])
    assert np.array_equal(first.matrix[1], again.matrix[0])


@pytest.mark.parametrize(("scope", "reused"), [("shared", [0]), ("client", [])])
async def test_results_go_to_other_clients_only_where_they_may(scope: str, reused: list[int]) -> None:
    async with entered(cache_scope=scope) as engine:
        await engine.embed(MODEL, ["red"], deadline=soon(), caller=Caller(client="a"))
        other = await engine.embed(MODEL, ["red"], deadline=soon(), caller=Caller(client="b"))
        same = await engine.embed(MODEL, ["red"], deadline=soon(), caller=Caller(client="a"))

    assert list(other.reused) == reused
    assert list(same.reused) == [0]


async def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    async with entered(cache_bytes=0) as engine:
        await engine.embed(MODEL, ["red"], deadline=soon())
        again = await engine.embed(MODEL, ["red"], deadline=soon())

    assert list(again.reused) == []


async def test_declared_dimensions_cut_the_vector_and_make_it_unit_length_again() -> None:
    backend = FakeEmbeddingBackend(model_id=MODEL, dimensions=8, matryoshka_dimensions=(4,))
    async with entered(backend) as engine:
        whole = await engine.embed(MODEL, ["red"], deadline=soon())
        cut = await engine.embed(MODEL, ["red"], dimensions=4, deadline=soon())

    assert cut.matrix.shape == (1, 4)
    assert np.linalg.norm(cut.matrix) == pytest.approx(1)
    assert np.allclose(cut.matrix[0], whole.matrix[0, :4] / np.linalg.norm(whole.matrix[0, :4]))


async def test_a_prompt_changes_the_vector_and_is_no_other_texts_cached_one() -> None:
    backend = FakeEmbeddingBackend(model_id=MODEL, dimensions=8, prompts={InputType.QUERY: "query: "})
    async with entered(backend) as engine:
        plain = await engine.embed(MODEL, ["red"], deadline=soon())
        query = await engine.embed(MODEL, ["red"], input_type=InputType.QUERY, deadline=soon())
        same = await engine.embed(MODEL, ["query: red"], deadline=soon())

    assert not np.array_equal(plain.matrix, query.matrix)
    assert np.array_equal(query.matrix, same.matrix)


async def test_overload_is_refused_before_anything_is_tokenised() -> None:
    class Counting(FakeEmbeddingBackend):
        tokenized = 0

        def tokenize(self, inputs: Sequence[Text], input_type: InputType) -> list[Tokens | InvalidRequest]:
            self.tokenized += len(inputs)
            return super().tokenize(inputs, input_type)

    backend = Counting(model_id=MODEL, dimensions=8, cost=FakeCost(token_us=10_000))
    async with entered(backend, max_queued_tokens=1000, cache_bytes=0) as engine:
        after = backend.tokenized + 8
        first = [asyncio.create_task(engine.embed(MODEL, [f"{n} " * 100], deadline=soon())) for n in range(8)]
        await eventually(lambda: engine.backlog().queued_cost > 0 and backend.tokenized == after)
        before = backend.tokenized
        with pytest.raises(Overloaded) as refused:
            await engine.embed(MODEL, ["word " * 2000], deadline=soon())
        assert backend.tokenized == before
        for task in first:
            task.cancel()
        await asyncio.gather(*first, return_exceptions=True)

    assert refused.value.retry_after_s


def many(word: str) -> list[str]:
    """200 texts of 50 tokens, each another: 20 KB."""
    return [f"{word}{number} " + "w " * 48 for number in range(200)]


async def test_many_texts_whose_vectors_are_kept_are_never_refused_for_lack_of_time() -> None:
    backend = FakeEmbeddingBackend(model_id=MODEL, dimensions=8, cost=FakeCost(token_us=100))
    async with entered(backend) as engine:
        first = await engine.embed(MODEL, many("a"), deadline=soon())
        again = await engine.embed(MODEL, many("a"), deadline=Deadline.after(0.2))

    assert first.timings.compute_us > 300_000
    assert again.timings.compute_us == 0
    assert np.array_equal(first.matrix, again.matrix)


async def test_many_equal_texts_are_refused_for_no_more_than_they_cost() -> None:
    backend = FakeEmbeddingBackend(model_id=MODEL, dimensions=8, cost=FakeCost(token_us=100))
    async with entered(backend) as engine:
        await engine.embed(MODEL, many("a"), deadline=soon())
        equal = await engine.embed(MODEL, ["b " * 50] * 200, deadline=Deadline.after(0.2))

    assert equal.matrix.shape == (200, 8)


async def test_many_new_texts_for_which_there_is_too_little_time_are_refused_when_a_few_are_tokenised() -> None:
    class Counting(FakeEmbeddingBackend):
        tokenized = 0

        def tokenize(self, inputs: Sequence[Text], input_type: InputType) -> list[Tokens | InvalidRequest]:
            self.tokenized += len(inputs)
            return super().tokenize(inputs, input_type)

    backend = Counting(model_id=MODEL, dimensions=8, cost=FakeCost(token_us=100))
    async with entered(backend) as engine:
        await engine.embed(MODEL, many("a"), deadline=soon())
        before = backend.tokenized
        with pytest.raises(DeadlineTooShort):
            await engine.embed(MODEL, many("b"), deadline=Deadline.after(0.1))

    assert 0 < backend.tokenized - before < 100


class SlowToTokenize(FakeEmbeddingBackend):
    """Takes a second for each MB of text, most of which it drops."""

    def tokenize(self, inputs: Sequence[Text], input_type: InputType) -> list[Tokens | InvalidRequest]:
        time.sleep(sum(map(len, inputs)) / 1e6)
        return super().tokenize([text[:100] for text in inputs], input_type)


async def test_one_who_sends_what_is_slow_to_tokenise_holds_up_nobody_else() -> None:
    backend = SlowToTokenize(model_id=MODEL, dimensions=8, cost=FakeCost(token_us=100))
    flood, light = Caller(client="flood"), Caller(client="light")
    async with entered(backend, max_input_bytes=1 << 20, cache_bytes=0) as engine:
        texts = [f"{number} " * 200_000 for number in range(10)]
        await engine.embed(MODEL, texts[:1], deadline=soon())
        flooding = [asyncio.create_task(engine.embed(MODEL, [t], deadline=soon(), caller=flood)) for t in texts]
        await asyncio.sleep(0.05)
        await engine.embed(MODEL, ["a short one"], deadline=soon(), caller=light)
        done = sum(task.done() for task in flooding)
        for task in flooding:
            task.cancel()
        await asyncio.gather(*flooding, return_exceptions=True)

    assert done <= 1


async def test_a_text_that_is_refused_leaves_the_estimate_of_others_as_it_was() -> None:
    async with entered(max_input_bytes=1000) as engine:
        (loaded,) = engine.loaded_models
        before = loaded._bytes_per_token
        await engine.embed(MODEL, ["x" * 1_000_000], deadline=soon())

    assert loaded._bytes_per_token == before


async def test_models_are_loaded_and_unloaded_while_it_runs() -> None:
    async with entered() as engine:
        engine._load = lambda model: FakeEmbeddingBackend(model_id=model.id, dimensions=4)
        await engine.load_model('{"id": "second", "source": "path:/none"}')
        both = [model.id for model in engine.models]
        second = await engine.embed("second", ["red"], deadline=soon())
        await engine.unload_model(MODEL)

        with pytest.raises(UnknownModel):
            await engine.embed(MODEL, ["red"], deadline=soon())
        with pytest.raises(InvalidRequest, match="the only one"):
            await engine.unload_model("second")

    assert both == [MODEL, "second"]
    assert second.matrix.shape == (1, 4)


@pytest.mark.parametrize(
    ("settings_json", "problem"),
    [
        ("{", "settings_json: it: Invalid JSON"),
        ('{"id": "x"}', "source: Field required"),
        ('{"id": "x", "source": "path:/none", "colour": "red"}', "colour: Extra inputs"),
        (f'{{"id": "{MODEL}", "source": "path:/none"}}', "is loaded already"),
        ('{"id": "x", "source": "path:/none"}', "no model there"),
    ],
)
async def test_a_model_that_cannot_be_loaded_changes_nothing(settings_json: str, problem: str) -> None:
    def missing(_model: object) -> FakeEmbeddingBackend:
        raise StartupError("model source path:/none: no model there")

    async with entered() as engine:
        engine._load = missing
        with pytest.raises(InvalidRequest, match=problem):
            await engine.load_model(settings_json)
        embedded = await engine.embed(MODEL, ["red"], deadline=soon())

    assert [model.id for model in engine.models] == [MODEL]
    assert embedded.matrix.any()


class Watched(FakeEmbeddingBackend):
    """Says when it is closed, and computes while a gate is open."""

    def __init__(self, model_id: str, *, error: Exception | None = None) -> None:
        super().__init__(model_id=model_id, dimensions=4)
        self.gate = threading.Event()
        self.gate.set()
        self.error = error
        self.is_closed = False

    def compute(self, prepared: Sequence[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return super().compute(prepared, alone=alone)

    def close(self) -> None:
        self.is_closed = True


SECOND = '{"id": "second", "source": "path:/none"}'


async def cancelled(task: asyncio.Task[object]) -> None:
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_load_goes_on_when_its_caller_is_gone() -> None:
    loads = []

    def load(model: EmbeddingModelSettings) -> Watched:
        time.sleep(0.2)
        loads.append(Watched(model.id))
        return loads[-1]

    async with entered() as engine:
        engine._load = load
        await cancelled(asyncio.create_task(engine.load_model(SECOND)))
        with pytest.raises(InvalidRequest, match="is loaded already"):
            await engine.load_model(SECOND)

        assert len(loads) == 1
        assert [model.id for model in engine.models] == [MODEL, "second"]


async def test_an_unload_goes_on_when_its_caller_is_gone() -> None:
    backend = Watched("second")
    async with entered() as engine:
        engine._load = lambda _model: backend
        await engine.load_model(SECOND)
        backend.gate.clear()
        waiting = asyncio.create_task(engine.embed("second", ["red"], deadline=soon()))
        await eventually(lambda: not engine.loaded("second")._batcher._scheduler.is_idle)
        await cancelled(asyncio.create_task(engine.unload_model("second")))
        assert not backend.is_closed
        backend.gate.set()
        await eventually(lambda: backend.is_closed)

        assert (await waiting).matrix.any()


async def test_warming_up_and_unloading_do_not_meet() -> None:
    backend = Watched("second")
    async with entered() as engine:
        engine._load = lambda _model: backend
        await engine.load_model(SECOND)
        backend.gate.clear()
        warming = asyncio.create_task(engine.warm_up_model("second"))
        await asyncio.sleep(0.05)
        unloading = asyncio.create_task(engine.unload_model("second"))
        await asyncio.sleep(0.05)
        assert not backend.is_closed
        backend.gate.set()
        await asyncio.wait_for(asyncio.gather(warming, unloading), 10)

    assert backend.is_closed


async def test_a_model_without_memory_is_freed_and_its_caller_told() -> None:
    backend = Watched("second", error=DeviceMemoryFull("CUDA out of memory"))
    async with entered() as engine:
        engine._load = lambda _model: backend
        with pytest.raises(InvalidRequest, match="'second': the device has no memory for it"):
            await engine.load_model(SECOND)

        assert [model.id for model in engine.models] == [MODEL]

    assert backend.is_closed


async def test_a_model_that_has_no_memory_left_tells_who_warms_it_up_and_stays() -> None:
    backend = Watched("second")
    async with entered() as engine:
        engine._load = lambda _model: backend
        await engine.load_model(SECOND)
        backend.error = DeviceMemoryFull("CUDA out of memory")
        with pytest.raises(Unavailable, match="'second': the device has no memory left to compute with it"):
            await engine.warm_up_model("second")

        assert [model.id for model in engine.models] == [MODEL, "second"]


async def test_too_long_settings_are_refused() -> None:
    async with entered() as engine:
        with pytest.raises(TooLarge, match="settings_json: 65538 bytes; at most 65536"):
            await engine.load_model('"' + "x" * 65536 + '"')


@pytest.mark.parametrize(
    "change",
    [lambda engine: engine.load_model(SECOND), lambda engine: engine.warm_up_model(MODEL)],
    ids=["load", "warm"],
)
async def test_a_device_that_is_lost_while_models_are_changed_ends_what_runs_the_engine(
    change: Callable[[EmbeddingEngine], Awaitable[object]],
) -> None:
    stopping = asyncio.Event()
    first = Watched(MODEL)
    engine = EmbeddingEngine(EmbeddingSettings(backend="fake"), lambda _model: first)

    async def serve() -> None:
        async with engine, supervise([engine.run], stopping):
            await eventually(lambda: engine._running is not None)
            first.error = DeviceLost("CUDA error")
            engine._load = lambda _model: Watched("second", error=first.error)
            with pytest.raises(DeviceLost):
                await change(engine)
            await asyncio.wait_for(stopping.wait(), 5)

    with pytest.raises(TaskDied):
        await serve()


async def test_a_lost_device_ends_what_runs_the_engine() -> None:
    class Lost(FakeEmbeddingBackend):
        is_lost = False

        def compute(self, prepared: Sequence[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:
            if self.is_lost:
                raise DeviceLost("CUDA error")
            return super().compute(prepared, alone=alone)

    backend = Lost(model_id=MODEL, dimensions=8)
    stopping = asyncio.Event()
    engine = EmbeddingEngine(EmbeddingSettings(backend="fake"), lambda _model: backend)

    async def serve() -> None:
        async with engine, supervise([engine.run], stopping):
            await engine.embed(MODEL, ["red"], deadline=soon())
            backend.is_lost = True
            with pytest.raises(Unavailable):
                await engine.embed(MODEL, ["blue"], deadline=soon())
            await asyncio.wait_for(stopping.wait(), 5)

    with pytest.raises(TaskDied):
        await serve()


async def test_vectors_of_one_number_type_are_not_given_for_another() -> None:
    salts = []
    for dtype in ("float32", "bfloat16", "float32"):
        backend = FakeEmbeddingBackend(model_id=MODEL, dimensions=8)
        backend._model = replace(backend.model, dtype=dtype)
        async with entered(backend) as engine:
            salts.append(engine._models[MODEL]._salt)

    assert salts[0] == salts[2] != salts[1]
