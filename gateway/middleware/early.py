"""What an instance has just refused is refused at the edge, before a route reads it: a flood costs the least there."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from litestar.types import HTTPScope

from gateway.clients.held_off import HeldOff
from gateway.dependencies import Clients
from gateway.middleware.body import Body
from services.common.deadline import Deadline


class _Named(msgspec.Struct):
    """What a request has to say here."""

    model: str


_ESCAPE = b"\\u"
"""A body with escapes is several times larger than its texts, and cannot be compared by its size."""

_decode = msgspec.json.Decoder(_Named).decode


class EarlyRefusals:
    """Refuses requests that their client would not send on (see `HoldOff`).

    Args:
        clients: which know what was refused.
    """

    def __init__(self, clients: Clients) -> None:
        self._held_off: Mapping[str, HeldOff] = {
            "/v1/embeddings": clients.embedding.held_off,
            "/v1/rerank": clients.reranking.held_off,
            "/v2/rerank": clients.reranking.held_off,
        }

    async def check(self, scope: HTTPScope, body: Body, deadline: Deadline) -> None:
        """Raise Overloaded for a request that need not be tried; what cannot be told so early is left to its route."""
        held_off = self._held_off.get(scope["path"])
        if held_off is None or not held_off.is_active or scope["method"] != "POST":
            return
        scope["path_template"] = scope["path"]
        data = await body.peek()
        if data is None or _ESCAPE in data:
            return
        try:
            model = _decode(data).model
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if (refusal := held_off.refusal(model, size=len(data), deadline=deadline)) is not None:
            raise refusal
