"""Lines for the person who waits: one updating line on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from services.common.deadline import Clock

_QUIET_S = 2.0
"""Waits shorter than this need no word."""
_EVERY_S = 5.0
_CLEAR = "\r\x1b[K"


class Progress:
    """Writes what happens, and what is being waited for.

    Args:
        stream: where to.
        clock: monotonic seconds.
    """

    def __init__(self, stream: TextIO = sys.stdout, *, clock: Clock = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._open_line = ""
        self._since_s: float | None = None
        self._last_s = 0.0

    @property
    def is_terminal(self) -> bool:
        """True when a person watches."""
        return self._is_terminal

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._write((_CLEAR if self._open_line else "") + text + "\n")
        self._open_line = ""

    def waiting(self, text: str) -> None:
        """Tell of a wait in progress; call it often, also for the first time when the wait begins."""
        now_s = self._clock()
        if self._since_s is None:
            self._since_s, self._last_s = now_s, now_s + _QUIET_S - _EVERY_S
        line = f"{text} ({now_s - self._since_s:.0f} s)"
        if self._is_terminal and now_s - self._since_s >= _QUIET_S:
            # A line that wraps could not be cleared.
            self._open(line[: shutil.get_terminal_size().columns - 1])
        elif not self._is_terminal and now_s - self._last_s >= _EVERY_S:
            self.say(line)
            self._last_s = now_s

    def done(self) -> float:
        """End the wait; returns how long it was. Unit: seconds."""
        if self._open_line:
            self._write(_CLEAR)
            self._open_line = ""
        waited_s = 0.0 if self._since_s is None else self._clock() - self._since_s
        self._since_s = None
        return waited_s

    def _open(self, line: str) -> None:
        if line != self._open_line:
            self._write(_CLEAR + line)
            self._open_line = line

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
