"""Who asks, and how urgently: set at the edge, carried in metadata, used to share models fairly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum

from services.common.errors import InvalidRequest

CLIENT_KEY = "x-isolane-client"
"""Name of the HTTP header and of the gRPC metadata key with the client's id."""
ORIGIN_KEY = "x-isolane-origin"
"""Name of the gRPC metadata key with the origin, which no caller of the gateway can set."""
PRIORITY_KEY = "x-isolane-priority"
"""Name of the HTTP header and of the gRPC metadata key with the priority."""

_CLIENT = re.compile(r"[A-Za-z0-9._:@/-]{1,128}")


class Priority(Enum):
    """The two classes of work: interactive goes before bulk, and bulk is never starved."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and how urgently."""

    client: str = ""
    """Clients share the models fairly; all who give no id count as one client."""
    priority: Priority = Priority.INTERACTIVE
    origin: str = ""
    """Where the call came from, as the gateway saw it: clients of one origin share its part, whatever they call
    themselves."""

    @property
    def identity(self) -> tuple[str, str]:
        """Origin and client: who it is, however urgently it asks."""
        return self.origin, self.client

    def metadata(self) -> Iterator[tuple[str, str]]:
        """The pairs that carry it to the next process."""
        if self.client:
            yield CLIENT_KEY, self.client
        if self.priority is not Priority.INTERACTIVE:
            yield PRIORITY_KEY, self.priority.value
        if self.origin:
            yield ORIGIN_KEY, self.origin


ANYONE = Caller()

current: ContextVar[Caller] = ContextVar("isolane_caller", default=ANYONE)
"""Whom this task works for."""


def accept(client: str | None, priority: str | None, origin: str | None = None) -> Caller:
    """The caller that headers or metadata name; without them anyone, interactive.

    Raises:
        InvalidRequest: one of them is not as it must be.
    """
    if not client and not priority and not origin:
        return ANYONE
    if client and not _CLIENT.fullmatch(client):
        raise InvalidRequest(
            f"{CLIENT_KEY}: not an id of 1 to 128 of A-Z a-z 0-9 . _ : @ / -; correct it or leave it out",
            param=CLIENT_KEY,
        )
    if origin and not _CLIENT.fullmatch(origin):
        raise InvalidRequest(f"{ORIGIN_KEY}: not an id; only the gateway sends it", param=ORIGIN_KEY)
    try:
        urgency = Priority(priority) if priority else Priority.INTERACTIVE
        return Caller(client=client or "", priority=urgency, origin=origin or "")
    except ValueError:
        raise InvalidRequest(
            f"{PRIORITY_KEY}: neither interactive nor bulk; correct it or leave it out", param=PRIORITY_KEY
        ) from None
