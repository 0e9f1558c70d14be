"""Errors as each family's clients read them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from gateway.errors import problems
from gateway.errors.failure import failure_of
from gateway.errors.families import answer
from gateway.errors.problems import HTTP_PROBLEM
from gateway.schemas.convert import ConvertError
from gateway.schemas.openai import OpenAIError
from gateway.schemas.rerank import RerankError
from services.common import errors
from services.common.errors import BackendFailed, InvalidRequest, Overloaded, RequestError, UnknownModel, request_errors

CLASSES = [cls for cls in request_errors() if cls.__module__ in {errors.__name__, problems.__name__}]


def rendered(error: Exception, path: str) -> tuple[dict[bytes, bytes], Any]:
    headers, body = answer(failure_of(error), path, "the-id")
    return dict(headers), msgspec.json.decode(body)


@pytest.mark.parametrize("error", [InvalidRequest("a.md: wrong"), NotFoundException(), UnknownModel("x" * 5000)])
def test_the_log_says_why_a_request_was_refused(error: Exception) -> None:
    failure = failure_of(error)

    assert failure.notes() == {"code": failure.code, "reason": failure.detail[:300]}


def test_the_log_says_of_many_refusals_only_the_code() -> None:
    assert failure_of(Overloaded("full", retry_after_s=1.0)).notes() == {"code": "overloaded"}


def test_the_table_of_problems_holds_exactly_the_tree_and_what_http_adds() -> None:
    assert set(HTTP_PROBLEM) == set(CLASSES)


def test_every_code_is_one_class_own_with_what_http_adds() -> None:
    assert len({cls.__dict__["code"] for cls in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.code)
def test_every_error_of_the_tree_keeps_its_status_and_code_on_own_routes(cls: type[RequestError]) -> None:
    headers, body = rendered(cls("what failed"), "/health")

    assert headers[b"content-type"] == b"application/problem+json"
    assert body["status"] == HTTP_PROBLEM[cls].status == failure_of(cls("what failed")).status
    assert body["title"] == HTTP_PROBLEM[cls].title
    assert (body["code"], body["detail"], body["instance"]) == (cls.code, "what failed", "/health")
    assert body["request_id"] == "the-id"


@pytest.mark.parametrize(
    ("path", "body_type"),
    [
        ("/v1/embeddings", OpenAIError),
        ("/v1/models/a/b", OpenAIError),
        ("/v1/rerank", RerankError),
        ("/v2/rerank", RerankError),
        ("/v1/convert/file", ConvertError),
    ],
)
def test_error_of_a_family_is_what_the_schema_says(path: str, body_type: type[msgspec.Struct]) -> None:
    _, data = answer(failure_of(InvalidRequest("wrong", param="a")), path, "the-id")

    fields = set(msgspec.json.decode(data))
    msgspec.json.decode(data, type=body_type)

    assert fields == set(body_type.__struct_fields__)


def test_path_that_only_begins_like_a_family_is_our_own() -> None:
    headers, _ = rendered(InvalidRequest("wrong"), "/v1/embeddings-of-others")

    assert headers[b"content-type"] == b"application/problem+json"


def test_openai_clients_recognise_an_unknown_model_and_overload() -> None:
    _, unknown = rendered(UnknownModel("no", param="model"), "/v1/embeddings")
    _, busy = rendered(Overloaded("later"), "/v1/embeddings")

    assert unknown["error"]["code"] == "model_not_found"
    assert unknown["error"]["param"] == "model"
    assert busy["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize(
    ("retry_after_s", "seconds", "milliseconds"),
    [(0.0, b"1", b"0"), (0.2, b"1", b"200"), (1.0, b"1", b"1000"), (1.01, b"2", b"1010"), (30.0, b"30", b"30000")],
)
def test_retry_after_is_whole_seconds_rounded_up(retry_after_s: float, seconds: bytes, milliseconds: bytes) -> None:
    headers, _ = rendered(Overloaded("later", retry_after_s=retry_after_s), "/v1/rerank")

    assert (headers[b"retry-after"], headers[b"retry-after-ms"]) == (seconds, milliseconds)


def test_error_without_a_hint_has_no_retry_after() -> None:
    headers, _ = rendered(Overloaded("later"), "/v1/rerank")

    assert b"retry-after" not in headers


def test_unforeseen_error_hides_its_text() -> None:
    _, body = rendered(RuntimeError("password=hunter2"), "/v1/embeddings")

    assert "hunter2" not in str(body)
    assert body["error"]["code"] == "backend_failed"


def test_frameworks_own_500_is_unforeseen_too() -> None:
    _, body = rendered(HTTPException("secret", status_code=500), "/nope")

    assert "secret" not in str(body)
    assert body["status"] == 500


def test_frameworks_refusals_keep_status_and_headers() -> None:
    _, missing = rendered(NotFoundException(), "/nope")
    headers, method = rendered(MethodNotAllowedException(headers={"Allow": "GET"}), "/health")

    assert (missing["status"], missing["code"]) == (404, "not_found")
    assert (method["status"], method["code"]) == (405, "method_not_allowed")
    assert headers[b"allow"] == b"GET"


def test_cause_of_an_upstream_error_is_for_the_log_alone() -> None:
    error = Overloaded("later")
    error.__cause__ = ValueError("10.0.0.7:50051 said no")
    broken = BackendFailed("it failed")
    broken.__cause__ = ValueError("10.0.0.7:50051 said no")

    assert "cause" not in failure_of(error).notes()
    assert "10.0.0.7" in str(failure_of(broken).notes()["cause"])
    assert "10.0.0.7" not in str(rendered(broken, "/v1/rerank"))
