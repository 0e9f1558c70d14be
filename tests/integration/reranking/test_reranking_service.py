from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from isolane.common.v1 import item_pb2
from isolane.reranking.v1 import reranking_service_pb2 as pb
from isolane.reranking.v1 import reranking_service_pb2_grpc as pb_grpc

from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, RequestError, TooLarge, UnknownModel
from services.common.rpc.client import RpcClient
from services.common.testing.servers import connected, running
from services.reranking.app import build
from services.reranking.settings import RerankingSettings

pytestmark = pytest.mark.integration

Client = RpcClient[pb_grpc.RerankingServiceStub]

SERVICE = "isolane.reranking.v1.RerankingService"
MODEL = "ms-marco-MiniLM-L-12-v2"
QUESTIONS = Path(__file__).parents[2] / "data" / "rerank_questions.json"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    settings = RerankingSettings(port=0, metrics_port=0, backend="fake")
    async with (
        running(build(settings), settings) as port,
        connected(port, pb_grpc.RerankingServiceStub, health_service=SERVICE) as opened,
    ):
        yield opened


async def rerank(client: Client, **request: object) -> pb.RerankResponse:
    message = pb.RerankRequest(**{"model": MODEL, "query": "query", **request})  # type: ignore[arg-type]
    return await client.call("Rerank", lambda stub: stub.Rerank, message, deadline=Deadline.after(10))


async def test_the_right_document_wins(client: Client) -> None:
    reply = await rerank(client, query="red apple pie", documents=["blue sky", "apple pie that is red", "red"])

    assert [result.index for result in reply.results] == [1, 2, 0]
    assert all(0 < result.score < 1 for result in reply.results)
    assert reply.results[0].score > 0.9


async def test_raw_scores_are_not_probabilities(client: Client) -> None:
    reply = await rerank(client, query="red", documents=["red", "blue"], raw_scores=True)

    assert [round(result.score) for result in reply.results] == [4, -4]


async def test_each_document_has_its_status_in_the_requests_order(client: Client) -> None:
    documents = ["red", "", "word " * 600, "blue"]
    reply = await rerank(client, query="red", documents=documents, top_n=1, max_passages=1)

    assert [(i.outcome, i.token_count, i.truncated, i.dropped_token_count) for i in reply.items] == [
        (item_pb2.OUTCOME_OK, 3, False, 0),
        (item_pb2.OUTCOME_INVALID, 0, False, 0),
        (item_pb2.OUTCOME_OK, 512, True, 90),
        (item_pb2.OUTCOME_OK, 3, False, 0),
    ]
    assert reply.items[1].error == "the document is empty; leave it out"
    assert [result.index for result in reply.results] == [0]
    assert (reply.usage.items, reply.usage.tokens, reply.usage.computed_tokens) == (4, 518, 518)


async def test_a_long_document_is_scored_by_passages_and_nothing_of_it_is_left_out(client: Client) -> None:
    reply = await rerank(client, query="red apple", documents=["word " * 600 + "red apple", "red"], raw_scores=True)

    assert [result.index for result in reply.results] == [0, 1]
    assert reply.items[0].truncated is False
    assert reply.items[0].token_count > 602


async def test_a_limit_of_tokens_cuts_documents_first(client: Client) -> None:
    reply = await rerank(client, query="red", documents=["word " * 20 + "red", "blue"], max_document_tokens=10)

    assert (reply.items[0].truncated, reply.items[0].dropped_token_count) == (True, 11)


async def test_pairs_that_were_scored_before_are_not_computed_again(client: Client) -> None:
    await rerank(client, documents=["a", "b"])
    again = await rerank(client, documents=["b", "c", "c"])

    assert [item.cached for item in again.items] == [True, False, True]
    assert (again.usage.tokens, again.usage.computed_tokens) == (9, 3)


async def test_every_reply_tells_its_model_and_where_the_time_went(client: Client) -> None:
    reply = await rerank(client, documents=["a", "b"])

    assert (reply.model.id, reply.model.fake, reply.model.revision) == (MODEL, True, "fake")
    assert reply.timings.total_us >= reply.timings.tokenize_us + reply.timings.queue_us + reply.timings.compute_us > 0
    assert reply.load.queued_cost == 0


async def test_the_served_model_is_listed(client: Client) -> None:
    reply = await client.call(
        "ListModels", lambda stub: stub.ListModels, pb.ListModelsRequest(), deadline=Deadline.after(10)
    )

    assert [(model.id, model.max_tokens, model.fake) for model in reply.models] == [(MODEL, 512, True)]


@pytest.mark.parametrize(
    ("request_", "error", "param", "says"),
    [
        ({"query": "", "documents": ["a"]}, InvalidRequest, "query", "it is empty"),
        ({"query": "q" * 100_001, "documents": ["a"]}, TooLarge, "query", "100001 bytes; at most 100000"),
        ({"documents": []}, InvalidRequest, "documents", "nothing to rank"),
        ({"documents": ["a"] * 1001}, TooLarge, "documents", "1001 of them; at most 1000"),
        ({"documents": ["a"], "model": "x"}, UnknownModel, "model", "use 'ms-marco-MiniLM-L-12-v2'"),
    ],
)
async def test_a_wrong_request_is_a_clear_error_with_the_field_at_fault(
    client: Client, request_: dict[str, object], error: type[RequestError], param: str, says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        await rerank(client, **request_)

    assert type(raised.value) is error
    assert raised.value.param == param


async def test_a_thousand_documents_are_ranked_and_in_full(client: Client) -> None:
    documents = [f"document {number}" for number in range(1000)]

    reply = await rerank(client, query="document 742", documents=documents)

    assert reply.results[0].index == 742
    assert sorted(result.index for result in reply.results) == list(range(1000))


async def test_real_questions_are_answered_one_by_one_and_whole(client: Client) -> None:
    questions = json.loads(QUESTIONS.read_text(encoding="utf-8"))

    for question in questions:
        documents = [*question["wrong"], question["right"]]
        reply = await rerank(client, query=question["question"], documents=documents)

        assert sorted(result.index for result in reply.results) == list(range(len(documents)))
        assert all(item.outcome == item_pb2.OUTCOME_OK for item in reply.items)
