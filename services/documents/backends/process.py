"""One worker process, as the service sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from typing import Any, Self

from services.common.errors import InvalidRequest, UnprocessableFile, error_class
from services.common.telemetry import request_id
from services.documents.backends import frames
from services.documents.backends.base import Document, Output, Parsed

_MODULE = "services.documents.backends.worker"
_END_S = 1.0
"""Between the end of a worker's pipes and its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """What a worker is told when it starts."""

    log_level: str
    memory_bytes: int
    """Memory that a file may take beyond the idle worker's."""
    max_unpacked_bytes: int
    max_output_bytes: int
    start_s: float
    """Longest time to become ready."""

    def message(self) -> frames.Message:
        """The worker's first message."""
        return frames.Message(
            header={
                "log_level": self.log_level,
                "memory_bytes": self.memory_bytes,
                "max_unpacked_bytes": self.max_unpacked_bytes,
                "max_output_bytes": self.max_output_bytes,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a worker made of a file."""

    outcome: Parsed | InvalidRequest
    resident_bytes: int
    """Memory that the worker holds now."""
    is_worn: bool = False
    """True when it should get no other file."""


class WorkerDied(Exception):
    """The worker ended, or sent nonsense, where it should have answered."""


class WorkerLost(WorkerDied):
    """The worker was gone before it had the file: another may have it."""


class WorkerProcess:
    """A fresh process (never a fork: gRPC's threads do not survive one) that parses one file at a time.

    Made by `start`. Whoever is done with it calls `kill`; `ended` tells when it is gone.
    """

    def __init__(self, process: Process, config: WorkerConfig) -> None:
        self._process = process
        self._max_output_bytes = config.max_output_bytes
        self.files = 0
        """Files that it was given."""
        self.end_reason = ""
        """Why it was killed; empty for a worker that lives or crashed."""

    @classmethod
    async def start(cls, config: WorkerConfig) -> Self:
        """Start a worker and wait until it is warm.

        Raises:
            WorkerDied: it ended or took too long; its log lines say why.
        """
        # In a session of its own, Ctrl-C reaches only the service, which lets calls in progress finish.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", _MODULE, stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        worker = cls(process, config)
        try:
            async with asyncio.timeout(config.start_s):
                reply = await worker._exchange(config.message())
        except TimeoutError as exc:
            await worker._give_up()
            raise WorkerDied(f"not ready after {config.start_s:g} s") from exc
        except BaseException:
            await worker._give_up()
            raise
        if "problem" in reply.header:
            await worker._give_up()
            raise WorkerDied(str(reply.header["problem"]))
        return worker

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """True until its end was seen."""
        return self._process.returncode is None

    async def parse(self, document: Document) -> Answer:
        """Have it parse a file. Cancelled, it is left in the middle of it: kill it.

        Raises:
            WorkerLost: it was gone before it had the file.
            WorkerDied: it crashed on the file.
        """
        self.files += 1
        header = {
            "filename": document.filename,
            "outputs": list(document.outputs),
            "include": list(document.include),
            "request_id": request_id.current.get(),
        }
        try:
            await self._exchange(frames.Message(header=header, parts=[document.data]))
        except WorkerDied as exc:
            raise WorkerLost(str(exc)) from exc
        reply = await self._receive()
        try:
            return Answer(
                outcome=_outcome(reply),
                resident_bytes=int(reply.header["resident_bytes"]),
                is_worn=bool(reply.header.get("is_worn")),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise WorkerDied("it sent an answer that is none") from exc

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

    async def _exchange(self, message: frames.Message) -> frames.Message:
        """Send a message; returns the next one that comes."""
        if self._process.stdin is None:
            raise RuntimeError("the worker was started without pipes")
        try:
            self._process.stdin.writelines(frames.encode(message))
            await self._process.stdin.drain()
        except OSError as exc:
            raise WorkerDied("it is gone") from exc
        return await self._receive()

    async def _how(self) -> str:
        """How it ended, which its pipes tell a moment before the system does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                status = await self.ended()
                return f", by signal {-status}" if status < 0 else f", with status {status}"
        return ""

    async def _receive(self) -> frames.Message:
        if self._process.stdout is None:
            raise RuntimeError("the worker was started without pipes")
        try:
            return await frames.read(self._process.stdout, max_bytes=self._max_output_bytes)
        except (EOFError, OSError) as exc:
            raise WorkerDied(f"it ended without an answer{await self._how()}") from exc
        except frames.BrokenFrame as exc:
            raise WorkerDied(f"it sent nonsense: {exc}") from exc


def _outcome(reply: frames.Message) -> Parsed | InvalidRequest:
    header: Any = reply.header
    if "error" in header:
        error = header["error"]
        cls = error_class(error["code"])
        refusal = cls if cls is not None and issubclass(cls, InvalidRequest) else UnprocessableFile
        return refusal(str(error["message"]), param=error["param"])
    return Parsed(
        format=str(header["format"]),
        outputs={Output(name): part for name, part in zip(header["outputs"], reply.parts, strict=True)},
        errors=[str(error) for error in header["errors"]],
    )
