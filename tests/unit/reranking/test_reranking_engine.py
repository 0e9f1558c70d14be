from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import numpy.typing as npt
import pytest

from services.common.deadline import Deadline
from services.common.errors import BackendFailed, InvalidRequest, RequestError, TooLarge, UnknownModel
from services.common.lifecycle import supervise
from services.models.backends.fake.cost import FakeCost
from services.models.models import Tokens
from services.reranking.backends.fake import FakeRerankingBackend
from services.reranking.engine import Query, Reranked, RerankingEngine, probability
from services.reranking.settings import RerankingSettings

MODEL = "ms-marco-MiniLM-L-12-v2"
SEPARATOR = 0
"""Of the fake's pairs."""


class ScriptedBackend(FakeRerankingBackend):
    """Gives the scores of a script by the passages of a document, which are numbers."""

    def __init__(self, scores: Sequence[float]) -> None:
        super().__init__(model_id=MODEL)
        self._scores = scores

    def tokenize(
        self, query: str, documents: Sequence[str], *, max_document_tokens: int, max_passages: int
    ) -> list[list[Tokens]]:
        self.asked = (max_document_tokens, max_passages)
        return [[Tokens(ids=(int(number),)) for number in document.split()] for document in documents]

    def compute(self, prepared: Sequence[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:
        return np.array([self._scores[tokens.ids[0]] for tokens in prepared], dtype=np.float32)


class PoisonedBackend(ScriptedBackend):
    """Fails on every batch that holds document 1."""

    def compute(self, prepared: Sequence[Tokens], *, alone: bool) -> npt.NDArray[np.float32]:
        if any(tokens.ids == (1,) for tokens in prepared):
            raise ValueError("poison")
        return super().compute(prepared, alone=alone)


@asynccontextmanager
async def entered(backend: FakeRerankingBackend | None = None, **settings: int) -> AsyncIterator[RerankingEngine]:
    chosen = backend or FakeRerankingBackend(model_id=MODEL)
    engine = RerankingEngine(RerankingSettings(backend="fake", **settings), lambda _model: chosen)  # type: ignore[arg-type]
    async with engine, supervise([engine.run], asyncio.Event()):
        yield engine


async def rerank(
    engine: RerankingEngine,
    documents: Sequence[str],
    *,
    query: str = "query",
    model: str = MODEL,
    raw_scores: bool = True,
    **options: int,
) -> Reranked:
    asked = Query(text=query, raw_scores=raw_scores, **options)
    return await engine.rerank(model, asked, documents, deadline=Deadline.after(10))


def order(reranked: Reranked) -> list[int]:
    return [result.index for result in reranked.results]


@pytest.fixture
def example_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripted backends know no words, so there is nothing to warm up with."""
    monkeypatch.setattr(RerankingEngine, "_example", lambda _self, _backend, _words: Tokens(ids=(0,)))


@pytest.mark.usefixtures("example_free")
async def test_results_are_sorted_by_score_then_by_index() -> None:
    async with entered(ScriptedBackend([1.0, 3.0, 2.0, 3.0])) as engine:
        reranked = await rerank(engine, ["0", "1", "2", "3"])

    assert [(result.index, result.score) for result in reranked.results] == [(1, 3.0), (3, 3.0), (2, 2.0), (0, 1.0)]


@pytest.mark.usefixtures("example_free")
@pytest.mark.parametrize(("top_n", "expected"), [(0, [2, 1, 0]), (2, [2, 1]), (9, [2, 1, 0])])
async def test_top_n_keeps_the_best_and_zero_keeps_all(top_n: int, expected: list[int]) -> None:
    async with entered(ScriptedBackend([1.0, 2.0, 3.0])) as engine:
        reranked = await rerank(engine, ["0", "1", "2"], top_n=top_n)

    assert order(reranked) == expected
    assert len(reranked.items) == 3


@pytest.mark.usefixtures("example_free")
async def test_scores_are_probabilities_unless_raw_ones_are_asked_for() -> None:
    async with entered(ScriptedBackend([0.0, -2.0])) as engine:
        raw = await rerank(engine, ["0", "1"], raw_scores=True)
        default = await rerank(engine, ["0", "1"], raw_scores=False)

    assert [result.score for result in raw.results] == [0.0, -2.0]
    assert [result.score for result in default.results] == pytest.approx([0.5, 1 / (1 + math.exp(2))])


@pytest.mark.usefixtures("example_free")
async def test_a_long_document_has_the_score_of_its_best_passage() -> None:
    async with entered(ScriptedBackend([1.0, 9.0, 2.0, 5.0])) as engine:
        reranked = await rerank(engine, ["0 2", "1 0", "3"])

    assert [(result.index, result.score) for result in reranked.results] == [(1, 9.0), (2, 5.0), (0, 2.0)]
    assert [len(item.ids) for item in reranked.items if isinstance(item, Tokens)] == [2, 2, 1]


@pytest.mark.usefixtures("example_free")
async def test_a_document_with_one_broken_passage_fails_as_a_whole_and_alone() -> None:
    async with entered(PoisonedBackend([1.0, 9.0, 2.0, 5.0])) as engine:
        reranked = await rerank(engine, ["0 2", "1 0", "3"])

    assert order(reranked) == [2, 0]
    assert isinstance(reranked.items[1], BackendFailed)


@pytest.mark.usefixtures("example_free")
async def test_limits_of_the_request_go_before_those_of_the_settings() -> None:
    backend = ScriptedBackend([1.0])
    async with entered(backend, max_passages=7) as engine:
        await rerank(engine, ["0"])
        default = backend.asked
        await rerank(engine, ["0"], max_document_tokens=30, max_passages=2)

    assert (default, backend.asked) == ((0, 7), (30, 2))


@pytest.mark.usefixtures("example_free")
async def test_equal_pairs_are_scored_once_and_kept() -> None:
    async with entered(ScriptedBackend([1.0, 2.0])) as engine:
        first = await rerank(engine, ["0", "1", "0"])
        again = await rerank(engine, ["1", "0"])

    assert (list(first.reused), first.reused_tokens) == ([2], 1)
    assert (list(again.reused), again.reused_tokens) == ([0, 1], 2)
    assert order(again) == [0, 1]


@pytest.mark.usefixtures("example_free")
async def test_a_document_of_which_one_passage_was_kept_is_not_reused_and_counts_what_was_computed() -> None:
    async with entered(ScriptedBackend([1.0, 2.0])) as engine:
        await rerank(engine, ["0"])
        reranked = await rerank(engine, ["0 1", "0"])

    assert (list(reranked.reused), reranked.reused_tokens) == ([1], 2)


async def test_the_fakes_long_document_is_cut_into_passages_and_what_is_left_out_is_counted() -> None:
    long = " ".join(f"word{number}" for number in range(5000))
    async with entered() as engine:
        one = await rerank(engine, [long], max_passages=1)
        ten = await rerank(engine, [long], max_passages=10)

    (short,), (longer,) = one.items, ten.items
    assert isinstance(short, Tokens)
    assert isinstance(longer, Tokens)
    assert short.dropped > longer.dropped > 0
    assert longer.ids.count(SEPARATOR) == 10


@pytest.mark.parametrize(("logit", "expected"), [(-1e9, 0.0), (0.0, 0.5), (1e9, 1.0)])
def test_probability_overflows_for_no_logit(logit: float, expected: float) -> None:
    assert probability(logit) == expected


async def test_empty_and_oversized_documents_are_their_own_error_and_the_others_succeed() -> None:
    async with entered(max_document_bytes=20) as engine:
        reranked = await rerank(engine, ["", "query it is", "x" * 21, "no"])

    assert order(reranked) == [1, 3]
    assert [type(reranked.items[index]) for index in (0, 2)] == [InvalidRequest, TooLarge]
    assert all(isinstance(reranked.items[index], Tokens) for index in (1, 3))


async def test_only_documents_that_are_wrong_give_no_results_and_no_error_of_the_call() -> None:
    async with entered() as engine:
        reranked = await rerank(engine, ["", ""])

    assert order(reranked) == []
    assert [type(item) for item in reranked.items] == [InvalidRequest, InvalidRequest]


@pytest.mark.usefixtures("example_free")
async def test_a_document_that_breaks_the_model_fails_alone() -> None:
    async with entered(PoisonedBackend([1.0, 2.0, 3.0])) as engine:
        reranked = await rerank(engine, ["0", "1", "2"])

    assert order(reranked) == [2, 0]
    assert isinstance(reranked.items[1], BackendFailed)


@pytest.mark.usefixtures("example_free")
@pytest.mark.parametrize("score", [math.nan, math.inf])
async def test_a_score_that_is_no_number_fails_its_item_and_keeps_the_order_of_the_others(score: float) -> None:
    async with entered(ScriptedBackend([1.0, score, 3.0, 2.0])) as engine:
        reranked = await rerank(engine, ["0", "1", "2", "3"])

    assert order(reranked) == [2, 3, 0]
    assert isinstance(reranked.items[1], BackendFailed)


@pytest.mark.parametrize(
    ("request_", "error", "param"),
    [
        ({"model": "other"}, UnknownModel, "model"),
        ({"query": ""}, InvalidRequest, "query"),
        ({"query": "q" * 51}, TooLarge, "query"),
        ({"documents": []}, InvalidRequest, "documents"),
        ({"documents": ["a"] * 4}, TooLarge, "documents"),
    ],
)
async def test_a_request_that_is_wrong_as_a_whole_names_the_field_at_fault(
    request_: dict[str, object], error: type[RequestError], param: str
) -> None:
    async with entered(max_documents=3, max_query_bytes=50) as engine:
        with pytest.raises(error) as raised:
            await rerank(engine, **{"documents": ["a"], **request_})  # type: ignore[arg-type]

    assert type(raised.value) is error
    assert raised.value.param == param


def test_the_contracts_limits_are_the_defaults() -> None:
    settings = RerankingSettings()

    assert (settings.max_documents, settings.max_query_bytes, settings.max_document_bytes) == (1000, 100_000, 1_000_000)


async def test_many_documents_whose_scores_are_kept_are_never_refused_for_lack_of_time() -> None:
    backend = FakeRerankingBackend(model_id=MODEL, cost=FakeCost(token_us=100))
    documents = [f"d{number} " + "w " * 48 for number in range(200)]
    async with entered(backend) as engine:
        first = await rerank(engine, documents)
        asked = Query(text="query", raw_scores=True)
        again = await engine.rerank(MODEL, asked, documents, deadline=Deadline.after(0.2))

    assert first.timings.compute_us > 300_000
    assert again.timings.compute_us == 0
    assert again.results == first.results
