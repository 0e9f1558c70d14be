"""Runs the parts of a stack together: waits until all are healthy, writes down what runs, ends all."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from ops.local.keeper import PartKeeper
from ops.local.parts import Part
from ops.local.process import PartProcess
from ops.local.state import PartState, StackState, StateFolder
from ops.progress import Progress
from services.common.errors import StartupError

_POLL_S = 0.05


class Supervisor:
    """Runs a stack. Use `async with`: on exit every part is ended.

    Args:
        parts: what to run.
        folder: where state and logs go.
        cwd: working folder of the parts.
        progress: tells the person who watches.
        url: of the gateway, for the state.
        backend: what the parts compute with, for the state.
        grace_s: time from SIGTERM to SIGKILL.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        folder: StateFolder,
        cwd: Path,
        progress: Progress,
        url: str,
        backend: str,
        grace_s: float,
    ) -> None:
        self._folder = folder
        self._cwd = cwd
        self._progress = progress
        self._url = url
        self._backend = backend
        self._grace_s = grace_s
        self._is_ready = False
        self._tasks: list[asyncio.Task[None]] = []
        self.keepers = [
            PartKeeper(part, start=self._start, say=progress.say, changed=self._write_state) for part in parts
        ]

    async def __aenter__(self) -> Supervisor:
        for keeper in self.keepers:
            self._tasks.append(asyncio.create_task(keeper.run(), name=keeper.part.name))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end()
        self._folder.clear()

    async def wait_healthy(self, is_stack_ready: Callable[[], Awaitable[bool]], timeout_s: float) -> None:
        """Wait until every part is healthy and the stack answers.

        Args:
            is_stack_ready: asked once the parts are healthy.
            timeout_s: longest wait.

        Raises:
            StartupError: a part ended before it served, or time is over.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._waiting_for() or not await is_stack_ready():
                    names = self._waiting_for() or ["the gateway to reach all parts"]
                    self._progress.waiting(f"waiting for {', '.join(names)}")
                    await self._sleep(_POLL_S)
        except TimeoutError:
            names = self._waiting_for() or ["the gateway"]
            raise StartupError(
                f"not healthy after {timeout_s:g} s: {', '.join(names)}; see {self._folder.path / 'logs'}, "
                "or allow more time with ISOLANE_OPS_START_TIMEOUT_S"
            ) from None
        finally:
            self._progress.done()

    def announce(self) -> None:
        """Write down that the stack is ready."""
        self._is_ready = True
        self._write_state()

    async def run_until(self, stopping: asyncio.Event) -> None:
        """Keep everything running until `stopping` is set."""
        waiting = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({waiting, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self._raise_failure()

    def hurry(self) -> None:
        """Kill what still runs: the person asked a second time."""
        for process in self._running():
            process.kill()

    def state(self) -> StackState:
        """The stack now."""
        return StackState(
            pid=os.getpid(),
            url=self._url,
            backend=self._backend,
            ready=self._is_ready,
            parts=tuple(self._part_state(keeper) for keeper in self.keepers),
        )

    def _part_state(self, keeper: PartKeeper) -> PartState:
        return PartState(
            name=keeper.part.name,
            pid=keeper.process.pid if keeper.process else 0,
            url=keeper.part.url,
            log=str(self._folder.log(keeper.part.name)),
            healthy=keeper.healthy.is_set(),
            restarts=keeper.restarts,
        )

    def _write_state(self) -> None:
        try:
            self._folder.write(self.state())
        except OSError as exc:
            # The parts still serve: a full disk must not end them.
            self._progress.say(f"{self._folder.path}: the state cannot be written: {exc.strerror}")

    async def _start(self, part: Part) -> PartProcess:
        return await PartProcess.start(part, self._folder.log(part.name), self._cwd)

    def _running(self) -> list[PartProcess]:
        return [keeper.process for keeper in self.keepers if keeper.process and keeper.process.is_running]

    def _waiting_for(self) -> list[str]:
        return [keeper.part.name for keeper in self.keepers if not keeper.healthy.is_set()]

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but notice a part that failed."""
        await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._raise_failure()

    def _raise_failure(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()

    async def _end(self) -> None:
        """SIGTERM to all at once, SIGKILL to those that outlive the grace."""
        running = self._running()
        if not running:
            return
        self._progress.say(f"ending {', '.join(process.part.name for process in running)}")
        for process in running:
            process.terminate()
        ends = {asyncio.create_task(process.wait()): process for process in running}
        alive = set(ends)
        started_s = time.monotonic()
        while alive and time.monotonic() - started_s < self._grace_s:
            _, alive = await asyncio.wait(alive, timeout=_POLL_S)
            if alive:
                self._progress.waiting(f"waiting for {', '.join(ends[task].part.name for task in alive)} to end")
        self._progress.done()
        for task in alive:
            ends[task].kill()
            self._progress.say(f"{ends[task].part.name} did not end within {self._grace_s:g} s: killed")
        await asyncio.gather(*ends)
