"""JSON logs on standard error: one object a line, with the request id and trace id when there are any."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from opentelemetry import trace

from services.common.telemetry import request_id

Event = MutableMapping[str, Any]


def configure_logs(service: str, level: str) -> None:
    """Send structlog's and the standard library's records of this process to standard error as JSON.

    Call it once, from the process's root; foreign libraries log at warning and above.
    """
    shared: list[structlog.types.Processor] = [
        _add_service(service),
        _add_request,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    set_level(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def set_level(level: str) -> None:
    """Write lines of Isolane's own code from this severity on; may be called at any time."""
    logging.getLogger("isolane").setLevel(level.upper())


def get_logger() -> structlog.stdlib.BoundLogger:
    """The logger of Isolane's own code: `log.info("event_name", field=value)`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("isolane")
    return logger


def _add_service(service: str) -> structlog.types.Processor:
    def add(_logger: Any, _method: str, event: Event) -> Event:
        event["service"] = service
        return event

    return add


def _add_request(_logger: Any, _method: str, event: Event) -> Event:
    """Ids of the request that the current task works for."""
    if current := request_id.current.get():
        event.setdefault("request_id", current)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event.setdefault("trace_id", trace.format_trace_id(span.trace_id))
    return event
