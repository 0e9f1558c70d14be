"""What every instance has just refused is refused at the edge, before a route reads it: there a flood costs least."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.types import HTTPScope

from gateway.clients.embedding import EMBED
from gateway.clients.reranking import RERANK
from gateway.dependencies import Clients
from gateway.middleware.body import Body
from services.common.deadline import Deadline
from services.common.rpc.client import RpcClient


class _Named(msgspec.Struct):
    """What a request has to say here."""

    model: str


_ESCAPE = b"\\u"
"""A body with escapes is several times larger than its texts, and cannot be compared by its size."""

_decode = msgspec.json.Decoder(_Named).decode


class EarlyRefusals:
    """Refuses requests that their client would not send on (see `Refusals`).

    Args:
        clients: which know what was refused.
    """

    def __init__(self, clients: Clients) -> None:
        self._calls: Mapping[str, tuple[RpcClient[Any], str]] = {
            "/v1/embeddings": (clients.embedding.rpc, EMBED),
            "/v1/rerank": (clients.reranking.rpc, RERANK),
            "/v2/rerank": (clients.reranking.rpc, RERANK),
        }

    async def check(self, scope: HTTPScope, body: Body, deadline: Deadline) -> None:
        """Raise Overloaded for a request that need not be tried; what cannot be told so early is left to its route."""
        if (asked := self._calls.get(scope["path"])) is None:
            return
        rpc, method = asked
        if not rpc.is_refusing or scope["method"] != "POST":
            return
        scope["path_template"] = scope["path"]
        data = await body.peek()
        if data is None or _ESCAPE in data:
            return
        try:
            model = _decode(data).model
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if (refusal := rpc.refusal(method, queue=model, size=len(data), deadline=deadline)) is not None:
            raise refusal
