"""Hot routes answer as Litestar's do, and whole answers leave as uvicorn's do, whatever is odd about the request."""

from __future__ import annotations

import json
import socket
import uuid
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

MODEL = "all-MiniLM-L6-v2"
RERANKER = "ms-marco-MiniLM-L-12-v2"
EMBED = "/v1/embeddings"
HOT = "application/json"
LITESTARS = "application/json; charset=utf-8"
"""Means the same, and is not how a hot route knows its requests."""
OWN = {"date", "server-timing", "x-request-id", "x-trace-id"}
"""Headers that are each answer's own."""


def embed(**fields: Any) -> bytes:
    return json.dumps({"model": MODEL, "input": "text", **fields}).encode()


def rerank(**fields: Any) -> bytes:
    return json.dumps({"model": RERANKER, "query": "what", "documents": ["one", "two"], **fields}).encode()


CASES: list[tuple[str, str, str, dict[str, str], bytes]] = [
    ("one text", "POST", EMBED, {}, embed()),
    ("base64", "POST", EMBED, {}, embed(encoding_format="base64")),
    ("int8", "POST", EMBED, {}, embed(output_dtype="int8", input=["a", "b"])),
    ("a query string", "POST", f"{EMBED}?n=1&x=%ff", {}, embed()),
    ("a field of tomorrow", "POST", EMBED, {}, embed(tomorrow=[1])),
    ("a text too many", "POST", EMBED, {}, embed(input=["a"] * 2049)),
    ("an empty text", "POST", EMBED, {}, embed(input=["a", ""])),
    ("an empty text, reported", "POST", EMBED, {}, embed(input=["a", ""], item_errors="report")),
    ("a number for the model", "POST", EMBED, {}, embed(model=3)),
    ("a number as text", "POST", EMBED, {}, embed(dimensions="3")),
    ("a wrong choice", "POST", EMBED, {}, embed(encoding_format="roman")),
    ("an unknown model", "POST", EMBED, {}, embed(model="nope")),
    ("no body", "POST", EMBED, {}, b""),
    ("no JSON", "POST", EMBED, {}, b"{"),
    ("no object", "POST", EMBED, {}, b"[1]"),
    ("no UTF-8", "POST", EMBED, {}, b'{"model": "\xff"}'),
    ("a lone surrogate", "POST", EMBED, {}, b'{"model": "\\ud800"}'),
    ("deep nesting", "POST", EMBED, {}, b"[" * 100_000),
    ("a slash at the end", "POST", f"{EMBED}/", {}, embed()),
    ("two slashes", "POST", f"/{EMBED}", {}, embed()),
    ("an escaped path", "POST", "/v1/%65mbeddings", {}, embed()),
    ("another path", "POST", "/v1/embeddingz", {}, embed()),
    ("GET", "GET", EMBED, {}, b""),
    ("HEAD", "HEAD", EMBED, {}, b""),
    ("OPTIONS", "OPTIONS", EMBED, {}, b""),
    ("PUT", "PUT", EMBED, {}, embed()),
    ("compressed", "POST", EMBED, {"content-encoding": "gzip"}, embed()),
    ("a wrong time", "POST", EMBED, {"x-request-timeout-ms": "-1"}, embed()),
    ("a wrong priority", "POST", EMBED, {"x-isolane-priority": "first"}, embed()),
    ("a client of its own", "POST", EMBED, {"x-isolane-client": "team-a", "x-isolane-priority": "bulk"}, embed()),
    ("another host", "POST", EMBED, {"host": "evil.example"}, embed()),
    ("rerank, version 1", "POST", "/v1/rerank", {}, rerank()),
    ("rerank, version 2", "POST", "/v2/rerank", {}, rerank(return_documents=True, top_n=1)),
    ("rerank without a model", "POST", "/v1/rerank", {}, rerank(model=None)),
    ("rerank without documents", "POST", "/v2/rerank", {}, rerank(documents=[])),
    ("rerank with spans", "POST", "/v1/rerank", {}, rerank(relevant_spans=1)),
    ("rerank, a wrong body", "POST", "/v1/rerank", {}, b'{"query": 1}'),
]


@pytest.mark.parametrize(("method", "path", "headers", "body"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_hot_route_answers_and_logs_as_litestar_does(
    gateway: Any, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    warm = {"content-type": LITESTARS, **headers}
    httpx.request(method, f"{gateway.url}{path}", headers=warm, content=body)  # from here on results are cached

    seen = [ask(gateway, method, path, {"content-type": kind, **headers}, body) for kind in (HOT, LITESTARS)]

    assert seen[0] == seen[1]


def ask(gateway: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """All of an answer and its log line but what is each request's own."""
    mine = uuid.uuid4().hex
    answer = httpx.request(method, f"{gateway.url}{path}", headers={"x-request-id": mine, **headers}, content=body)
    line = gateway.request_line(mine)
    for own in ("timestamp", "request_id", "trace_id", "duration_ms", "queue_us", "compute_us"):
        line.pop(own, None)
    assert answer.headers["x-request-id"] == mine
    assert answer.headers["date"]
    return {
        "status": answer.status_code,
        "body": answer.text.replace(mine, ""),
        "headers": {name: value for name, value in answer.headers.items() if name not in OWN},
        "line": line,
    }


def test_an_error_of_a_hot_route_has_its_shape_and_its_line(gateway: Any) -> None:
    answer = httpx.post(f"{gateway.url}{EMBED}", content=b"{", headers={"content-type": HOT})

    assert answer.json()["error"]["type"] == "invalid_request_error"
    line = gateway.request_line(answer.headers["x-request-id"])
    assert (line["route"], line["code"], line["status"]) == (EMBED, "invalid_request", 400)


def post(body: bytes, *lines: bytes, version: bytes = b"1.1") -> bytes:
    head = [b"POST /v1/embeddings HTTP/" + version, b"Host: localhost", b"Content-Type: application/json", *lines]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


def talk(gateway: Any, *parts: bytes, ends: bool = True) -> bytes:
    """All that comes back until the connection is closed, or for a while."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
        for one in parts:
            connection.sendall(one)
        if not ends:
            connection.settimeout(0.5)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            assert not ends
        return received


CLOSE = b"Connection: close"


def test_pipelined_requests_are_answered_in_their_order(gateway: Any) -> None:
    requests = [post(embed(input=texts)) for texts in (["a"], ["a", "b"], ["a", "b", "c"])]

    received = talk(gateway, b"".join(requests), ends=False)

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    bodies = [part.partition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert [len(json.loads(body)["data"]) for body in bodies] == [1, 2, 3]


def test_an_answer_ends_the_connection_when_the_request_says_so(gateway: Any) -> None:
    received = talk(gateway, post(embed(), CLOSE))

    assert b"\r\nconnection: close\r\n" in received


def test_an_answer_to_the_http_of_old_ends_the_connection(gateway: Any) -> None:
    received = talk(gateway, post(embed(), version=b"1.0"))

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in received


def test_a_connection_is_used_again_after_a_whole_answer(gateway: Any) -> None:
    with httpx.Client() as client:
        answers = [client.post(f"{gateway.url}{EMBED}", json={"model": MODEL, "input": text}) for text in "abc"]
        streams = {id(answer.extensions["network_stream"]) for answer in answers}

    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(streams) == 1


def test_a_body_in_parts_is_put_together(gateway: Any) -> None:
    whole = embed(input="x" * 100_000)
    at = len(post(whole)) - 50_000

    received = talk(gateway, post(whole, CLOSE)[:at], post(whole, CLOSE)[at:])

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_who_asks_first_may_send_the_body(gateway: Any) -> None:
    request = post(embed(), CLOSE, b"Expect: 100-continue")
    head, _, body = request.partition(b"\r\n\r\n")

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
        connection.sendall(head + b"\r\n\r\n")
        told = connection.recv(100)
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_head_has_the_head_alone(gateway: Any) -> None:
    received = talk(gateway, b"HEAD /health/live HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n")
