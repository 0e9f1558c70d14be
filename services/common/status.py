"""Errors on the wire: a gRPC status whose details are google.rpc.ErrorInfo and google.rpc.RetryInfo.

Standard clients (grpcurl, Envoy, other languages) read the same details.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc.aio import AioRpcError

from services.common.errors import (
    GRPC_STATUS,
    BackendFailed,
    Cancelled,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    RequestError,
    Unavailable,
    error_class,
)

DOMAIN = "isolane"
DETAILS_KEY = "grpc-status-details-bin"

_BY_STATUS: dict[StatusCode, type[RequestError]] = {
    StatusCode.INVALID_ARGUMENT: InvalidRequest,
    StatusCode.OUT_OF_RANGE: InvalidRequest,
    StatusCode.NOT_FOUND: InvalidRequest,
    StatusCode.FAILED_PRECONDITION: InvalidRequest,
    StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    StatusCode.CANCELLED: Cancelled,
    StatusCode.UNAVAILABLE: Unavailable,
}
"""What a status without our details means: it comes from gRPC itself, a proxy or another server."""

_BARE: dict[type[RequestError], str] = {
    Unavailable: "the instance went away or cannot be reached; try again",
    DeadlineExceeded: "no answer within the time allowed; allow more time or send less at once",
    Overloaded: "the instance takes no more calls at the moment; try again",
    Cancelled: "the call was cancelled",
    BackendFailed: "the instance failed; its log has the cause under the request id",
}
"""gRPC's own texts name addresses and internals, so callers get these; the text goes to the log."""

_BARE_RETRY_S: dict[type[RequestError], float] = {Unavailable: 1.0, Overloaded: 1.0}


def encode(error: RequestError) -> tuple[StatusCode, str, tuple[tuple[str, bytes]]]:
    """The status code, message and trailing metadata that carry `error`."""
    code = GRPC_STATUS[type(error)]
    info = ErrorInfo(reason=error.code, domain=DOMAIN)
    if error.param is not None:
        info.metadata["param"] = error.param
    status = Status(code=code.value[0], message=error.message)
    status.details.add().Pack(info)
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return code, error.message, ((DETAILS_KEY, status.SerializeToString()),)


def decode(failure: AioRpcError, service: str) -> RequestError:
    """The error that `service` raised, or what its bare status means."""
    info, retry_after_s = _details(failure)
    cls = error_class(info.reason) if info is not None and info.domain == DOMAIN else None
    if cls is not None and info is not None:
        return cls(failure.details() or "", retry_after_s=retry_after_s, param=info.metadata.get("param"))
    cls = _BY_STATUS.get(failure.code(), BackendFailed)
    return cls(f"{service}: {_BARE.get(cls, 'the call failed')}", retry_after_s=retry_after_s or _BARE_RETRY_S.get(cls))


def _details(failure: AioRpcError) -> tuple[ErrorInfo | None, float | None]:
    """ErrorInfo and retry delay of a failed call, where it has them."""
    raw = next((value for key, value in failure.trailing_metadata() or () if key == DETAILS_KEY), None)
    if not isinstance(raw, bytes):
        return None, None
    info: ErrorInfo | None = None
    retry_after_s: float | None = None
    for detail in Status.FromString(raw).details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            info = ErrorInfo.FromString(detail.value)
        elif detail.Is(RetryInfo.DESCRIPTOR):
            retry_after_s = RetryInfo.FromString(detail.value).retry_delay.ToMilliseconds() / 1000
    return info, retry_after_s
