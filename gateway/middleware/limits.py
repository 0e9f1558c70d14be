"""Limits by API family: time, body size, requests in progress."""

from __future__ import annotations

import math

from gateway.settings import GatewaySettings, Limits
from services.common.caller import Priority
from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, Overloaded

TIMEOUT_HEADER = "x-request-timeout-ms"

_BULK_SHARE = 0.75
"""Share of the places that bulk requests may take, so that interactive ones find one."""

_SMALL = Limits(timeout_s=10.0, max_timeout_s=60.0, max_body_bytes=64 * 1024)
"""For paths that take no bodies: models, health, metrics, the schema, and paths that do not exist."""


class Gate:
    """Admits the requests of one family.

    Args:
        limits: of the family.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._in_flight = 0
        self._places = {
            Priority.INTERACTIVE: limits.max_in_flight,
            Priority.BULK: math.ceil(limits.max_in_flight * _BULK_SHARE),
        }

    def deadline(self, timeout_ms: str | None) -> Deadline:
        """The request's deadline from its X-Request-Timeout-Ms; the longest allowed caps it."""
        if timeout_ms is None:
            return Deadline.after(self.limits.timeout_s)
        if not timeout_ms.isascii() or not timeout_ms.isdecimal() or len(timeout_ms) > 9 or int(timeout_ms) == 0:
            raise InvalidRequest(
                "X-Request-Timeout-Ms: not a whole number of milliseconds above 0; correct it or leave it out",
                param="X-Request-Timeout-Ms",
            )
        return Deadline.after(min(int(timeout_ms) / 1000, self.limits.max_timeout_s))

    def admit(self, priority: Priority = Priority.INTERACTIVE) -> Gate:
        """Hold a place while the body runs; Overloaded when there is none. Some places are not for bulk."""
        if self._in_flight >= self._places[priority]:
            raise Overloaded(
                f"{self._in_flight} requests are in progress, which is the limit for {priority.value} ones; "
                "try again in 1 s",
                retry_after_s=1.0,
            )
        return self

    def __enter__(self) -> None:
        self._in_flight += 1

    def __exit__(self, *_error: object) -> None:
        self._in_flight -= 1


class Gates:
    """The gates of all families, by path."""

    def __init__(self, settings: GatewaySettings) -> None:
        reranking = Gate(settings.reranking)
        self._by_prefix = (
            ("/v1/embeddings", Gate(settings.embedding)),
            ("/v1/rerank", reranking),
            ("/v2/rerank", reranking),
            ("/v1/convert/", Gate(settings.documents)),
        )
        self._by_path = dict(self._by_prefix)
        self._other = Gate(_SMALL)

    def of(self, path: str) -> Gate:
        """The gate for a path."""
        if (gate := self._by_path.get(path)) is not None:
            return gate
        return next((gate for prefix, gate in self._by_prefix if path.startswith(prefix)), self._other)
