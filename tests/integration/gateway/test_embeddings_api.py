"""OpenAI's API as its own client, and plain HTTP, see it."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

import httpx
import openai
import pytest

pytestmark = pytest.mark.integration

MODEL = "all-MiniLM-L6-v2"


def embed(gateway: Any, **body: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/embeddings", json={"model": MODEL, **body}, timeout=20)


def client(gateway: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)


def test_answer_has_exactly_the_shape_of_openai(gateway: Any) -> None:
    answer = embed(gateway, input=["first text", "second"]).json()

    assert set(answer) == {"object", "data", "model", "usage"}
    assert answer["object"] == "list"
    assert answer["model"] == MODEL
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert [set(item) for item in answer["data"]] == [{"object", "index", "embedding"}] * 2
    assert [(item["object"], item["index"]) for item in answer["data"]] == [("embedding", 0), ("embedding", 1)]
    assert all(isinstance(number, float) for number in answer["data"][0]["embedding"])


def test_base64_is_the_same_vector_in_little_endian_float32(gateway: Any) -> None:
    numbers = embed(gateway, input="a text").json()["data"][0]["embedding"]

    encoded = embed(gateway, input="a text", encoding_format="base64").json()["data"][0]["embedding"]

    assert list(struct.unpack("<384f", base64.b64decode(encoded, validate=True))) == numbers


def test_every_kind_of_input_is_taken_in_order(gateway: Any) -> None:
    one = embed(gateway, input="same").json()["data"][0]["embedding"]
    ids = embed(gateway, input=[7, 8, 9]).json()["data"]

    listed = embed(gateway, input=["other", "same"]).json()["data"]
    lists_of_ids = embed(gateway, input=[[1], [7, 8, 9]]).json()["data"]

    assert listed[1]["embedding"] == one
    assert listed[0]["embedding"] != one
    assert len(ids) == 1
    assert lists_of_ids[1]["embedding"] == ids[0]["embedding"]


def test_nul_emoji_and_duplicate_keys_are_harmless(gateway: Any) -> None:
    odd = embed(gateway, input=["a\x00b", "😀 עברית", "\u200b\ufeff x"])
    duplicate = httpx.post(
        f"{gateway.url}/v1/embeddings",
        content=f'{{"model":"nope","model":"{MODEL}","input":"a"}}',
        headers={"content-type": "application/json; charset=utf-8"},
    )

    assert odd.status_code == 200
    assert duplicate.status_code == 200


def test_fields_that_clients_add_are_ignored(gateway: Any) -> None:
    answer = embed(gateway, input="a", user="somebody", dimensions=384, truncate_prompt_tokens=5, extra={"a": [1]})
    nulls = embed(gateway, input="a", user=None, dimensions=None, encoding_format=None)

    assert answer.status_code == 200
    assert nulls.status_code == 200


def test_truncation_is_reported(gateway: Any) -> None:
    long = "word " * 300

    answer = embed(gateway, input=["short", long, long, "short", long])

    assert answer.headers["x-isolane-truncated"] == "1-2,4"
    assert answer.json()["usage"]["total_tokens"] == 3 * 256 + 2
    assert "x-isolane-truncated" not in embed(gateway, input="short").headers


def test_most_inputs_of_a_request_are_answered(gateway: Any) -> None:
    answer = embed(gateway, input=["text"] * 2048, encoding_format="base64")

    assert [item["index"] for item in answer.json()["data"]] == list(range(2048))


async def test_openai_client_gets_vectors_and_errors(gateway: Any) -> None:
    with client(gateway) as api:
        created = await asyncio.to_thread(api.embeddings.create, model=MODEL, input=["a text", "another"])
        listed = await asyncio.to_thread(api.models.list)
        one = await asyncio.to_thread(api.models.retrieve, MODEL)
        with pytest.raises(openai.NotFoundError) as unknown:
            await asyncio.to_thread(api.embeddings.create, model="nope", input="a")
        with pytest.raises(openai.BadRequestError) as wrong:
            await asyncio.to_thread(api.embeddings.create, model=MODEL, input=["a", ""])

    plain = embed(gateway, input=["a text", "another"]).json()["data"]
    assert [item.embedding for item in created.data] == [item["embedding"] for item in plain]
    assert {model.id for model in listed.data} == {MODEL, "ms-marco-MiniLM-L-12-v2"}
    assert one.id == MODEL
    assert unknown.value.code == "model_not_found"
    assert unknown.value.param == "model"
    assert wrong.value.param == "input[1]"
    assert wrong.value.request_id


def test_one_request_id_and_trace_id_in_answer_and_both_logs(gateway: Any, services: Any) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"x-request-id": "my-own-id", "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}

    answer = httpx.post(f"{gateway.url}/v1/embeddings", json={"model": MODEL, "input": "ids"}, headers=headers)

    gateway_line = gateway.request_line("my-own-id")
    (service_line,) = [line for line in services["embedding"].lines("rpc") if line["request_id"] == "my-own-id"]
    assert answer.headers["x-request-id"] == "my-own-id"
    assert answer.headers["x-trace-id"] == trace_id
    assert gateway_line["trace_id"] == trace_id
    assert service_line["trace_id"] == trace_id
    assert gateway_line["route"] == "/v1/embeddings"
    assert gateway_line["model"] == MODEL
    assert (gateway_line["items"], gateway_line["tokens"], gateway_line["status"]) == (1, 1, 200)


def test_harmful_request_id_is_replaced(gateway: Any) -> None:
    answer = httpx.get(f"{gateway.url}/health/live", headers={"x-request-id": "a b"})

    assert len(answer.headers["x-request-id"]) == 32


def test_timings_of_the_service_are_told(gateway: Any) -> None:
    timing = embed(gateway, input="a").headers["server-timing"]

    assert [entry.split(";")[0] for entry in timing.split(", ")] == ["queue", "tokenize", "compute"]
