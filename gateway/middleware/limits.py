"""Limits by API family: time, body size, requests in progress."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from gateway.settings import GatewaySettings, Limits
from services.common.caller import ANYONE, Caller, Priority
from services.common.deadline import Deadline
from services.common.errors import InvalidRequest, Overloaded
from services.common.places import Places

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
        self._places = Places(limits.max_in_flight, "requests")
        self._most_bulk = math.ceil(limits.max_in_flight * _BULK_SHARE)

    def deadline(self, timeout_ms: str | None) -> Deadline:
        """The request's deadline from its X-Request-Timeout-Ms; the longest allowed caps it."""
        if timeout_ms is None:
            return Deadline.after(self.limits.timeout_s)
        if not timeout_ms.isascii() or not timeout_ms.isdecimal() or len(timeout_ms) > 9 or int(timeout_ms) == 0:
            raise InvalidRequest(
                f"X-Request-Timeout-Ms: {timeout_ms[:20]!r} is no whole number of 1 to 999999999 milliseconds; "
                "correct it or leave it out",
                param="X-Request-Timeout-Ms",
            )
        return Deadline.after(min(int(timeout_ms) / 1000, self.limits.max_timeout_s))

    @contextlib.contextmanager
    def admit(self, caller: Caller = ANYONE) -> Iterator[None]:
        """Hold a place while the body runs; Overloaded when there is none, or those that are left are for others."""
        problem = self._places.problem(caller)
        if caller.priority is Priority.BULK and self._places.taken >= self._most_bulk:
            problem = f"{self._places.taken} requests are in progress, which is the limit for bulk ones"
        if problem:
            raise Overloaded(f"{problem}; try again in 1 s", retry_after_s=1.0)
        with self._places.hold(caller):
            yield


class Gates:
    """The gates of all families, by path."""

    def __init__(self, settings: GatewaySettings) -> None:
        reranking, documents = Gate(settings.reranking), Gate(settings.documents)
        self._by_prefix = (
            ("/v1/embeddings", Gate(settings.embedding)),
            ("/v1/rerank", reranking),
            ("/v2/rerank", reranking),
            ("/v1/convert/", documents),
            # Not offered, which is to be the answer, and not that the file is too large.
            ("/v1/chunk/", documents),
            ("/v1alpha/", documents),
        )
        self._by_path = dict(self._by_prefix)
        self._other = Gate(_SMALL)

    def of(self, path: str) -> Gate:
        """The gate for a path."""
        if (gate := self._by_path.get(path)) is not None:
            return gate
        return next((gate for prefix, gate in self._by_prefix if path.startswith(prefix)), self._other)
