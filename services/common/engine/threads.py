"""Threads for short blocking work, whose turns callers take one after the other."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from services.common.caller import Caller
from services.common.threadsafe import call_in

ResultT = TypeVar("ResultT")

_LONG_BYTES = 1 << 16
"""Work on more than that is long: it leaves one thread to the others."""
_SHORT_BYTES = 1 << 10
"""Work on no more than that is done in the event loop: 0.2 us for a byte of text, so 0.2 ms at most. The way to
a thread and back costs a lone caller 0.16 ms, and 0.3 ms of processor time where 32 callers fight for the GIL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A call that waits for a thread."""

    came: asyncio.Future[None]
    is_long: bool


class FairThreads:
    """Callers take turns, each with one call, so that nobody waits for all that another has sent.

    Args:
        number: of threads.
        name: they are called after it.
    """

    def __init__(self, number: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(number, thread_name_prefix=name)
        self._free = number
        self._free_for_long = max(1, number - 1)
        self._waiting: OrderedDict[Caller, deque[_Turn]] = OrderedDict()

    async def run(self, function: Callable[[], ResultT], *, caller: Caller, size: int) -> ResultT:
        """Call a function on a thread, or at once when it is short and nobody waits.

        Args:
            function: blocking.
            caller: for whom.
            size: of the work. Unit: bytes.
        """
        if size <= _SHORT_BYTES and not self._waiting:
            return function()
        loop = asyncio.get_running_loop()
        turn = _Turn(came=loop.create_future(), is_long=size > _LONG_BYTES)
        self._waiting.setdefault(caller, deque()).append(turn)
        self._give_turns()
        try:
            await turn.came
        except asyncio.CancelledError:
            if not turn.came.cancelled():
                self._release(turn)
            raise
        work = self._pool.submit(function)
        try:
            return await asyncio.wrap_future(work)
        finally:
            if work.done():
                self._release(turn)
            else:  # cancelled, and the thread goes on
                work.add_done_callback(lambda _: call_in(loop, lambda: self._release(turn)))

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, turn: _Turn) -> None:
        self._free += 1
        self._free_for_long += turn.is_long
        self._give_turns()

    def _give_turns(self) -> None:
        while self._free and (caller := self._next()) is not None:
            line = self._waiting.pop(caller)
            turn = line.popleft()
            if line:
                self._waiting[caller] = line  # behind the others
            self._free -= 1
            self._free_for_long -= turn.is_long
            turn.came.set_result(None)

    def _next(self) -> Caller | None:
        """The caller whose turn it is; drops what nobody waits for any more."""
        for caller, line in [*self._waiting.items()]:
            while line and line[0].came.cancelled():
                line.popleft()
            if not line:
                del self._waiting[caller]
            elif self._free_for_long or not line[0].is_long:
                return caller
        return None
