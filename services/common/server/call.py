"""The call being answered: its deadline, and what it has to say in the log line, span and metrics."""

from __future__ import annotations

from contextvars import ContextVar

from services.common.deadline import Deadline

Field = str | int | float | bool

_deadline: ContextVar[Deadline] = ContextVar("isolane_call_deadline")
_fields: ContextVar[dict[str, Field]] = ContextVar("isolane_call_fields")


def begin(deadline: Deadline) -> dict[str, Field]:
    """Start a call in this task; returns the fields that `note` will fill. For the interceptor."""
    _deadline.set(deadline)
    fields: dict[str, Field] = {}
    _fields.set(fields)
    return fields


def deadline() -> Deadline:
    """The deadline of the call that this task answers. Servicers read it once and pass it down."""
    return _deadline.get()


def note(**fields: Field) -> None:
    """Add fields to the call's log line and span, for example `items=3, queue_us=120`."""
    _fields.get().update(fields)
