"""A semaphore that is fair between those who wait for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.caller import Caller

_Line = deque[asyncio.Future[None]]


class FairSemaphore:
    """So many may hold it at once. Origins take turns, in each of them its clients, of whom each comes in order.

    Args:
        number: of those who may hold it at once.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: OrderedDict[str, OrderedDict[str, _Line]] = OrderedDict()

    @property
    def is_waiting(self) -> bool:
        """Whether anybody waits for it."""
        return bool(self._waiting)

    @asynccontextmanager
    async def hold(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for it and hold it while the body runs; many names of one origin come no sooner than one."""
        came = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller.origin, OrderedDict()).setdefault(caller.client, deque()).append(came)
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
