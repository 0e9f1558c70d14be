"""JSON logs on standard error: one object a line, with the request id and trace id when there are any."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import structlog

from services.common.telemetry import request_id, tracing

Event = MutableMapping[str, Any]

_OWN = logging.getLogger("isolane")
"""Holds the level of Isolane's own lines."""
_LEVELS = logging.getLevelNamesMapping()

# Escapes all that is not ASCII, so that no text can end a line or reach a terminal; made once, as json.dumps would make
# it anew for every line.
_ENCODER = json.JSONEncoder(default=str)


def configure_logs(service: str, level: str) -> None:
    """Send structlog's and the standard library's records of this process to standard error as JSON.

    Call it once, from the process's root; foreign libraries log at warning and above.
    """
    shared: list[structlog.types.Processor] = [
        _stamp(service),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    set_level(level)
    # Own lines go straight to the stream: the way through the standard library costs more than the line itself.
    stream = structlog.WriteLogger(sys.stderr)
    structlog.configure(
        processors=[_drop_below_level, *shared, _render],
        logger_factory=lambda *_name: stream,
        cache_logger_on_first_use=False,
    )


def set_level(level: str) -> None:
    """Write lines of Isolane's own code from this severity on; may be called at any time."""
    _OWN.setLevel(level.upper())


def get_logger() -> structlog.stdlib.BoundLogger:
    """The logger of Isolane's own code: `log.info("event", field=value)`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("isolane")
    return logger


def _drop_below_level(_logger: Any, method: str, event: Event) -> Event:
    if not _OWN.isEnabledFor(_LEVELS[_severity(method).upper()]):
        raise structlog.DropEvent
    return event


def _stamp(service: str) -> structlog.types.Processor:
    """Adds what every line has, and the ids of the request that the current task works for."""

    def stamp(_logger: Any, method: str, event: Event) -> Event:
        event["service"] = service
        event["level"] = _severity(method)
        event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        if current := request_id.current.get():
            event.setdefault("request_id", current)
        if current := tracing.current_trace_id():
            event.setdefault("trace_id", current)
        return event

    return stamp


def _severity(method: str) -> str:
    return "error" if method == "exception" else method


def _render(_logger: Any, _method: str, event: Event) -> str:
    return _ENCODER.encode(event)
