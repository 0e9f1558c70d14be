"""Tell a person, at least every two seconds, that a long command is alive and how far it is."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

_INTERVAL_S = 2.0


class Progress:
    """Write the current step to standard error when it changes and every two seconds; use it with `with`."""

    def __init__(self) -> None:
        self._step = "starting"
        self._started_s = time.monotonic()
        self._is_over = threading.Event()
        # A thread, because a single import or file can take longer than the interval.
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._ticker.join()

    @property
    def elapsed_s(self) -> float:
        """Seconds since this was made."""
        return time.monotonic() - self._started_s

    def step(self, text: str) -> None:
        """Say at once that another step begins."""
        self._step = text
        self._write()

    def update(self, text: str) -> None:
        """Replace the text of the current step; it is shown at the next tick."""
        self._step = text

    def _tick(self) -> None:
        while not self._is_over.wait(_INTERVAL_S):
            self._write()

    def _write(self) -> None:
        sys.stderr.write(f"[{self.elapsed_s:5.0f} s] {self._step}\n")
        sys.stderr.flush()
