"""Bodies of the health routes."""

from __future__ import annotations

from msgspec import Struct


class InstanceHealth(Struct, kw_only=True):
    """One instance of a service."""

    address: str
    healthy: bool
    """True while it gets calls."""
    reason: str
    """Why it gets none; empty when healthy."""


class ServiceHealth(Struct, kw_only=True):
    """One service."""

    healthy: bool
    """True while at least one instance is."""
    required: bool
    """False for a service without which requests still succeed."""
    reason: str
    """Why it is not healthy; empty when it is."""
    instances: list[InstanceHealth]


class Health(Struct, kw_only=True):
    """Whether requests can be answered, and if not, because of what."""

    ready: bool
    draining: bool
    """True once the process was told to stop."""
    services: dict[str, ServiceHealth]


class NotReady(Health, kw_only=True):
    """The same as a problem of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    """The path that was asked for."""
    code: str
    request_id: str


class Liveness(Struct, kw_only=True):
    """That the process runs."""

    alive: bool = True
