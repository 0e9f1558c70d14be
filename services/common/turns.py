"""Turns at something that only so many may have at once, fair between those who wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_Line = deque[asyncio.Future[None]]


class FairTurns:
    """Origins take turns, in each of them its clients, and each of these first come, first served.

    Args:
        number: of turns that may be had at once.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: OrderedDict[str, OrderedDict[str, _Line]] = OrderedDict()

    @property
    def is_waiting(self) -> bool:
        """Whether anybody waits for a turn."""
        return bool(self._waiting)

    @asynccontextmanager
    async def turn(self, origin: str, client: str) -> AsyncIterator[None]:
        """Wait for a turn and have it while the body runs.

        Args:
            origin: where the client comes from; many names of one origin get no more than one.
            client: its name.
        """
        came = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(origin, OrderedDict()).setdefault(client, deque()).append(came)
        self._give()
        try:
            await came
            yield
        finally:
            if came.done() and not came.cancelled():
                self._free += 1
            came.cancel()
            self._give()

    def _give(self) -> None:
        while self._free and self._waiting:
            came = self._next()
            if not came.done():  # else nobody waits for it any more
                self._free -= 1
                came.set_result(None)

    def _next(self) -> asyncio.Future[None]:
        """The first in the line whose turn it is; its client, and its origin, go behind the others."""
        origin, clients = self._waiting.popitem(last=False)
        client, line = clients.popitem(last=False)
        came = line.popleft()
        if line:
            clients[client] = line
        if clients:
            self._waiting[origin] = clients
        return came
