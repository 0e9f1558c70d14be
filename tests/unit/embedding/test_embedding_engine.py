from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import numpy.typing as npt
import pytest
from prometheus_client import REGISTRY

from services.common.deadline import Deadline
from services.common.errors import BackendFailed, InvalidRequest, RequestError, TooLarge, UnknownModel
from services.common.lifecycle import supervise
from services.common.models import Tokens
from services.embedding.backends.fake import FakeEmbeddingBackend
from services.embedding.engine import EmbeddingEngine
from services.embedding.settings import EmbeddingSettings

MODEL = "all-MiniLM-L6-v2"
POISON = 13


class PoisonedBackend(FakeEmbeddingBackend):
    """Fails on every batch that holds the token POISON."""

    def embed(self, batch: Sequence[Tokens]) -> npt.NDArray[np.float32]:
        if any(POISON in tokens.ids for tokens in batch):
            raise ValueError("poison")
        return super().embed(batch)


@asynccontextmanager
async def entered(backend: FakeEmbeddingBackend | None = None, **settings: int) -> AsyncIterator[EmbeddingEngine]:
    chosen = backend or FakeEmbeddingBackend(model_id=MODEL, dimensions=8)
    engine = EmbeddingEngine(EmbeddingSettings(backend="fake", **settings), lambda: chosen)  # type: ignore[arg-type]
    async with engine, supervise([engine.run], asyncio.Event()):
        yield engine


def soon() -> Deadline:
    return Deadline.after(10)


def error_of(item: Tokens | RequestError) -> RequestError:
    assert isinstance(item, RequestError)
    return item


async def test_each_row_is_the_vector_of_its_own_text() -> None:
    async with entered(max_batch_tokens=2) as engine:
        together = await engine.embed(MODEL, ["red", "green", "blue"], 0, soon())
        alone = [(await engine.embed(MODEL, [text], 0, soon())).matrix[0] for text in ("red", "green", "blue")]

    assert together.matrix.dtype == np.dtype("<f4")
    assert np.array_equal(together.matrix, np.stack(alone))
    assert len({row.tobytes() for row in together.matrix}) == 3


async def test_items_that_are_wrong_alone_leave_zeros_and_the_others_their_vectors() -> None:
    async with entered(max_input_bytes=10) as engine:
        embedded = await engine.embed(MODEL, ["", "good", "x" * 11, [1, 99_999]], 0, soon())

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
        embedded = await engine.embed(MODEL, [[1], [POISON], [2]], 0, soon())

    assert isinstance(embedded.items[1], BackendFailed)
    assert [bool(row.any()) for row in embedded.matrix] == [True, False, True]


async def test_a_text_over_the_models_limit_is_flagged_as_truncated() -> None:
    async with entered() as engine:
        embedded = await engine.embed(MODEL, ["word " * 256, "word " * 257], 0, soon())

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
            await engine.embed(model, inputs, dimensions, soon())

    assert type(raised.value) is error
    assert raised.value.param == param


async def test_tokens_and_outcomes_are_counted() -> None:
    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"isolane_embedding_{name}_total", {"model": "counted", **labels}) or 0

    async with entered(FakeEmbeddingBackend(model_id="counted")) as engine:
        await engine.embed("counted", ["one two three", ""], 0, soon())

    assert (count("tokens"), count("items", outcome="ok"), count("items", outcome="invalid_request")) == (3, 1, 1)
