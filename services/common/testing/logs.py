"""Log lines as data, for tests."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

from services.common.telemetry.logs import configure_logs, reset_logs


class CapturedLogs:
    """What was logged since the capture began.

    Args:
        stream: where the lines go.
    """

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """The lines, in order; with `event`, only those of that event."""
        lines = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in lines if event is None or line["event"] == event]


@contextlib.contextmanager
def captured_logs(service: str = "test", level: str = "debug") -> Iterator[CapturedLogs]:
    """Log as a process does while the body runs, into memory; then restore what was."""
    root, own = logging.getLogger(), logging.getLogger("isolane")
    handlers, levels = root.handlers[:], (root.level, own.level)
    stream = io.StringIO()
    try:
        with contextlib.redirect_stderr(stream):
            configure_logs(service, level)
        yield CapturedLogs(stream)
    finally:
        reset_logs()
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        own.setLevel(levels[1])
