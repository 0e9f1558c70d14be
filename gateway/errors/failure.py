"""What went wrong, as HTTP tells it: the one place where exceptions become answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus

from grpc.aio import AioRpcError
from litestar.exceptions import HTTPException, ValidationException

from gateway.errors.problems import HTTP_PROBLEM
from services.common.call import Field
from services.common.errors import BackendFailed, RequestError
from services.common.telemetry.logs import get_logger

log = get_logger()

_REASON_LETTERS = 300
"""Of an error's text in the log: it may quote what the caller sent."""

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error before it takes the shape of an API family."""

    status: int
    title: str
    """The kind of error; the same for every error of a code."""
    code: str
    detail: str
    """What failed, on what, what to do."""
    param: str | None = None
    """The request's field at fault, where one is."""
    headers: Headers = ()
    """Headers that belong to the error, for example Retry-After."""
    cause: str = ""
    """What an upstream said, for the log alone."""

    def notes(self) -> dict[str, Field]:
        """What the log line says of it; of a caller's mistake the reason, as nothing else tells it later."""
        notes: dict[str, Field] = {"code": self.code}
        if self.cause:
            notes["cause"] = self.cause
        if self.status < HTTPStatus.INTERNAL_SERVER_ERROR and self.status != HTTPStatus.TOO_MANY_REQUESTS:
            notes["reason"] = self.detail[:_REASON_LETTERS]
        return notes


def failure_of(error: Exception) -> Failure:
    """What to answer to an exception; one that nobody foresaw is logged and its text kept from the caller."""
    if isinstance(error, RequestError):
        return _of_request_error(error)
    if isinstance(error, HTTPException) and error.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
        return _of_http_exception(error)
    log.error("request_failed", exc_info=error)
    return _of_request_error(BackendFailed("the gateway failed; its log has the cause under the request id"))


def _of_request_error(error: RequestError) -> Failure:
    problem = HTTP_PROBLEM[type(error)]
    return Failure(
        status=problem.status,
        title=problem.title,
        code=error.code,
        detail=error.message,
        param=error.param,
        headers=_retry_headers(error.retry_after_s),
        cause=_cause(error) if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "",
    )


def _of_http_exception(error: HTTPException) -> Failure:
    """Litestar's own refusals (no such path, wrong method, …) and those that have no place in the error tree."""
    status = HTTPStatus(error.status_code)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return Failure(
        status=status.value,
        title=status.phrase,
        code=status.name.lower(),
        detail=_detail(error, status),
        headers=tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
    )


def _detail(error: HTTPException, status: HTTPStatus) -> str:
    if status is HTTPStatus.NOT_FOUND and error.detail == status.phrase:
        return "no such path; /schema/openapi.json lists them"
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return "the path does not take this method; the Allow header lists those that it takes"
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        return "; ".join(f"{item.get('key', 'request')}: {item.get('message')}" for item in error.extra)
    return error.detail


def _cause(error: RequestError) -> str:
    """The foreign error behind it: a failed call's own text is not for callers, so the log has to have it."""
    cause = error.__cause__
    if isinstance(cause, AioRpcError):
        return f"{cause.code().name}: {cause.details()}"[:500]
    return repr(cause)[:500] if cause is not None else ""


def _retry_headers(retry_after_s: float | None) -> Headers:
    """Retry-After in whole seconds, and the milliseconds that OpenAI's clients prefer."""
    if retry_after_s is None:
        return ()
    seconds = max(1, math.ceil(retry_after_s))
    milliseconds = max(0, round(retry_after_s * 1000))
    return ((b"retry-after", b"%d" % seconds), (b"retry-after-ms", b"%d" % milliseconds))
