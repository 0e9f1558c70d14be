"""The `Resolver` port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one instance of a service listens."""

    address: str
    """host:port as gRPC dials it."""
    meta: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the instance says of itself, for example its models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What is known of a service's instances."""

    service: str
    endpoints: tuple[Endpoint, ...]
    """Instances that may be called; empty when there are none."""
    age_s: float
    """How old this knowledge is; 0.0 while it is kept current. Unit: seconds."""


class Resolver(Protocol):
    """Knows the instances of services and says when they change.

    Implementations keep the last known good answer when their source fails, and never block in `resolve`.
    """

    def resolve(self, service: str) -> Resolution:
        """What is known now. A service that was never heard of has no endpoints."""
        ...

    def watch(self, service: str) -> AsyncIterator[Resolution]:
        """What is known now, then each change, for as long as the caller iterates."""
        ...

    async def aclose(self) -> None:
        """End all watching."""
        ...
