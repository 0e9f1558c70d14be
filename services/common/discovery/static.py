"""Fixed addresses, from settings: local mode, tests, and one-machine deployments without Consul."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from services.common.discovery.base import Endpoint, Resolution


class StaticResolver:
    """A resolver whose answer never changes; whether an instance is alive is the caller's to find out.

    Args:
        addresses: host:port of every instance, by service.
    """

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self._endpoints = {
            service: tuple(Endpoint(address=address) for address in instances)
            for service, instances in addresses.items()
        }
        self._closed = asyncio.Event()

    def resolve(self, service: str) -> Resolution:
        """The fixed answer."""
        return Resolution(service=service, endpoints=self._endpoints.get(service, ()), age_s=0.0)

    async def watch(self, service: str) -> AsyncGenerator[Resolution, None]:
        """The fixed answer once, then nothing until the resolver is closed."""
        yield self.resolve(service)
        await self._closed.wait()

    async def aclose(self) -> None:
        """End all watching."""
        self._closed.set()
