"""A resolver whose answers a test changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from services.common.discovery.base import Endpoint, Resolution


class ChangingResolver:
    """Knows what it was last told.

    Args:
        addresses: host:port of every instance, by service.
    """

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self._endpoints: dict[str, tuple[Endpoint, ...]] = {}
        self._changed = asyncio.Condition()
        self._is_closed = False
        for service, instances in addresses.items():
            self._endpoints[service] = tuple(Endpoint(address=address) for address in instances)

    async def change(self, service: str, *endpoints: Endpoint) -> None:
        """From now on `service` has these instances."""
        async with self._changed:
            self._endpoints[service] = endpoints
            self._changed.notify_all()

    def resolve(self, service: str) -> Resolution:
        """What it was last told."""
        return Resolution(service=service, endpoints=self._endpoints.get(service, ()), age_s=0.0)

    async def watch(self, service: str) -> AsyncGenerator[Resolution, None]:
        """What it was last told, then each change, until it is closed."""
        while not self._is_closed:
            known = self.resolve(service)
            yield known
            async with self._changed:
                while self.resolve(service) == known and not self._is_closed:
                    await self._changed.wait()

    async def aclose(self) -> None:
        """End all watching."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()
