"""One part as an operating system process: its log file, its end, and when to start it again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path

from ops.local.parts import Part
from services.common.deadline import Clock
from services.common.errors import StartupError

_TAIL_BYTES = 16_384
_TAIL_LINES = 12


class Backoff:
    """Delays between starts: doubling from `first_s` to `longest_s`, from the beginning after `reset_s` of health.

    Args:
        first_s: delay after the first end.
        longest_s: bound of the delay.
        reset_s: time that the part must have been healthy for its earlier ends to be forgotten.
    """

    def __init__(self, *, first_s: float = 0.5, longest_s: float = 10.0, reset_s: float = 30.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._reset_s = reset_s
        self._next_s = first_s

    def after(self, healthy_s: float) -> float:
        """The delay before the next start, of a part that was healthy for `healthy_s`. Unit: seconds."""
        if healthy_s >= self._reset_s:
            self._next_s = self._first_s
        delay_s = self._next_s
        self._next_s = min(self._longest_s, 2 * delay_s)
        return delay_s


class PartProcess:
    """A started part. Its output goes to the end of its log file.

    Args:
        part: what runs.
        process: the operating system's handle.
        log: the log file.
        log_start: where in the log this process began. Unit: bytes.
        clock: monotonic seconds.
    """

    def __init__(
        self, part: Part, process: asyncio.subprocess.Process, log: Path, log_start: int, clock: Clock = time.monotonic
    ) -> None:
        self.part = part
        self._process = process
        self._log = log
        self._log_start = log_start
        self._clock = clock
        self.started_s = clock()

    @classmethod
    async def start(cls, part: Part, log: Path, cwd: Path) -> PartProcess:
        """Start the part in a session of its own: Ctrl-C reaches the supervisor alone, which ends parts in order.

        Raises:
            StartupError: the system refused.
        """
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as file:
                log_start = file.tell()
                process = await asyncio.create_subprocess_exec(
                    *part.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    cwd=cwd,
                    env=dict(part.environ),
                    start_new_session=True,
                )
        except OSError as exc:
            raise StartupError(f"{part.name} cannot be started with its log {log}: {exc.strerror}") from exc
        return cls(part, process, log, log_start)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True until its end was noticed."""
        return self._process.returncode is None

    async def wait(self) -> None:
        """Wait for its end."""
        await self._process.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it and its children now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def how_it_ended(self) -> str:
        """For people: the signal or the exit status, and the error that it logged."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        error = self.last_words()
        return f"exit status {code}" + (f": {error}" if error else "")

    def last_words(self) -> str:
        """The error with which it ended: from its log's last error, or else the log's last lines."""
        lines = self._tail()
        return next(filter(None, map(_error, reversed(lines))), "\n".join(lines[-_TAIL_LINES:]))

    def _tail(self) -> list[str]:
        """The end of what this process logged; nothing when its log is gone."""
        try:
            with self._log.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start, end - _TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()
        except OSError:
            return []


def _error(line: str) -> str | None:
    """The error text of a JSON log line, where it has one."""
    if not line.startswith("{"):
        return None
    with contextlib.suppress(ValueError):
        fields = json.loads(line)
        if fields.get("level") == "error":
            return str(fields.get("error") or fields.get("exception") or fields.get("event"))
    return None
