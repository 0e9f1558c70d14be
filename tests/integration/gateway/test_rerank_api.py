"""The rerank API as Cohere's own client and Jina's users see it."""

from __future__ import annotations

import asyncio
from typing import Any

import cohere
import httpx
import pytest

pytestmark = pytest.mark.integration

MODEL = "ms-marco-MiniLM-L-12-v2"
QUERY = "who finds services"
DOCUMENTS = ["cats sleep all day", "consul finds services", "it rains"]


def rerank(gateway: Any, path: str = "/v1/rerank", **body: Any) -> httpx.Response:
    return httpx.post(
        gateway.url + path, json={"model": MODEL, "query": QUERY, "documents": DOCUMENTS, **body}, timeout=20
    )


def test_best_document_comes_first_and_scores_fall(gateway: Any) -> None:
    results = rerank(gateway).json()["results"]

    assert results[0]["index"] == 1
    assert sorted(result["index"] for result in results) == [0, 1, 2]
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_top_n_and_documents_are_returned_on_request(gateway: Any) -> None:
    plain = rerank(gateway, top_n=1).json()["results"]
    full = rerank(gateway, top_n=50, return_documents=True).json()["results"]

    assert [set(result) for result in plain] == [{"index", "relevance_score"}]
    assert len(full) == 3
    assert full[0]["document"] == {"text": "consul finds services"}


def test_documents_may_be_objects_and_the_model_may_be_left_out(gateway: Any) -> None:
    body = {"query": {"text": QUERY}, "documents": [{"text": text, "id": 5} for text in DOCUMENTS]}

    answer = httpx.post(f"{gateway.url}/v1/rerank", json=body).json()

    assert answer["model"] == MODEL
    assert answer["results"] == rerank(gateway).json()["results"]


def test_usage_is_counted_as_jina_does(gateway: Any) -> None:
    usage = rerank(gateway).json()["usage"]

    assert usage["total_tokens"] > 0


def test_truncation_is_told_in_header_and_warnings(gateway: Any) -> None:
    answer = rerank(gateway, documents=["short", "word " * 10_000], rank_fields=["text"], max_chunks_per_doc=2)

    assert answer.headers["x-isolane-truncated"] == "1"
    assert answer.headers["x-isolane-dropped-tokens"].startswith("1=")
    assert "documents 1: longer than what is scored of them" in answer.json()["meta"]["warnings"][0]


async def test_cohere_v1_client_works(gateway: Any) -> None:
    with cohere.Client(api_key="none", base_url=gateway.url) as api:
        answer = await asyncio.to_thread(
            api.rerank, model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=2, return_documents=True
        )

    assert answer.results[0].index == 1
    assert answer.results[0].document is not None
    assert answer.results[0].document.text == DOCUMENTS[1]
    assert answer.meta is not None
    assert answer.meta.api_version is not None
    assert answer.meta.api_version.version == "1"


async def test_cohere_v2_client_works_and_reads_errors(gateway: Any) -> None:
    with cohere.ClientV2(api_key="none", base_url=gateway.url) as api:
        answer = await asyncio.to_thread(api.rerank, model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=2)
        with pytest.raises(cohere.errors.BadRequestError) as empty:
            await asyncio.to_thread(api.rerank, model=MODEL, query=QUERY, documents=["a", ""])
        with pytest.raises(cohere.errors.NotFoundError):
            await asyncio.to_thread(api.rerank, model="nope", query=QUERY, documents=["a"])

    assert answer.results[0].index == 1
    assert "documents[1]" in empty.value.body["message"]


def test_log_line_counts_documents(gateway: Any) -> None:
    answer = rerank(gateway)

    line = gateway.request_line(answer.headers["x-request-id"])
    assert (line["route"], line["items"], line["model"]) == ("/v1/rerank", 3, MODEL)
