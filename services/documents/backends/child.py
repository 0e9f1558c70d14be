"""A process that the service starts and talks with on pipes, one exchange at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import Self

from services.documents.backends import frames

_END_S = 1.0
"""Between the end of a process's pipes and its own."""


class ProcessDied(Exception):
    """The process ended, or sent nonsense, where it should have answered."""


class ChildProcess:
    """A fresh process (never a fork: gRPC's threads do not survive one).

    Made by `start`. Whoever is done with it calls `kill`; `ended` tells when it is gone.

    Args:
        process: it.
        max_bytes: longest message that it may send, without its header.
    """

    def __init__(self, process: Process, *, max_bytes: int) -> None:
        self._process = process
        self._max_bytes = max_bytes
        self.end_reason = ""
        """Why it was killed; empty for one that lives or crashed."""

    @classmethod
    async def start(cls, module: str, first: frames.Message, *, start_s: float, max_bytes: int) -> Self:
        """Start a module as a process and wait until it is ready.

        Args:
            module: what it runs.
            first: its first message.
            start_s: longest time to become ready.
            max_bytes: longest message that it may send.

        Raises:
            ProcessDied: it ended or took too long; its log lines say why.
        """
        # In a session of its own, Ctrl-C reaches only the service, which lets calls in progress finish.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", module, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        child = cls(process, max_bytes=max_bytes)
        try:
            async with asyncio.timeout(start_s):
                reply = await child.exchange(first)
        except TimeoutError as exc:
            await child._give_up()
            raise ProcessDied(f"not ready after {start_s:g} s") from exc
        except BaseException:
            await child._give_up()
            raise
        if "problem" in reply.header:
            await child._give_up()
            raise ProcessDied(str(reply.header["problem"]))
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """True until its end was seen."""
        return self._process.returncode is None

    async def exchange(self, message: frames.Message) -> frames.Message:
        """Send a message; returns the next one that comes.

        Raises:
            ProcessDied: it is gone, or sent nonsense.
        """
        await self.send(message)
        return await self.receive()

    async def send(self, message: frames.Message) -> None:
        """Send a message.

        Raises:
            ProcessDied: it is gone.
        """
        if self._process.stdin is None:
            raise RuntimeError("the process was started without pipes")
        try:
            self._process.stdin.writelines(frames.encode(message))
            await self._process.stdin.drain()
        except OSError as exc:
            raise ProcessDied("it is gone") from exc

    async def receive(self) -> frames.Message:
        """The next message.

        Raises:
            ProcessDied: it is gone, or sent nonsense.
        """
        if self._process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        try:
            return await frames.read(self._process.stdout, max_bytes=self._max_bytes)
        except (EOFError, OSError) as exc:
            raise ProcessDied(f"it ended without an answer{await self._how()}") from exc
        except frames.BrokenFrame as exc:
            raise ProcessDied(f"it sent nonsense: {exc}") from exc

    def kill(self, reason: str) -> None:
        """End it now, with whatever it started."""
        if self.is_alive:
            self.end_reason = self.end_reason or reason
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def ended(self) -> int:
        """Wait until it is gone; returns its exit status, negative for a signal."""
        return await self._process.wait()

    async def _give_up(self) -> None:
        self.kill("never ready")
        await self.ended()

    async def _how(self) -> str:
        """How it ended, which its pipes tell a moment before the system does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                status = await self.ended()
                return f", by signal {-status}" if status < 0 else f", with status {status}"
        return ""
