"""What a call's end carries on the wire: its error, and the load of the instance that answered.

An error is a gRPC status whose details are google.rpc.ErrorInfo and google.rpc.RetryInfo; standard clients (grpcurl,
Envoy, other languages) read the same details. The load stands in a reply that has a field for
it, and else, in refusals too, in the trailing metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc.aio import AioRpcError

from services.common.deadline import read_microseconds
from services.common.errors import (
    GRPC_STATUS,
    BackendFailed,
    DeadlineExceeded,
    InvalidRequest,
    NotPermitted,
    Overloaded,
    RequestError,
    TooLarge,
    Unavailable,
    error_class,
)

DOMAIN = "isolane"
DETAILS_KEY = "grpc-status-details-bin"
QUEUED_COST_KEY = "x-isolane-queued-cost"
PREDICTED_WAIT_KEY = "x-isolane-predicted-wait-us"
_WORK_KEY = "work_us"
_INSTANCE_KEY = "instance"

Trailers = Iterable[tuple[str, str | bytes]]

_MAX_TEXT_BYTES = 1024
"""
Longest message or param on the wire. A peer refuses trailers over 8 KiB and then nothing of the error arrives; the
message is in them twice, once percent-encoded at up to three bytes for one.
"""

_BY_STATUS: dict[StatusCode, type[RequestError]] = {
    StatusCode.INVALID_ARGUMENT: InvalidRequest,
    StatusCode.OUT_OF_RANGE: InvalidRequest,
    StatusCode.NOT_FOUND: InvalidRequest,
    StatusCode.FAILED_PRECONDITION: InvalidRequest,
    StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    StatusCode.UNAVAILABLE: Unavailable,
    # Our servers ask nobody who he is: a sidecar did.
    StatusCode.PERMISSION_DENIED: NotPermitted,
    # A caller that cancels waits for no status, so this was the server: it stopped and its time to drain was over.
    StatusCode.CANCELLED: Unavailable,
}
"""What a status without our details means: it comes from gRPC itself, a proxy or another server."""

_BARE: dict[type[RequestError], str] = {
    Unavailable: "the instance went away or cannot be reached; try again",
    DeadlineExceeded: "no answer within the time allowed; allow more time or send less at once",
    NotPermitted: "the mesh refuses the call; an intention for this caller and method is missing (consul/intentions)",
    Overloaded: "the instance takes no more calls at the moment; try again",
    TooLarge: "the message passes the limit on its size; send less at once",
    BackendFailed: "the instance failed; its log has the cause under the request id",
}
"""gRPC's own texts name addresses and internals, so callers get these; the text goes to the log."""

_BARE_RETRY_S: dict[type[RequestError], float] = {Unavailable: 1.0, NotPermitted: 5.0, Overloaded: 1.0}


def encode(error: RequestError, *, instance: str = "") -> tuple[StatusCode, str, tuple[tuple[str, bytes]]]:
    """The status code, message and trailing metadata that carry `error`; long texts are cut.

    Args:
        error: what the call ends with.
        instance: who ends it; travels with a refusal for load, so that a caller behind a proxy knows who refused.
    """
    code, message = GRPC_STATUS[type(error)], _cut(error.message)
    info = ErrorInfo(reason=error.code, domain=DOMAIN)
    if error.param is not None:
        info.metadata["param"] = _cut(error.param)
    if isinstance(error, Overloaded):
        if error.work_s is not None:
            info.metadata[_WORK_KEY] = str(round(error.work_s * 1e6))
        if instance:
            info.metadata[_INSTANCE_KEY] = instance
    status = Status(code=code.value[0], message=message)
    status.details.add().Pack(info)
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return code, message, ((DETAILS_KEY, status.SerializeToString()),)


def decode(failure: AioRpcError, service: str) -> RequestError:
    """The error that `service` raised, or what its bare status means."""
    return read(failure, service)[0]


def read(failure: AioRpcError, service: str) -> tuple[RequestError, bool]:
    """The error as of `decode`, and whether a server of ours gave it; else gRPC did, a proxy, or another server."""
    info, retry_after_s = _details(failure)
    if info is None or info.domain != DOMAIN:
        cls = _by_status(failure)
        delay_s = retry_after_s or _BARE_RETRY_S.get(cls)
        return cls(f"{service}: {_BARE.get(cls, 'the call failed')}", retry_after_s=delay_s), False
    cls = error_class(info.reason) or _by_status(failure)
    error = cls(failure.details() or "", retry_after_s=retry_after_s, param=info.metadata.get("param"))
    if isinstance(error, Overloaded):
        error.work_s = read_microseconds(info.metadata.get(_WORK_KEY))
        error.instance = info.metadata.get(_INSTANCE_KEY, "")
    return error, True


def encode_load(queued_cost: int, predicted_wait_s: float) -> tuple[tuple[str, str], ...]:
    """The trailing metadata that carries an instance's load."""
    return (QUEUED_COST_KEY, str(queued_cost)), (PREDICTED_WAIT_KEY, str(round(predicted_wait_s * 1e6)))


def read_wait_s(reply: Message) -> float | None:
    """The predicted wait that a reply holds; None where it holds none. Trailing metadata costs four times as much."""
    load: Any = getattr(reply, "load", None)
    return load.predicted_wait_us / 1e6 if load is not None and reply.HasField("load") else None


def decode_wait_s(trailers: Trailers | None) -> float | None:
    """The predicted wait that trailing metadata carries; None where it carries none that can be read."""
    for key, value in trailers or ():
        if key == PREDICTED_WAIT_KEY and isinstance(value, str) and (wait_s := read_microseconds(value)) is not None:
            return wait_s
    return None


def _cut(text: str) -> str:
    """`text` as it fits into trailing metadata; lone surrogates, which no wire carries, become question marks."""
    raw = text.encode("utf-8", "replace")
    return raw.decode() if len(raw) <= _MAX_TEXT_BYTES else raw[:_MAX_TEXT_BYTES].decode("utf-8", "ignore") + "…"


def _by_status(failure: AioRpcError) -> type[RequestError]:
    """What the bare status means."""
    if failure.code() is StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (failure.details() or ""):
        return TooLarge  # gRPC has one status for a full server and a message over its limit: only the text tells
    return _BY_STATUS.get(failure.code(), BackendFailed)


def _details(failure: AioRpcError) -> tuple[ErrorInfo | None, float | None]:
    """ErrorInfo and retry delay of a failed call, where it has them and they can be read."""
    raw = next((value for key, value in failure.trailing_metadata() or () if key == DETAILS_KEY), None)
    if not isinstance(raw, bytes):
        return None, None
    try:
        return _parse(raw)
    except DecodeError:  # written by something that is not ours, or damaged on the way
        return None, None


def _parse(raw: bytes) -> tuple[ErrorInfo | None, float | None]:
    info: ErrorInfo | None = None
    retry_after_s: float | None = None
    for detail in Status.FromString(raw).details:
        if detail.Is(ErrorInfo.DESCRIPTOR):
            info = ErrorInfo.FromString(detail.value)
        elif detail.Is(RetryInfo.DESCRIPTOR):
            retry_after_s = RetryInfo.FromString(detail.value).retry_delay.ToMilliseconds() / 1000
    return info, retry_after_s
