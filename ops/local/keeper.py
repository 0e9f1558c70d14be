"""Keeps one part running: waits for its health, notices its end, starts it again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from ops.local.parts import Part
from ops.local.process import Backoff, PartProcess
from ops.local.ready import Probe, is_healthy
from services.common.deadline import Clock
from services.common.errors import StartupError

_POLL_S = 0.2

Start = Callable[[Part], Awaitable[PartProcess]]


class PartKeeper:
    """Keeps one part running until it is cancelled.

    Args:
        part: what to run.
        start: starts it.
        probe: asks it for its health.
        say: tells the person who watches.
        changed: called after every change of pid or health.
        backoff: delays between starts.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        part: Part,
        *,
        start: Start,
        probe: Probe = is_healthy,
        say: Callable[[str], None],
        changed: Callable[[], None],
        backoff: Backoff | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.part = part
        self.process: PartProcess | None = None
        self.restarts = 0
        self.healthy = asyncio.Event()
        self._start = start
        self._probe = probe
        self._say = say
        self._changed = changed
        self._backoff = backoff or Backoff()
        self._clock = clock

    async def run(self) -> None:
        """Keep the part running.

        Raises:
            StartupError: its first start failed; the message has its last words.
        """
        while True:
            end, healthy_s = await self._run_once()
            delay_s = self._backoff.after(healthy_s)
            self._say(f"{end}; starting it again in {delay_s:g} s")
            self.process = None
            self._changed()
            await asyncio.sleep(delay_s)
            self.restarts += 1

    async def _run_once(self) -> tuple[str, float]:
        """Start the part and see it to its end; returns what happened and how long it was healthy. Unit: seconds."""
        try:
            process = self.process = await self._start(self.part)
        except (StartupError, OSError) as exc:
            # Once it has served, what stops it now may pass, and the other parts still serve.
            if not self.restarts:
                raise
            return str(exc), 0.0
        self._changed()
        healthy_s = await self._watch(process)
        if healthy_s is None and not self.restarts:
            raise StartupError(f"{self.part.name} did not start: {process.how_it_ended()}")
        return f"{self.part.name} ended ({process.how_it_ended()})", healthy_s or 0.0

    async def _watch(self, process: PartProcess) -> float | None:
        """See the process to its end; returns how long it was healthy, None when it never was. Unit: seconds."""
        ended = asyncio.ensure_future(process.wait())
        try:
            if not await self._became_healthy(ended):
                return None
            since_s = self._clock()
            self._became(process)
            await ended
            return self._clock() - since_s
        finally:
            ended.cancel()
            self.healthy.clear()

    async def _became_healthy(self, ended: asyncio.Future[None]) -> bool:
        """Wait for health; False when the process ended first."""
        while not await self._probe(self.part):
            await asyncio.wait({ended}, timeout=_POLL_S)
            if ended.done():
                return False
        return not ended.done()

    def _became(self, process: PartProcess) -> None:
        self.healthy.set()
        self._changed()
        if self.restarts:
            self._say(f"{self.part.name} is back (pid {process.pid}, {self._clock() - process.started_s:.1f} s)")
