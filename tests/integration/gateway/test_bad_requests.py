"""Bad requests against a running gateway: a clear answer in the family's shape, and nothing else disturbed."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

MODEL = "all-MiniLM-L6-v2"
RERANKER = "ms-marco-MiniLM-L-12-v2"
JSON = {"content-type": "application/json"}
EMBED = "/v1/embeddings"
RERANK = "/v1/rerank"
CONVERT = "/v1/convert/file"


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A request and the answer that it must get."""

    name: str
    path: str = EMBED
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    body: bytes = b""
    status: int = 400
    says: str
    param: str | None = None


def embed(**fields: Any) -> bytes:
    return json.dumps({"model": MODEL, "input": "text", **fields}).encode()


def rerank(**fields: Any) -> bytes:
    return json.dumps({"model": RERANKER, "query": "what", "documents": ["one", "two"], **fields}).encode()


def multipart(*parts: bytes) -> dict[str, Any]:
    body = b"".join(b"--frame\r\n" + part + b"\r\n" for part in parts) + b"--frame--\r\n"
    return {"path": CONVERT, "headers": {"content-type": "multipart/form-data; boundary=frame"}, "body": body}


def part(name: str, value: bytes, filename: str | None = None, headers: bytes = b"") -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'Content-Disposition: form-data; name="{name}"{file}\r\n'.encode() + headers + b"\r\n" + value


FILE = part("files", b"# Title", filename="a.md")
BOMB = b"[" * 100_000 + b"]" * 100_000

BAD = [
    Bad(name="no body", says="empty"),
    Bad(name="not json", body=b"{", says="not JSON"),
    Bad(name="two values", body=embed() + embed(), says="not JSON"),
    Bad(name="not an object", body=b"[]", says="expected `object`"),
    Bad(name="null", body=b"null", says="expected `object`"),
    Bad(name="no model", body=b'{"input": "a"}', says="required", param="model"),
    Bad(name="no input", body=b'{"model": "a"}', says="required", param="input"),
    Bad(name="model is a number", body=embed(model=5), says="expected `str`", param="model"),
    Bad(name="model is empty", body=embed(model=""), says="length", param="model"),
    Bad(name="model is null", body=embed(model=None), says="expected `str`", param="model"),
    Bad(name="unknown model", body=embed(model="nope"), status=404, says="nope", param="model"),
    Bad(name="unknown model of another script", body=embed(model="模型\n\x00"), status=404, says="not served"),
    Bad(name="input is a number", body=embed(input=5), says="expected", param="input"),
    Bad(name="input is null", body=embed(input=None), says="expected", param="input"),
    Bad(name="input is an object", body=embed(input={"text": "a"}), says="expected", param="input"),
    Bad(name="input is an empty list", body=embed(input=[]), says="empty", param="input"),
    Bad(name="input is an empty text", body=embed(input=""), says="empty", param="input[0]"),
    Bad(name="input has an empty text", body=embed(input=["a", ""]), says="input[1]", param="input[1]"),
    Bad(name="input has empty ids", body=embed(input=[[1], []]), says="input[1]", param="input[1]"),
    Bad(name="input mixes kinds", body=embed(input=["a", 1]), says="mixed", param="input"),
    Bad(name="input has a boolean", body=embed(input=[True]), says="got `bool`", param="input[0]"),
    Bad(name="input has a fraction", body=embed(input=[[1.5]]), says="got `float`", param="input[0][0]"),
    Bad(name="input has too many texts", body=embed(input=["a"] * 2049), status=413, says="2049", param="input"),
    Bad(name="input has a text that is too long", body=embed(input="a" * 1_000_001), says="bytes", param="input[0]"),
    Bad(name="token id outside the vocabulary", body=embed(input=[1, 99_999_999]), says="vocabulary"),
    Bad(name="token id is negative", body=embed(input=[[-1]]), says=">= 0", param="input[0][0]"),
    Bad(name="token id of 5,000 digits", body=b'{"model":"m","input":[' + b"9" * 5000 + b"]}", says="out of range"),
    Bad(name="number out of range", body=b'{"model":"m","input":1e999}', says="out of range", param="input"),
    Bad(name="not a number", body=b'{"model":"m","input":NaN}', says="not JSON"),
    Bad(name="infinite", body=b'{"model":"m","input":[-Infinity]}', says="not JSON"),
    Bad(name="bad UTF-8", body=b'{"model":"m","input":"\xff\xfe"}', says="UTF-8"),
    Bad(name="lone surrogate", body=b'{"model":"m","input":"\\ud800"}', says="lone surrogate"),
    Bad(name="reversed surrogates", body=b'{"model":"m","input":"\\udc00\\ud800"}', says="lone surrogate"),
    Bad(name="bare NUL byte", body=b'{"model":"m","input":"\x00"}', says="not JSON"),
    Bad(name="UTF-16", body='{"model":"m","input":"a"}'.encode("utf-16"), says="not JSON"),
    Bad(name="deep input", body=b'{"model":"m","input":' + BOMB + b"}", says="expected", param="input[0][0]"),
    Bad(name="deep unknown field", body=b'{"x":' + BOMB + b',"model":"m","input":"a"}', says="nested too deeply"),
    Bad(name="dimensions", body=embed(dimensions=7), says="dimensions 7", param="dimensions"),
    Bad(name="dimensions is a text", body=embed(dimensions="384"), says="expected `int", param="dimensions"),
    Bad(name="dimensions is zero", body=embed(dimensions=0), says=">= 1", param="dimensions"),
    Bad(name="encoding_format", body=embed(encoding_format="hex"), says="'hex'; use float or base64",
        param="encoding_format"),
    Bad(name="input_type", body=embed(input_type="passage"), says="'passage'; use query or document",
        param="input_type"),
    Bad(name="output_dtype", body=embed(output_dtype="uint8"), says="use float32 or float16 or int8 or binary",
        param="output_dtype"),
    Bad(name="item_errors", body=embed(item_errors=True), says="expected `str", param="item_errors"),
    Bad(name="compressed body", headers={**JSON, "content-encoding": "gzip"}, body=b"\x1f\x8b", status=415,
        says="'gzip': compressed bodies are not taken"),
    Bad(name="body too large", body=b"x" * (4 * 1024 * 1024 + 1), status=413, says="4194304 bytes"),
    Bad(name="form instead of JSON", headers={"content-type": "application/x-www-form-urlencoded"}, body=embed(),
        status=415, says="application/json"),
    Bad(name="text instead of JSON", headers={"content-type": "text/plain"}, body=embed(), status=415, says="JSON"),
    Bad(name="no content type", headers={}, body=embed(), status=415, says="application/json"),
    Bad(name="timeout is a text", headers={**JSON, "x-request-timeout-ms": "soon"}, body=embed(), says="milliseconds"),
    Bad(name="timeout is zero", headers={**JSON, "x-request-timeout-ms": "0"}, body=embed(), says="number of 1 to"),
    Bad(name="timeout is negative", headers={**JSON, "x-request-timeout-ms": "-5"}, body=embed(), says="whole number"),
    Bad(name="timeout of 400 digits", headers={**JSON, "x-request-timeout-ms": "9" * 400}, body=embed(), says="whole"),
    Bad(name="client is no id", headers={**JSON, "x-isolane-client": "a b"}, body=embed(), says="an id of 1 to 128",
        param="x-isolane-client"),
    Bad(name="client is too long", headers={**JSON, "x-isolane-client": "a" * 129}, body=embed(), says="an id of"),
    Bad(name="priority", headers={**JSON, "x-isolane-priority": "urgent"}, body=embed(),
        says="neither interactive nor bulk", param="x-isolane-priority"),
    Bad(name="priority on our own route", headers={"x-isolane-priority": "urgent"}, path="/health", method="GET",
        says="neither interactive nor bulk"),
    Bad(name="foreign host", headers={**JSON, "host": "evil.example"}, body=embed(), status=421, says="evil.example"),
    Bad(name="host that begins well", headers={"host": "localhost.evil.example"}, path="/health", method="GET",
        status=421, says="evil.example"),
    Bad(name="wrong method", method="GET", headers={}, status=405, says="Allow"),
    Bad(name="no such path of the family", path="/v1/embeddings/x", status=404, says="no such path"),
    Bad(name="no such path", path="/v9/nope", method="GET", headers={}, status=404, says="no such path"),
    Bad(name="path with a lone surrogate", path="/%ED%A0%80", method="GET", headers={}, status=404, says="no such"),
    Bad(name="unknown model by id", path="/v1/models/a/b", method="GET", headers={}, status=404, says="a/b"),
    Bad(name="wrong method on our own route", path="/health", method="DELETE", headers={}, status=405, says="Allow"),
    Bad(name="rerank: no body", path=RERANK, says="empty"),
    Bad(name="rerank: no documents", path=RERANK, body=rerank(documents=[]), says="empty"),
    Bad(name="rerank: documents is a text", path=RERANK, body=rerank(documents="one"), says="expected `array`"),
    Bad(name="rerank: a document is a number", path=RERANK, body=rerank(documents=["a", 1]), says="documents[1]"),
    Bad(name="rerank: a document has no text", path=RERANK, body=rerank(documents=[{"title": "a"}]),
        says="documents[0].text: required"),
    Bad(name="rerank: a document is empty", path=RERANK, body=rerank(documents=["a", ""]), says="documents[1]"),
    Bad(name="rerank: too many", path=RERANK, body=rerank(documents=["a"] * 1001), status=413, says="1001"),
    Bad(name="rerank: the query is empty", path=RERANK, body=rerank(query=""), says="query"),
    Bad(name="rerank: the query is a list", path=RERANK, body=rerank(query=["a"]), says="query: expected"),
    Bad(name="rerank: top_n is zero", path=RERANK, body=rerank(top_n=0), says="top_n: expected"),
    Bad(name="rerank: top_n is a text", path=RERANK, body=rerank(top_n="1"), says="top_n: expected"),
    Bad(name="rerank: top_n is huge", path=RERANK, body=rerank(top_n=2**70), says="top_n"),
    Bad(name="rerank: rank_fields", path=RERANK, body=rerank(rank_fields=["title"]), says="rank_fields"),
    Bad(name="rerank: no tokens", path=RERANK, body=rerank(max_tokens_per_doc=0), says="max_tokens_per_doc: expected"),
    Bad(name="rerank: no chunks", path=RERANK, body=rerank(max_chunks_per_doc=0), says="max_chunks_per_doc: expected"),
    Bad(name="rerank: raw_scores", path=RERANK, body=rerank(raw_scores=1), says="raw_scores: expected"),
    Bad(name="rerank: item_errors", path=RERANK, body=rerank(item_errors="skip"), says="'skip'; use fail or report"),
    Bad(name="rerank: client", path=RERANK, headers={**JSON, "x-isolane-client": "a b"}, body=rerank(), says="an id"),
    Bad(name="rerank: spans", path="/v2/rerank", body=rerank(relevant_spans={"a": 1}), says="relevant_spans"),
    Bad(name="rerank: unknown model", path="/v2/rerank", body=rerank(model="nope"), status=404, says="nope"),
    Bad(name="rerank: lone surrogate", path=RERANK, body=b'{"query":"\\ud800","documents":["a"]}',
        says="lone surrogate"),
    Bad(name="convert: JSON", path=CONVERT, body=b"{}", status=415, says="multipart/form-data"),
    Bad(name="convert: compressed body", path=CONVERT, headers={"content-encoding": "br"}, body=b"x", status=415,
        says="'br': compressed bodies are not taken"),
    Bad(name="convert: no boundary", path=CONVERT, headers={"content-type": "multipart/form-data"}, body=b"x",
        says="boundary"),
    Bad(name="convert: not multipart", path=CONVERT,
        headers={"content-type": "multipart/form-data; boundary=frame"}, body=b"x" * 100, says="multipart"),
    Bad(name="convert: no body", path=CONVERT, headers={"content-type": "multipart/form-data; boundary=frame"},
        says="multipart"),
    Bad(name="convert: cut off", path=CONVERT, headers={"content-type": "multipart/form-data; boundary=frame"},
        body=b"--frame\r\n" + FILE, says="multipart"),
    Bad(name="convert: no file", **multipart(part("to_formats", b"md")), says="0 files"),
    Bad(name="convert: two files", **multipart(FILE, FILE), says="2 files"),
    Bad(name="convert: a file without a name", **multipart(part("files", b"x", filename="/")), says="name"),
    Bad(name="convert: a name that is too long", **multipart(part("files", b"x", filename="a" * 300)), says="name"),
    Bad(name="convert: a file that is empty", **multipart(part("files", b"", filename="a.md")), says="empty"),
    Bad(name="convert: unknown option", **multipart(FILE, part("frobnicate", b"1")), says="frobnicate"),
    Bad(name="convert: unsupported option", **multipart(FILE, part("do_chart_extraction", b"true")),
        says="do_chart_extraction"),
    Bad(name="convert: unknown output", **multipart(FILE, part("to_formats", b"doctags")), says="doctags"),
    Bad(name="convert: zip", **multipart(FILE, part("target_type", b"zip")), says="target_type"),
    Bad(name="convert: timeout", **multipart(FILE, part("document_timeout", b"nan")), says="document_timeout"),
    Bad(name="convert: other format", **multipart(FILE, part("from_formats", b"docx")), status=415, says="from_"),
    Bad(name="convert: unknown format", **multipart(part("files", b"\x7fELF\x02", filename="a.elf")), status=415,
        says="a.elf"),
    Bad(name="convert: option that is not UTF-8", **multipart(FILE, part("to_formats", b"\xff")), says="UTF-8"),
    Bad(name="convert: unknown charset",
        **multipart(FILE, part("to_formats", b"md", headers=b"Content-Type: text/plain; charset=nope\r\n")),
        says="charset"),
    Bad(name="convert: header that is none",
        **multipart(FILE.replace(b"Content-Disposition", b"\xff")), says="multipart"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_request_is_refused_clearly_and_disturbs_nothing(bad: Bad, gateway: Any) -> None:
    headers = {"x-request-id": "bad-request", **bad.headers}

    answer = httpx.request(bad.method, gateway.url + bad.path, headers=headers, content=bad.body, timeout=20)

    assert answer.status_code == bad.status, answer.text
    assert answer.headers["x-request-id"] == "bad-request"
    assert len(answer.headers["x-trace-id"]) == 32
    assert bad.says in message_of(answer, bad.path)
    if bad.param is not None:
        assert answer.json()["error"]["param"] == bad.param
    assert_good_request_works(gateway.url)


def message_of(answer: httpx.Response, path: str) -> str:
    """The message, from exactly the shape that the family's clients expect."""
    body = answer.json()
    if path.startswith(("/v1/embeddings", "/v1/models")):
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        return str(body["error"]["message"])
    if "rerank" in path:
        assert set(body) == {"id", "message", "detail"}
        assert body["id"] == answer.headers["x-request-id"]
        return str(body["message"])
    if path.startswith("/v1/convert"):
        assert set(body) == {"detail"}
        return str(body["detail"])
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    return str(body["detail"])


def assert_good_request_works(url: str) -> None:
    answer = httpx.post(f"{url}/v1/embeddings", json={"model": MODEL, "input": "good"}, timeout=20)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"][0]["embedding"]) == 384


RAW = {
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
    "unknown method": b"FROB / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "path that is not ASCII": b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "broken chunk": b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nab\r\n",
    "length that is no number": b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: ten\r\n\r\n",
    "NUL in a header": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: \x00\r\n\r\n",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_what_is_not_http_is_answered_with_a_problem(raw: bytes, gateway: Any) -> None:
    head, body = exchange(gateway.port, raw)

    assert b" 400 " in head.splitlines()[0]
    assert b"\r\nx-request-id: " in head
    assert b"\r\nx-trace-id: " in head
    assert json.loads(body)["status"] == 400
    assert_good_request_works(gateway.url)


def test_head_that_is_too_large_is_refused(gateway: Any) -> None:
    head, body = exchange(gateway.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 40_000)

    assert b" 431 " in head.splitlines()[0]
    assert "32768 bytes" in json.loads(body)["detail"]


def test_duplicate_host_headers_are_all_checked(gateway: Any) -> None:
    raw = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"

    head, _ = exchange(gateway.port, raw)

    assert b" 421 " in head.splitlines()[0]


def test_hostile_headers_are_harmless(gateway: Any) -> None:
    hostile = b"".join(
        [
            b"X-Request-Id: \xff\xfe\r\nX-Request-Id: second\r\n",
            b"traceparent: 00-zz\r\ntraceparent: \xff\r\ntracestate: " + b"=," * 600 + b"\r\n",
            b"Content-Type: \xff/\xfe\r\nAccept: ,;;=\r\nCookie: \xff=;;\r\nX-Request-Timeout-Ms: 5000\r\n",
        ]
    )
    raw = b"GET /v1/models?a=%ff&&=;# HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + hostile + b"\r\n"

    head, body = exchange(gateway.port, raw)

    assert b" 200 " in head.splitlines()[0], body
    assert b"second" not in head


def exchange(port: int, raw: bytes) -> tuple[bytes, bytes]:
    """Send bytes, read until the gateway closes; head and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body
