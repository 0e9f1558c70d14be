"""The call being answered: its deadline, whom it is for, and what it has to say in the log line, span and metrics."""

from __future__ import annotations

from contextvars import ContextVar

from services.common import caller
from services.common.caller import Caller, Priority
from services.common.deadline import Deadline

Field = str | int | float | bool

DERIVED = ("ip-", "key-")
"""How the ids begin that the gateway makes for callers who give none."""

_deadline: ContextVar[Deadline] = ContextVar("isolane_call_deadline")
_fields: ContextVar[dict[str, Field]] = ContextVar("isolane_call_fields")


def begin(deadline: Deadline) -> dict[str, Field]:
    """Start a call in this task; returns the fields that `note` will fill. For the interceptor."""
    _deadline.set(deadline)
    fields: dict[str, Field] = {}
    _fields.set(fields)
    return fields


def identify(asking: Caller) -> None:
    """Work for `asking` from here on. For the edges, once they know who asks.

    The log line gets the id that a client gave itself. An id that the gateway made of an address or of a key is none of
    the log's business: an address is personal data, and a short key could be found by its digest.
    """
    caller.current.set(asking)
    fields = _fields.get()
    if asking.client and not asking.client.startswith(DERIVED):
        fields["client"] = asking.client
    if asking.priority is not Priority.INTERACTIVE:
        fields["priority"] = asking.priority.value


def deadline() -> Deadline:
    """The deadline of the call that this task answers. Servicers read it once and pass it down."""
    return _deadline.get()


def note(**fields: Field) -> None:
    """Add fields to the call's log line and span, for example `items=3, queue_us=120`."""
    _fields.get().update(fields)
