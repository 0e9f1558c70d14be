"""What holds the event loop for long waits, so that what is short goes between."""

from __future__ import annotations

import asyncio

from services.common import caller
from services.common.fair_semaphore import FairSemaphore

LARGE_BODY_BYTES = 1 << 14
"""Bodies up to this are read in well under a millisecond; one of 4 MiB holds the loop for 0.13 s (token ids)."""
LARGE_ITEMS = 64
"""Answers of fewer items are built in 3 ms; one of 2,048 vectors as decimal numbers takes 73 ms (384 dimensions)."""


class LargeWork:
    """Lets one large piece of work at a time into an iteration of the event loop, fair between origins and clients."""

    def __init__(self) -> None:
        self._loop = FairSemaphore(1)

    async def wait(self) -> None:
        """Wait until the large work of the current caller may begin; it must not await."""
        async with self._loop.hold(caller.current.get()):
            await asyncio.sleep(0)  # the next one comes an iteration of the loop later
