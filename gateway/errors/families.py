"""The API families, told apart by path, and the shape in which the clients of each expect errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.errors.failure import Failure, Headers

PROBLEM_JSON = b"application/problem+json"
JSON = b"application/json"

Render = Callable[[Failure, str], dict[str, Any]]


def answer(failure: Failure, path: str, request_id: str) -> tuple[Headers, bytes]:
    """Headers and body of an error under `path`."""
    render = next((render for prefix, render in _FAMILIES if _is_under(path, prefix)), None)
    if render is None:
        return _pack(PROBLEM_JSON, failure, problem(failure, path, request_id))
    return _pack(JSON, failure, render(failure, request_id))


def problem(failure: Failure, path: str, request_id: str) -> dict[str, Any]:
    """A problem of RFC 9457, as our own routes answer it."""
    return {
        "type": f"urn:isolane:problem:{failure.code}",
        "title": failure.title,
        "status": failure.status,
        "detail": failure.detail,
        "instance": path,
        "code": failure.code,
        "request_id": request_id,
    }


def _openai(failure: Failure, _request_id: str) -> dict[str, Any]:
    """The error object of OpenAI's API."""
    # Clients tell a wrong model name by OpenAI's own code.
    code = "model_not_found" if failure.code == "unknown_model" else failure.code
    kind = "invalid_request_error"
    if failure.status == 429:
        kind = "rate_limit_error"
    elif failure.status >= 500:
        kind = "server_error"
    return {"error": {"message": failure.detail, "type": kind, "param": failure.param, "code": code}}


def _cohere(failure: Failure, request_id: str) -> dict[str, Any]:
    """Cohere's `message` and, for Jina's clients, `detail`."""
    return {"id": request_id, "message": failure.detail, "detail": failure.detail}


def _docling(failure: Failure, _request_id: str) -> dict[str, Any]:
    """The `detail` of docling-serve."""
    return {"detail": failure.detail}


_FAMILIES: tuple[tuple[str, Render], ...] = (
    ("/v1/embeddings", _openai),
    ("/v1/models", _openai),
    ("/v1/rerank", _cohere),
    ("/v2/rerank", _cohere),
    *((prefix, _docling) for prefix in ("/v1/convert", "/v1/chunk", "/v1/status", "/v1/result", "/v1alpha")),
)


def _is_under(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in {"", "/"}


def _pack(media_type: bytes, failure: Failure, body: dict[str, Any]) -> tuple[Headers, bytes]:
    data = msgspec.json.encode(body)
    length = b"%d" % len(data)
    return ((b"content-type", media_type), (b"content-length", length), *failure.headers), data
