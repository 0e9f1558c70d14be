"""Threads for short blocking work, which callers take in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.common.caller import Caller
from services.common.fair_semaphore import FairSemaphore

ResultT = TypeVar("ResultT")

_SHORT_BYTES = 1 << 10
"""Work on no more than that is done in the event loop: 0.2 us for a byte of text, so 0.2 ms at most. To a thread and
back costs 0.16 ms of a lone caller's time, and 0.3 ms of a core where 32 callers fight for the GIL (measured)."""
_LONG_BYTES = 1 << 16
"""Work on more than that has a thread of its own, which it does not leave to others for 13 ms and more."""


class FairThreads:
    """Callers take turns, each with one call, so that nobody waits for all that another has sent.

    Args:
        number: of threads.
        name: they are called after it.
    """

    def __init__(self, number: int, name: str) -> None:
        self._usual = FairSemaphore(number), ThreadPoolExecutor(number, thread_name_prefix=name)
        self._long = FairSemaphore(1), ThreadPoolExecutor(1, thread_name_prefix=f"{name}-long")

    async def run(self, function: Callable[[], ResultT], *, caller: Caller, size: int) -> ResultT:
        """Call a function on a thread, or at once when it is short and nobody waits.

        Args:
            function: blocking.
            caller: for whom.
            size: of the work. Unit: bytes.
        """
        if size <= _SHORT_BYTES and not self._usual[0].is_waiting:
            return function()
        semaphore, pool = self._long if size > _LONG_BYTES else self._usual
        async with semaphore.hold(caller):
            return await asyncio.get_running_loop().run_in_executor(pool, function)

    def close(self) -> None:
        """Begin nothing more."""
        for _, pool in (self._usual, self._long):
            pool.shutdown(wait=False, cancel_futures=True)
