"""The error tree, and how each of its errors crosses gRPC.

    IsolaneError
    ├── StartupError              the process cannot start; never crosses the wire
    │   ├── ConfigInvalid         settings are wrong; lists every problem
    │   └── Unbuildable           a model needs torch, which is an extra
    ├── DeviceError               a device failed a batch; never crosses the wire
    │   ├── DeviceMemoryFull      a smaller batch may fit
    │   └── DeviceLost            only a new process can use the device again
    └── RequestError              one request failed; crosses gRPC
        ├── InvalidRequest        the caller must change the request
        │   ├── TooLarge          a limit on size or number was passed
        │   ├── DeadlineTooShort  the work alone needs more time than the deadline leaves
        │   ├── UnknownModel      no such model here
        │   ├── UnsupportedFormat a file's format is not parsed here
        │   └── UnprocessableFile the file is damaged or cannot be parsed
        ├── Unavailable           nothing can answer at the moment
        │   ├── NoEndpoint        no healthy instance
        │   └── BreakerOpen       every instance failed lately
        ├── NotPermitted          this caller may not call that
        ├── Overloaded            the queue is full; come back after `retry_after_s`
        ├── DeadlineExceeded      the caller's time is over
        ├── Cancelled             the caller went away
        └── BackendFailed         the model or parser failed, or a bug

`GRPC_STATUS` holds one row per class below `RequestError`. `gateway/errors/problems.py` adds what only HTTP knows: two
more classes, which never cross gRPC, and the second table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from grpc import StatusCode


class IsolaneError(Exception):
    """Anything that Isolane itself reports as having gone wrong."""


class StartupError(IsolaneError):
    """The process cannot start: the message says what failed, on what, and what to do."""


class ConfigInvalid(StartupError):
    """Settings are wrong.

    Args:
        service: whose settings.
        problems: every problem found, one sentence each.
    """

    def __init__(self, service: str, problems: Sequence[str]) -> None:
        super().__init__(f"{service}: {len(problems)} setting(s) are wrong:\n  " + "\n  ".join(problems))
        self.problems = tuple(problems)


class Unbuildable(StartupError):
    """A model has something that the graph builder does not know; torch may know it."""


class DeviceError(IsolaneError):
    """A device failed a batch, whatever its items are."""


class DeviceMemoryFull(DeviceError):
    """The device has no memory for a batch of this size; a smaller one may fit."""


class DeviceLost(DeviceError):
    """The device is in a state that only a new process mends, as after a CUDA error that is sticky."""


class RequestError(IsolaneError):
    """One request failed.

    Args:
        message: what failed, on what, what to do; safe to show to the caller.
        retry_after_s: seconds after which the same request may succeed; None when it will not by waiting.
        param: the request's field at fault, where one is.
    """

    code: ClassVar[str]

    def __init__(self, message: str, *, retry_after_s: float | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.param = param


class InvalidRequest(RequestError):
    """The request is wrong and will stay wrong; the caller must change it."""

    code = "invalid_request"


class TooLarge(InvalidRequest):
    """The request passes a limit on size or number."""

    code = "too_large"


class DeadlineTooShort(InvalidRequest):
    """The work alone needs more time than the deadline leaves; nothing was computed."""

    code = "deadline_too_short"


class UnknownModel(InvalidRequest):
    """No instance serves a model of that name."""

    code = "unknown_model"


class UnsupportedFormat(InvalidRequest):
    """The file's format is not parsed here."""

    code = "unsupported_format"


class UnprocessableFile(InvalidRequest):
    """The file is damaged, or its content cannot be parsed."""

    code = "unprocessable_file"


class Unavailable(RequestError):
    """Nothing can answer at the moment; the same request may succeed later."""

    code = "unavailable"


class NoEndpoint(Unavailable):
    """No healthy instance of the service is known."""

    code = "no_endpoint"


class BreakerOpen(Unavailable):
    """Every instance failed lately and is left alone for a while."""

    code = "breaker_open"


class NotPermitted(RequestError):
    """No intention of the mesh lets this caller call that method, or the admin token it takes is missing or wrong."""

    code = "not_permitted"


class Overloaded(RequestError):
    """The service has more work than it takes; nothing was computed.

    Args:
        message, retry_after_s, param: as of every error.
        work_s: how long the refused work takes once it is begun, where that is known.
        instance: who refused, where that is known.
    """

    code = "overloaded"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        param: str | None = None,
        work_s: float | None = None,
        instance: str = "",
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, param=param)
        self.work_s = work_s
        self.instance = instance


class DeadlineExceeded(RequestError):
    """The time that the caller gave is over."""

    code = "deadline_exceeded"


class Cancelled(RequestError):
    """The caller went away before the answer."""

    code = "cancelled"


class BackendFailed(RequestError):
    """The model or the parser failed, or there is a bug; the log has the cause under the request id."""

    code = "backend_failed"


# Envoy counts UNAVAILABLE, INTERNAL, UNKNOWN, DATA_LOSS, UNIMPLEMENTED and DEADLINE_EXCEEDED against an instance, as it
# reads them as 5xx, and after five in a row it sends nobody there. So a server of ours never answers with one of these
# what the input or the deadline of one client can bring about: ABORTED counts as 409.
GRPC_STATUS: Mapping[type[RequestError], StatusCode] = MappingProxyType(
    {
        InvalidRequest: StatusCode.INVALID_ARGUMENT,
        TooLarge: StatusCode.INVALID_ARGUMENT,
        DeadlineTooShort: StatusCode.INVALID_ARGUMENT,
        UnknownModel: StatusCode.NOT_FOUND,
        UnsupportedFormat: StatusCode.FAILED_PRECONDITION,
        UnprocessableFile: StatusCode.FAILED_PRECONDITION,
        Unavailable: StatusCode.UNAVAILABLE,
        NoEndpoint: StatusCode.UNAVAILABLE,
        BreakerOpen: StatusCode.UNAVAILABLE,
        NotPermitted: StatusCode.PERMISSION_DENIED,
        Overloaded: StatusCode.RESOURCE_EXHAUSTED,
        DeadlineExceeded: StatusCode.ABORTED,
        Cancelled: StatusCode.CANCELLED,
        BackendFailed: StatusCode.ABORTED,
    }
)


def request_errors(root: type[RequestError] = RequestError) -> Iterator[type[RequestError]]:
    """Every class below `root`, parents first."""
    for child in root.__subclasses__():
        yield child
        yield from request_errors(child)


def error_class(code: str) -> type[RequestError] | None:
    """The class whose `code` this is; None for a code of a newer or foreign server."""
    return next((cls for cls in request_errors() if cls.code == code), None)
