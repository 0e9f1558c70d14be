"""JSON logs on standard error: one object a line, with the request id and trace id when there are any."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from services.common.telemetry import request_id, tracing

_OWN = logging.getLogger("isolane")
"""Holds the level of Isolane's own lines."""

_encode = msgspec.json.Encoder(enc_hook=str).encode
_escape = json.JSONEncoder(default=str).encode
"""Writes only ASCII, at six times the time of the first (8.8 and 1.4 us for the line of a request)."""


class Log:
    """Writes lines of Isolane's own code: `log.info("event", field=value)`.

    `exc_info`, an exception or True for the one being handled, becomes the field `exception`, its traceback.
    """

    def debug(self, event: str, /, **fields: Any) -> None:
        """A detail."""
        if _OWN.isEnabledFor(logging.DEBUG):
            _write("debug", event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """What happens in the usual course."""
        if _OWN.isEnabledFor(logging.INFO):
            _write("info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """What somebody should look at."""
        if _OWN.isEnabledFor(logging.WARNING):
            _write("warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """What failed."""
        if _OWN.isEnabledFor(logging.ERROR):
            _write("error", event, fields)

    def exception(self, event: str, /, **fields: Any) -> None:
        """What failed with the exception that is being handled."""
        self.error(event, exc_info=True, **fields)


class _Output:
    """Where lines go, and of which service they tell."""

    service = ""
    stream: TextIO | None = None
    """None: standard error, whatever that is when a line is written."""

    def write(self, level: str, fields: dict[str, Any]) -> None:
        """Write one line: the fields, what every line has, and the ids of the request that the task works for."""
        fields["service"] = self.service
        fields["level"] = level
        fields["timestamp"] = datetime.now(UTC)
        if current := request_id.current.get():
            fields.setdefault("request_id", current)
        if current := tracing.current_trace_id():
            fields.setdefault("trace_id", current)
        (self.stream or sys.stderr).write(render(fields) + "\n")


_output = _Output()
_log = Log()


def configure_logs(service: str, level: str) -> None:
    """Send our own and the standard library's records of this process to standard error as JSON.

    Call it once, from the process's root; foreign libraries log at warning and above.
    """
    _output.service, _output.stream = service, sys.stderr
    root = logging.getLogger()
    root.handlers[:] = [_Foreign()]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    set_level(level)


def reset_logs() -> None:
    """Undo `configure_logs`, for tests; the root's handlers are their own business."""
    logging.captureWarnings(capture=False)
    _output.service, _output.stream = "", None
    _OWN.setLevel(logging.NOTSET)


def set_level(level: str) -> None:
    """Write lines of Isolane's own code from this severity on; may be called at any time."""
    _OWN.setLevel(level.upper())


def get_logger() -> Log:
    """The logger of Isolane's own code."""
    return _log


def render(fields: dict[str, Any]) -> str:
    """One JSON object in one line of ASCII, so that no text in it can end a line or reach a terminal."""
    try:
        line = _encode(fields)
    except UnicodeEncodeError:  # a lone surrogate
        return _escaped(fields)
    # Control characters are escaped always, other languages' letters and the terminal's codes 0x80 to 0x9f only here.
    return line.decode("ascii") if line.isascii() else _escaped(fields)


def _escaped(fields: dict[str, Any]) -> str:
    return _escape({**fields, "timestamp": msgspec.to_builtins(fields["timestamp"])})


def _write(level: str, event: str, fields: dict[str, Any]) -> None:
    if (failure := fields.pop("exc_info", None)) is not None:
        fields["exception"] = _traceback(sys.exc_info()[1] if failure is True else failure)
    fields["event"] = event
    _output.write(level, fields)


def _traceback(failure: BaseException | None) -> str:
    return "".join(traceback.format_exception(failure)).rstrip("\n") if failure is not None else ""


class _Foreign(logging.Handler):
    """Writes the records of other libraries as our own lines are written."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one; what cannot be made a line of must not end the process."""
        try:
            fields: dict[str, Any] = {"event": record.getMessage(), "logger": record.name}
            if record.exc_info:
                fields["exception"] = _traceback(record.exc_info[1])
            if record.stack_info:
                fields["stack"] = record.stack_info
            _output.write(record.levelname.lower(), fields)
        except Exception:  # noqa: BLE001 - as every handler of the standard library does
            self.handleError(record)
