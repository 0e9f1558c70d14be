"""What HTTP adds to the error tree: errors of its own, and the status and title of every error.

    RequestError                  services/common/errors.py
    ├── ForbiddenHost             the Host header names another server (DNS rebinding)
    └── ForbiddenPeer             the connection comes from where none is allowed

`HTTP_PROBLEM` holds one row per class below `RequestError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.common.errors import (
    BackendFailed,
    BreakerOpen,
    Cancelled,
    DeadlineExceeded,
    DeadlineTooShort,
    InvalidRequest,
    NoEndpoint,
    NotPermitted,
    Overloaded,
    RequestError,
    TooLarge,
    Unavailable,
    UnknownModel,
    UnprocessableFile,
    UnsupportedFormat,
)


class ForbiddenHost(RequestError):
    """The Host header names a server that this is not."""

    code = "forbidden_host"


class ForbiddenPeer(RequestError):
    """The connection comes from an address that may not call."""

    code = "forbidden_peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """How an error looks over HTTP."""

    status: int
    title: str


HTTP_PROBLEM: Mapping[type[RequestError], Problem] = MappingProxyType(
    {
        InvalidRequest: Problem(status=400, title="Invalid request"),
        TooLarge: Problem(status=413, title="Too large"),
        DeadlineTooShort: Problem(status=413, title="Too large for its deadline"),
        UnknownModel: Problem(status=404, title="Unknown model"),
        UnsupportedFormat: Problem(status=415, title="Unsupported format"),
        UnprocessableFile: Problem(status=422, title="Unprocessable file"),
        ForbiddenHost: Problem(status=421, title="Misdirected request"),
        ForbiddenPeer: Problem(status=403, title="Forbidden"),
        Unavailable: Problem(status=503, title="Service unavailable"),
        NoEndpoint: Problem(status=503, title="No healthy instance"),
        BreakerOpen: Problem(status=503, title="Instances are failing"),
        NotPermitted: Problem(status=503, title="Not permitted in the mesh"),
        Overloaded: Problem(status=429, title="Overloaded"),
        DeadlineExceeded: Problem(status=504, title="Deadline exceeded"),
        Cancelled: Problem(status=499, title="Client closed request"),
        BackendFailed: Problem(status=500, title="Backend failed"),
    }
)
