"""Threads for short blocking work, shared fairly by the same rule as the model."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.common.caller import Caller
from services.common.threadsafe import call_in
from services.models.scheduler.lines import Lines
from services.models.scheduler.packing import Limits
from services.models.scheduler.policy import Policy
from services.models.scheduler.work import Request, Task, Work

ResultT = TypeVar("ResultT")

_SHORT_BYTES = 1 << 10
"""Work on no more than that is done in the event loop: 0.2 us for a byte of text, so 0.2 ms at most. To a thread and
back costs 0.16 ms of a lone caller's time, and 0.3 ms of a core where 32 callers fight for the GIL (measured)."""
_LONG_BYTES = 1 << 16
"""Work on more than that has a thread of its own, which it does not leave to others for 13 ms and more."""
_ONE = Limits(own=0, fill=0, padding=0, padding_share=0)


class FairThreads:
    """Callers take turns by the bytes that they send, so that nobody waits for all that another has sent.

    Args:
        number: of threads.
        name: they are called after it.
        policy: the tuned numbers.
    """

    def __init__(self, number: int, name: str, policy: Policy) -> None:
        self._usual, self._long = _Turns(number, name, policy), _Turns(1, f"{name}-long", policy)

    async def run(self, function: Callable[[], ResultT], *, caller: Caller, size: int) -> ResultT:
        """Call a function on a thread, or at once when it is short and nobody waits.

        Args:
            function: blocking.
            caller: for whom.
            size: of the work. Unit: bytes.
        """
        if size <= _SHORT_BYTES and not self._usual.is_waiting:
            return function()
        turns = self._long if size > _LONG_BYTES else self._usual
        return await turns.run(function, caller, size)

    def close(self) -> None:
        """Begin nothing more."""
        self._usual.close()
        self._long.close()


class _Turns:
    """Threads, and the callers that wait for one."""

    def __init__(self, number: int, name: str, policy: Policy) -> None:
        self._pool = ThreadPoolExecutor(number, thread_name_prefix=name)
        self._free = number
        self._lines = Lines(bulk_floor=policy.bulk_floor)
        self._lines.set_quantum(_LONG_BYTES)

    @property
    def is_waiting(self) -> bool:
        return self._lines.is_waiting

    async def run(self, function: Callable[[], ResultT], caller: Caller, size: int) -> ResultT:
        loop = asyncio.get_running_loop()
        request = Request(caller=caller, deadline_s=math.inf, submitted_s=0.0)
        turn: asyncio.Future[None] = loop.create_future()
        task = Task(work=Work(payload=turn, cost=size), waiters={request: [0]})
        self._lines.add(task, request)
        self._give_turns()
        try:
            await turn
        except asyncio.CancelledError:
            if task.lines:
                self._lines.leave(task, request)
            else:
                self._release()
            raise
        work = self._pool.submit(function)
        try:
            return await asyncio.wrap_future(work)
        finally:
            if work.done():
                self._release()
            else:  # cancelled, and the thread goes on
                work.add_done_callback(lambda _: call_in(loop, self._release))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self) -> None:
        self._free += 1
        self._give_turns()

    def _give_turns(self) -> None:
        while self._free and (tasks := self._lines.take(_ONE)):
            self._free -= 1
            turn = tasks[0].work.payload
            if not turn.done():
                turn.set_result(None)
