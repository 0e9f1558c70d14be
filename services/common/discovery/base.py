"""The `Resolver` port."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
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
    is_known: bool = True
    """False before the source first answered: there may well be instances."""


class Resolver(Protocol):
    """Knows the instances of services and says when they change.

    Implementations keep the last known good answer when their source fails, and never block in `resolve`.
    """

    def resolve(self, service: str) -> Resolution:
        """What is known now. A service that was never heard of has no endpoints."""
        ...

    def watch(self, service: str) -> AsyncGenerator[Resolution, None]:
        """What is known now, then each change, until the caller closes the generator or `aclose`."""
        ...

    async def aclose(self) -> None:
        """End all watching."""
        ...
