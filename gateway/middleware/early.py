"""What an instance has just refused is refused at the edge, before a route reads it: a flood costs the least there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec
from litestar.types import HTTPScope

from gateway.dependencies import Clients
from gateway.middleware.body import Body
from services.common.deadline import Deadline
from services.common.errors import Overloaded


class Client(Protocol):
    """Calls a service that has a queue per model."""

    @property
    def is_holding_off(self) -> bool:
        """Whether some calls need not be made now."""
        ...

    def refusal(self, model: str, *, size: int, deadline: Deadline) -> Overloaded | None:
        """Why a call of `size` bytes need not be made; None when it has to be."""
        ...


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
        self._clients: Mapping[str, Client] = {
            "/v1/embeddings": clients.embedding,
            "/v1/rerank": clients.reranking,
            "/v2/rerank": clients.reranking,
        }

    async def check(self, scope: HTTPScope, body: Body, deadline: Deadline) -> None:
        """Raise Overloaded for a request that need not be tried; what cannot be told so early is left to its route."""
        client = self._clients.get(scope["path"])
        if client is None or not client.is_holding_off or scope["method"] != "POST":
            return
        scope["path_template"] = scope["path"]
        data = await body.peek()
        if data is None or _ESCAPE in data:
            return
        try:
            model = _decode(data).model
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if (refusal := client.refusal(model, size=len(data), deadline=deadline)) is not None:
            raise refusal
