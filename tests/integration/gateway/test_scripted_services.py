"""What the gateway asks of the services, and what it makes of their answers."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import cohere
import grpc
import httpx
import numpy as np
import openai
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from isolane.common.v1 import item_pb2, model_pb2, reply_pb2
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc
from isolane.reranking.v1 import reranking_service_pb2 as rerank_pb
from isolane.reranking.v1 import reranking_service_pb2_grpc as rerank_pb_grpc

from services.common import status
from services.common.errors import Overloaded, RequestError
from services.common.server.joint import answered_at_the_edge

pytestmark = pytest.mark.integration

OK = item_pb2.ItemStatus(outcome=item_pb2.OUTCOME_OK, token_count=3)
EMPTY = item_pb2.ItemStatus(outcome=item_pb2.OUTCOME_INVALID, error="the text is empty; leave it out")
CRASHED = item_pb2.ItemStatus(outcome=item_pb2.OUTCOME_FAILED)
MATRIX = np.array([[1.0, -0.5, 0.25], [0.5, 0.125, -1.0]], dtype="<f4")


class Scripted:
    """A service that answers as the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.request: Any = None
        self.metadata: Mapping[str, str] = {}
        self.answer: Callable[[Any], Any]

    def fail(self, error: RequestError) -> None:
        """Refuse every call from now on."""

        def answer(_request: Any) -> Any:
            raise error

        self.answer = answer

    def call(self, request: Any, context: Any) -> Any:
        self.request = request
        self.metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        try:
            return self.answer(request)
        except RequestError as exc:
            code, message, details = status.encode(exc)
            context.set_trailing_metadata(details)
            context.abort(code, message)

    Embed = Rerank = Tokenize = ListModels = call
    EmbedMany = RerankMany = answered_at_the_edge


class Embedding(Scripted):
    def reply(self, *items: item_pb2.ItemStatus, tokens: int = 6, **vectors: Any) -> None:
        """Answer with these vectors, of which MATRIX is the default, and outcomes of the items."""
        rows = len(items)
        fields = {
            "data": MATRIX[:rows].tobytes(),
            "vector_type": pb.VECTOR_TYPE_FLOAT32,
            "rows": rows,
            "dimensions": 3,
            **vectors,
        }
        reply = pb.EmbedResponse(
            model=model_pb2.Model(id="mini"),
            vectors=pb.Vectors(**fields),
            items=items,
            usage=reply_pb2.Usage(items=rows, tokens=tokens, computed_tokens=0),
        )
        self.answer = lambda _request: reply


class Reranking(Scripted):
    def reply(self, *items: item_pb2.ItemStatus, scores: Mapping[int, float]) -> None:
        """Answer with these scores, best first, and outcomes of the items."""
        reply = rerank_pb.RerankResponse(
            model=model_pb2.Model(id="cross"),
            results=[rerank_pb.Result(index=index, score=score) for index, score in scores.items()],
            items=items,
            usage=reply_pb2.Usage(items=len(items), tokens=9),
        )
        self.answer = lambda _request: reply


class World:
    """A gateway in front of the scripted services."""

    def __init__(self, gateway: Any, embedding: Embedding, reranking: Reranking) -> None:
        self.gateway = gateway
        self.url: str = gateway.url
        self.embedding = embedding
        self.reranking = reranking
        self.flood: Mapping[str, str] = {}
        """Headers of the client that was refused last."""
        self.numbers = itertools.count()

    def embed(self, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        body = {"model": "mini", "input": ["a", "b"], **body}
        return httpx.post(f"{self.url}/v1/embeddings", json=body, headers=headers, timeout=20)

    def rerank(self, path: str = "/v1/rerank", headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        body = {"model": "cross", "query": "q", "documents": ["a", "b", "c"], **body}
        return httpx.post(self.url + path, json=body, headers=headers, timeout=20)


@contextmanager
def serving(servicer: Scripted, add: Callable[..., None], name: str) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(4))
    add(servicer, server)
    healthy = health.HealthServicer()
    healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@pytest.fixture(scope="module")
def services_and_gateway(launcher: Any, eventually: Any) -> Iterator[World]:
    embedding, reranking = Embedding(), Reranking()
    embedding_name = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
    reranking_name = rerank_pb.DESCRIPTOR.services_by_name["RerankingService"].full_name
    with (
        serving(embedding, pb_grpc.add_EmbeddingServiceServicer_to_server, embedding_name) as embedding_port,
        serving(reranking, rerank_pb_grpc.add_RerankingServiceServicer_to_server, reranking_name) as reranking_port,
        launcher() as launch,
    ):
        upstreams = {"EMBEDDING": embedding_port, "RERANKING": reranking_port}
        settings = {f"ISOLANE_GATEWAY_UPSTREAMS__{name}": f"127.0.0.1:{port}" for name, port in upstreams.items()}
        gateway = launch("gateway", ISOLANE_GATEWAY_PORT="0", **settings)

        def healthy() -> bool:
            states = httpx.get(f"{gateway.url}/health").json()["services"]
            return all(states[name.lower()]["healthy"] for name in upstreams)

        eventually(healthy)
        yield World(gateway, embedding, reranking)


@pytest.fixture
def world(services_and_gateway: World) -> World:
    services_and_gateway.embedding.reply(OK, OK)
    services_and_gateway.reranking.reply(OK, OK, OK, scores={1: 0.75, 0: 0.5, 2: 0.25})
    return services_and_gateway


# What is asked.


def test_plain_request_asks_for_nothing_special(world: World) -> None:
    world.embed()

    assert world.embedding.request == pb.EmbedRequest(
        model="mini", inputs=[pb.Input(text="a"), pb.Input(text="b")], vector_type=pb.VECTOR_TYPE_FLOAT32
    )


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"dimensions": 2}, {"dimensions": 2}),
        ({"input_type": "query"}, {"input_type": pb.INPUT_TYPE_QUERY}),
        ({"input_type": "document"}, {"input_type": pb.INPUT_TYPE_DOCUMENT}),
        ({"output_dtype": "float16"}, {"vector_type": pb.VECTOR_TYPE_FLOAT16}),
        ({"output_dtype": "int8"}, {"vector_type": pb.VECTOR_TYPE_INT8}),
        ({"output_dtype": "binary"}, {"vector_type": pb.VECTOR_TYPE_BINARY}),
    ],
    ids=str,
)
def test_options_reach_the_embedding_service(world: World, body: dict[str, Any], asked: dict[str, Any]) -> None:
    world.embed(**body)

    assert {name: getattr(world.embedding.request, name) for name in asked} == asked


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_options_reach_the_reranking_service_and_are_off_by_default(world: World, path: str) -> None:
    world.rerank(path)
    plain = world.reranking.request
    world.rerank(path, top_n=2, raw_scores=True, max_chunks_per_doc=4, max_tokens_per_doc=100)
    full = world.reranking.request

    documents: Any = {"model": "cross", "query": "q", "documents": ["a", "b", "c"]}
    assert plain == rerank_pb.RerankRequest(**documents)
    assert full == rerank_pb.RerankRequest(
        **documents, top_n=2, raw_scores=True, max_passages=4, max_document_tokens=100
    )


async def test_both_clients_of_cohere_reach_the_options_of_their_version(world: World) -> None:
    with cohere.Client(api_key="none", base_url=world.url) as first:
        await asyncio.to_thread(
            first.rerank,
            model="cross",
            query="q",
            documents=[{"text": "a"}, "b", {"text": "c"}],
            rank_fields=["text"],
            max_chunks_per_doc=4,
            return_documents=True,
        )
    asked_by_first = world.reranking.request
    with cohere.ClientV2(api_key="none", base_url=world.url) as second:
        answer = await asyncio.to_thread(
            second.rerank, model="cross", query="q", documents=["a", "b", "c"], max_tokens_per_doc=100, priority=3
        )

    assert (list(asked_by_first.documents), asked_by_first.max_passages) == (["a", "b", "c"], 4)
    assert world.reranking.request.max_document_tokens == 100
    assert [result.index for result in answer.results] == [1, 0, 2]


def test_caller_and_priority_reach_the_service_and_the_log(world: World) -> None:
    headers = {"x-isolane-client": "team-a", "x-isolane-priority": "bulk", "authorization": "Bearer s3cret"}

    answer = world.embed(headers)

    line = world.gateway.request_line(answer.headers["x-request-id"])
    assert world.embedding.metadata["x-isolane-client"] == "team-a"
    assert world.embedding.metadata["x-isolane-priority"] == "bulk"
    assert (line["client"], line["priority"]) == ("team-a", "bulk")


def test_a_caller_without_a_name_is_told_apart_by_key_or_address_of_which_the_log_knows_nothing(world: World) -> None:
    with_key = world.embed({"authorization": "Bearer s3cret"})
    ids = [world.embedding.metadata["x-isolane-client"]]
    without = world.embed()
    ids.append(world.embedding.metadata["x-isolane-client"])

    assert ids == ["key-0c9ae6066b41d371", "ip-127.0.0.1"]
    assert "x-isolane-priority" not in world.embedding.metadata
    for answer in (with_key, without):
        assert not {"client", "priority"} & world.gateway.request_line(answer.headers["x-request-id"]).keys()
    assert not {"s3cret", *ids} & set(world.gateway.log.read_text().replace('"', " ").split())


# What is answered.


@pytest.mark.parametrize(
    ("dtype", "vectors", "numbers"),
    [
        ("float32", {}, MATRIX.tolist()),
        (
            "float16",
            {"data": MATRIX.astype("<f2").tobytes(), "vector_type": pb.VECTOR_TYPE_FLOAT16},
            MATRIX.tolist(),
        ),
        (
            "int8",
            {"data": b"\x7f\xc0\x20\x3f\x10\x81", "vector_type": pb.VECTOR_TYPE_INT8, "scales": [0.5, 0.25]},
            [[127, -64, 32], [63, 16, -127]],
        ),
        ("binary", {"data": b"\xa0\xc0", "vector_type": pb.VECTOR_TYPE_BINARY}, [[160], [192]]),
    ],
    ids=["float32", "float16", "int8", "binary"],
)
def test_vectors_of_every_type_are_numbers_or_the_bytes_of_their_rows(
    world: World, dtype: str, vectors: dict[str, Any], numbers: list[Any]
) -> None:
    world.embedding.reply(OK, OK, **vectors)
    data = vectors.get("data", MATRIX.tobytes())

    plain = world.embed(output_dtype=dtype).json()["data"]
    packed = world.embed(output_dtype=dtype, encoding_format="base64").json()["data"]

    assert [entry["embedding"] for entry in plain] == numbers
    assert b"".join(base64.b64decode(entry["embedding"], validate=True) for entry in packed) == data
    assert [entry.get("scale") for entry in packed] == vectors.get("scales", [None, None])
    assert {type(number) for row in plain for number in row["embedding"]} == {
        int if dtype in {"int8", "binary"} else float
    }


async def test_openais_client_takes_the_extensions_as_extra_body(world: World) -> None:
    world.embedding.reply(OK, data=b"\x7f\xc0\x20", vector_type=pb.VECTOR_TYPE_INT8, scales=[0.5])
    with openai.OpenAI(base_url=f"{world.url}/v1", api_key="none", max_retries=0) as api:
        reply = await asyncio.to_thread(
            api.embeddings.create,
            model="mini",
            input="a",
            encoding_format="float",
            extra_body={"output_dtype": "int8", "input_type": "query"},
        )

    assert reply.data[0].embedding == [127, -64, 32]
    assert reply.data[0].to_dict()["scale"] == 0.5
    assert world.embedding.request.input_type == pb.INPUT_TYPE_QUERY


def test_usage_counts_all_tokens_and_headers_tell_of_single_items(world: World) -> None:
    cut = item_pb2.ItemStatus(outcome=item_pb2.OUTCOME_OK, truncated=True, dropped_token_count=44)
    kept = item_pb2.ItemStatus(outcome=item_pb2.OUTCOME_OK, cached=True)
    world.embedding.reply(cut, kept, tokens=300)

    answer = world.embed()

    line = world.gateway.request_line(answer.headers["x-request-id"])
    assert answer.json()["usage"] == {"prompt_tokens": 300, "total_tokens": 300}
    assert answer.headers["x-isolane-truncated"] == "0"
    assert answer.headers["x-isolane-dropped-tokens"] == "0=44"
    assert answer.headers["x-isolane-cached"] == "1"
    assert (line["truncated"], line["cached"]) == (1, 1)
    assert "failed" not in line


def test_one_bad_input_in_256_fails_the_request_unless_it_may_be_reported(world: World) -> None:
    items = [OK] * 256
    items[77] = EMPTY
    world.embedding.reply(*items, data=b"\x00\x00\x80\x3f" * 3 * 256)
    texts = ["a"] * 256

    failed = world.embed(input=texts)
    reported = world.embed(input=texts, item_errors="report", encoding_format="base64")

    entries = reported.json()["data"]
    assert (failed.status_code, failed.json()["error"]["param"]) == (400, "input[77]")
    assert reported.status_code == 200
    assert [entry["index"] for entry in entries] == list(range(256))
    assert sum(entry["embedding"] is not None for entry in entries) == 255
    assert entries[77] == {
        "object": "embedding",
        "index": 77,
        "embedding": None,
        "error": {"code": "invalid_request", "message": "the text is empty; leave it out"},
    }
    assert not any("error" in entry for entry in entries if entry["index"] != 77)
    assert world.gateway.request_line(reported.headers["x-request-id"])["failed"] == 1


def test_an_input_on_which_the_model_failed_says_so(world: World) -> None:
    world.embedding.reply(OK, CRASHED)

    failed = world.embed(item_errors="fail")
    reported = world.embed(item_errors="report")

    assert (failed.status_code, failed.json()["error"]["code"]) == (500, "backend_failed")
    assert reported.json()["data"][1]["error"]["code"] == "backend_failed"


def test_a_failed_row_of_int8_has_no_scale(world: World) -> None:
    world.embedding.reply(
        OK, CRASHED, data=b"\x7f\x00\x00\x00\x00\x00", vector_type=pb.VECTOR_TYPE_INT8, scales=[0.5, 0.0]
    )

    entries = world.embed(item_errors="report", output_dtype="int8").json()["data"]

    assert [entry.get("scale") for entry in entries] == [0.5, None]


@pytest.mark.parametrize(
    "vectors",
    [
        {"rows": 1, "data": MATRIX[:1].tobytes()},
        {"dimensions": 4},
        {"vector_type": pb.VECTOR_TYPE_FLOAT16},
        {"data": np.array([[1, 2, 3], [4, np.nan, 6]], dtype="<f4").tobytes()},
    ],
    ids=["rows", "dimensions", "type", "not finite"],
)
def test_a_matrix_that_cannot_be_right_is_not_passed_on(world: World, vectors: dict[str, Any]) -> None:
    world.embedding.reply(OK, OK, **vectors)

    answer = world.embed()

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "backend_failed")


def test_documents_that_fail_are_listed_and_left_out_when_they_may_be_reported(world: World) -> None:
    world.reranking.reply(OK, EMPTY, OK, scores={2: 4.5, 0: -1.0})

    failed = world.rerank()
    reported = world.rerank(item_errors="report", raw_scores=True, return_documents=True)

    assert failed.status_code == 400
    assert "documents[1]" in failed.json()["message"]
    assert [(result["index"], result["relevance_score"]) for result in reported.json()["results"]] == [
        (2, 4.5),
        (0, -1.0),
    ]
    assert reported.json()["results"][0]["document"] == {"text": "c"}
    assert reported.json()["errors"] == [{"index": 1, "message": "the text is empty; leave it out"}]


def test_the_list_of_errors_is_there_when_it_was_asked_for_and_only_then(world: World) -> None:
    plain, asked = world.rerank().json(), world.rerank(item_errors="report").json()

    assert "errors" not in plain
    assert asked["errors"] == []


def test_documents_of_which_a_part_was_left_out_are_told_in_headers_and_warnings(world: World) -> None:
    cut = item_pb2.ItemStatus(outcome=item_pb2.OUTCOME_OK, truncated=True, dropped_token_count=800)
    world.reranking.reply(OK, cut, OK, scores={0: 1.0})

    answer = world.rerank()

    assert answer.headers["x-isolane-truncated"] == "1"
    assert answer.headers["x-isolane-dropped-tokens"] == "1=800"
    assert answer.json()["meta"]["warnings"] == [
        "documents 1: longer than what is scored of them; the rest was left out"
    ]


@pytest.mark.parametrize(
    ("delay_s", "seconds", "milliseconds"), [(0.02, "1", "20"), (3.25, "4", "3250"), (60.0, "60", "60000")]
)
def test_the_delay_that_the_service_computed_arrives_unchanged(
    world: World, delay_s: float, seconds: str, milliseconds: str
) -> None:
    refusal = Overloaded("9000 tokens wait and 4000 more do not fit; try again", retry_after_s=delay_s)
    world.embedding.fail(refusal)
    world.reranking.fail(refusal)

    client = {"x-isolane-client": f"refused-{milliseconds}"}
    embedded, ranked = world.embed(client), world.rerank(headers=client)
    for answer in (embedded, ranked):
        assert answer.status_code == 429
        assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == (seconds, milliseconds)
    assert embedded.json()["error"]["message"] == refusal.message


# A flood.

LARGE = {"input": ["a" * 2000]}


@pytest.fixture
def flooded(world: World) -> World:
    """Both services refused a client a moment ago, and the moment is not over: it is as long as they took."""
    world.flood = {"x-isolane-client": f"flood-{next(world.numbers)}", "x-request-id": "flood-1"}

    def refuse(_request: Any) -> Any:
        time.sleep(1.4)
        raise Overloaded("full", retry_after_s=9.0, work_s=0.5)

    for service in (world.embedding, world.reranking):
        service.answer = refuse
    with ThreadPoolExecutor() as pool:
        for refused in (pool.submit(world.embed, world.flood, **LARGE), pool.submit(world.rerank, headers=world.flood)):
            assert refused.result().status_code == 429
    for service in (world.embedding, world.reranking):
        service.request = None
        service.fail(Overloaded("asked again", retry_after_s=1.0))
    return world


def test_the_like_of_what_was_refused_does_not_reach_the_service(flooded: World) -> None:
    client = flooded.flood
    embedded = flooded.embed(client, **LARGE)
    first, second = (flooded.rerank(f"/v{version}/rerank", client) for version in (1, 2))

    assert [answer.status_code for answer in (embedded, first, second)] == [429] * 3
    assert (flooded.embedding.request, flooded.reranking.request) == (None, None)
    assert embedded.json()["error"]["code"] == "overloaded"
    assert embedded.headers["x-request-id"] == "flood-1"
    assert all(int(answer.headers["retry-after"]) >= 8 for answer in (embedded, first, second))
    assert int(second.headers["retry-after-ms"]) > int(first.headers["retry-after-ms"]) > 7500


def test_nothing_but_the_model_is_read_of_what_is_refused_early(flooded: World) -> None:
    body = json.dumps({"model": "mini", "encoding_format": "roman numerals", **LARGE})
    fields = {**flooded.flood, "host": "127.0.0.1", "content-type": "application/json", "content-length": len(body)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    url = httpx.URL(flooded.url)
    with socket.create_connection((url.host, url.port), timeout=10) as client:
        # In one piece: httpx sends the head first, and a body that has not come yet is left to the route.
        client.sendall(f"POST /v1/embeddings HTTP/1.1\r\n{head}\r\n{body}".encode())
        status_line = client.recv(64).split(b"\r\n")[0]

    assert status_line.startswith(b"HTTP/1.1 429 ")


def test_what_is_refused_early_is_seen_as_any_request(flooded: World) -> None:
    def count() -> float:
        samples = httpx.get(f"{flooded.url}/metrics").text
        name = 'isolane_gateway_request_seconds_count{method="POST",route="/v1/embeddings",status="429"}'
        found = [float(line.split()[-1]) for line in samples.splitlines() if line.startswith(name)]
        return found[0] if found else 0.0

    before = count()
    headers = {**flooded.flood, "x-request-id": "seen-early"}

    assert flooded.embed(headers, **LARGE).status_code == 429

    assert count() == before + 1
    line = flooded.gateway.request_line("seen-early")
    fields = {name: line[name] for name in ("route", "status", "code", "client")}
    client = flooded.flood["x-isolane-client"]
    assert fields == {"route": "/v1/embeddings", "status": 429, "code": "overloaded", "client": client}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-isolane-client": "another"}, {}),
        ({"x-isolane-priority": "bulk"}, {}),
        ({}, {"model": "base"}),
        ({}, {"input": ["a" * 500]}),
        ({}, {"input": ["ä" * 400]}),
    ],
    ids=["another client", "another priority", "another model", "smaller", "escaped"],
)
def test_what_might_fare_better_reaches_the_service(
    flooded: World, headers: Mapping[str, str], body: Mapping[str, Any]
) -> None:
    content = json.dumps({"model": "mini", **LARGE, **body})
    headers = {**flooded.flood, **headers, "content-type": "application/json"}
    answer = httpx.post(f"{flooded.url}/v1/embeddings", content=content, headers=headers, timeout=20)

    assert answer.status_code == 429
    assert flooded.embedding.request is not None


@pytest.mark.parametrize("content", [b"{", b'{"model": 3}', b"[]", b'{"model": "\xff"}', b"[" * 5000])
def test_a_wrong_body_is_told_also_in_a_flood(flooded: World, content: bytes) -> None:
    headers = {**flooded.flood, "content-type": "application/json"}
    answer = httpx.post(f"{flooded.url}/v1/embeddings", content=content, headers=headers, timeout=20)

    assert answer.status_code == 400


def test_other_methods_and_paths_are_as_without_a_flood(flooded: World) -> None:
    assert httpx.get(f"{flooded.url}/v1/embeddings", headers=flooded.flood).status_code == 405
    assert httpx.post(f"{flooded.url}/v1/embeddings/x", headers=flooded.flood, json={}).status_code == 404
