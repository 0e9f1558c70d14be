"""What is known of a request when it ends: its log line, metrics and span are made from this one object."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from opentelemetry.trace import Span, Status, StatusCode

from gateway.metrics import request_seconds
from services.common.call import Field
from services.common.telemetry.logs import get_logger
from services.common.telemetry.metrics import labelled

CLIENT_GONE = 499
"""Status in logs and metrics of a request whose client did not wait for the answer."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = ("/health", "/metrics", "/ready")
"""Routes that machines call every few seconds; their successes are logged at debug."""

_requests = labelled(request_seconds)

log = get_logger()


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request, filled in as it goes."""

    method: str
    path: str
    started_s: float = field(default_factory=time.monotonic)
    status: int = 0
    """0 until the answer starts."""
    route: str = ""
    """The route's template; empty for paths that do not exist."""
    fields: dict[str, Field] = field(default_factory=dict)
    """What the route noted: model, items, tokens, code, …"""

    def finish(self, span: Span) -> None:
        """Record the end of the request in metrics, span and log."""
        duration_s = time.monotonic() - self.started_s
        route = self.route or "unmatched"
        method = self.method if self.method in _METHODS else "other"
        _requests(route, method, self.status).observe(duration_s)
        if span.is_recording():
            self._describe(span, route)
        is_quiet = self.status == 200 and route.startswith(_QUIET)
        (log.debug if is_quiet else log.info)(
            "request",
            method=method,
            route=route,
            path=self.path[:200],
            status=self.status,
            duration_ms=round(duration_s * 1000, 3),
            **self.fields,
        )

    def _describe(self, span: Span, route: str) -> None:
        span.update_name(f"{self.method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": self.status, **self.fields})
        if self.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
