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


class ModelVariant(Struct, kw_only=True):
    """What decides the numbers that some instances of a model give."""

    revision: str
    dtype: str
    backend: str
    """Empty in float32, in which backends agree."""
    silent_s: float
    """How long ago it answered last. Unit: seconds."""


class ModelDifference(Struct, kw_only=True):
    """A model that instances compute differently: more than one variant of it answered in the last ten minutes."""

    model: str
    reason: str
    """In what they differ and what to do."""
    variants: list[ModelVariant]


class ServiceHealth(Struct, kw_only=True):
    """One service."""

    healthy: bool
    """True while at least one instance is."""
    required: bool
    """False for a service without which requests still succeed."""
    reason: str
    """Why it is not healthy; empty when it is."""
    instances: list[InstanceHealth]
    differences: list[ModelDifference]
    """Models whose vectors or scores depend on which instance answers; the service is healthy all the same."""


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


class Version(Struct, kw_only=True):
    """The version, under the name of the package as docling-serve has it."""

    isolane: str
