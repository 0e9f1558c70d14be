"""The request id: made at the edge, carried in metadata, in every log line of the request."""

from __future__ import annotations

import random
import re
from contextvars import ContextVar

METADATA_KEY = "x-request-id"
"""Name of the HTTP header and of the gRPC metadata key."""

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")

current: ContextVar[str] = ContextVar("isolane_request_id", default="")
"""Id of the request that this task works for; empty outside a request."""


def accept(candidate: str | None) -> str:
    """The caller's id if it is harmless (1 to 128 of A-Z a-z 0-9 . _ -), else a new one."""
    if candidate is not None and _ACCEPTED.fullmatch(candidate):
        return candidate
    return f"{random.getrandbits(128):032x}"
