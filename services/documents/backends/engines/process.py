"""The process of the engines, as the service sees it: started once, started again when it is gone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from services.common.telemetry.logs import get_logger
from services.documents import metrics
from services.documents.backends.child import ChildProcess, ProcessDied
from services.documents.backends.frames import Message

_MODULE = "services.documents.backends.engines.server"
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Far more than the boxes and letters of a page."""
_CALL_S = 20.0
"""A call takes a second or two, some more on a busy machine; one that takes so long never ends. All others wait."""
_LARGE_CALL_S = 60.0
"""The same of Docling's own model: a page takes it 1.5 to 3 s on two cores, and 13 s where others have them too."""

log = get_logger()


class EnginesHung(ProcessDied):
    """A call took too long, as it would again."""


class EnginesProcess:
    """Answers the calls of all workers, one after the other: a call is short, so none waits long.

    Args:
        log_level: of its log lines.
        start_s: longest time to become ready.
        page_models: folder of Docling's own models; None for the small ones alone.
    """

    def __init__(self, *, log_level: str, start_s: float, page_models: Path | None = None) -> None:
        models = str(page_models) if page_models is not None else None
        self._first = Message(header={"log_level": log_level, "page_models": models})
        self._start_s = start_s
        self._call_s = _CALL_S if page_models is None else _LARGE_CALL_S
        self._turn = asyncio.Lock()
        self._child: ChildProcess | None = None
        self._asking: set[asyncio.Task[Message]] = set()

    async def ask(self, call: Message) -> Message:
        """The answer to a call. Cancelled, the call goes on: its answer must not be taken for the next one's.

        Raises:
            ProcessDied: the engines cannot be started, or ended with this call.
        """
        asking = asyncio.create_task(self._ask(call))
        self._asking.add(asking)
        asking.add_done_callback(self._forget)
        return await asyncio.shield(asking)

    async def start(self) -> None:
        """Start it, so that the first page need not wait for it.

        Raises:
            ProcessDied: it cannot be started; says why.
        """
        async with self._turn:
            await self._started()

    async def warm(self) -> None:
        """Start it; a problem is logged."""
        try:
            await self.start()
        except ProcessDied as exc:
            log.error("engines_cannot_start", problem=str(exc))

    def kill(self, reason: str) -> None:
        """End it now."""
        if self._child is not None:
            self._child.kill(reason)

    async def ended(self) -> None:
        """Wait until it is gone, if it was ever there."""
        if self._child is not None:
            await self._child.ended()

    async def _ask(self, call: Message) -> Message:
        """The answer, of another process where the first one is gone: a call that ends two of them is to blame."""
        async with self._turn:
            try:
                return await self._answer(call)
            except EnginesHung:  # as it would again
                raise
            except ProcessDied:
                return await self._answer(call)

    async def _answer(self, call: Message) -> Message:
        child = await self._started()
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(self._call_s):
                answer = await child.exchange(call)
        except TimeoutError as exc:
            child.kill("hung")
            raise EnginesHung(f"no answer within {self._call_s:g} s") from exc
        except ProcessDied:
            child.kill("crashed")
            raise
        if "problem" not in answer.header:
            metrics.engine_seconds().labels(str(call.header["call"])).observe(time.monotonic() - began_s)
        return answer

    def _forget(self, asking: asyncio.Task[Message]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # told to whoever still waits

    async def _started(self) -> ChildProcess:
        if self._child is not None and self._child.is_alive and not self._child.end_reason:
            return self._child
        if self._child is not None:
            status = await self._child.ended()
            log.warning("engines_ended", pid=self._child.pid, status=status, reason=self._child.end_reason or "crashed")
            self._child = None
        try:
            self._child = await ChildProcess.start(
                _MODULE, self._first, start_s=self._start_s, max_bytes=_MAX_ANSWER_BYTES
            )
        except OSError as exc:
            raise ProcessDied(str(exc)) from exc
        log.info("engines_ready", pid=self._child.pid)
        return self._child
