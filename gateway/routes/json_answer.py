"""JSON answers, sent with little ado: the routes that are called thousands of times a second answer with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send

ContentT = TypeVar("ContentT", bound=msgspec.Struct)

_encode = msgspec.json.Encoder().encode


class JsonAnswer(Response[ContentT]):
    """A Struct with status 200. It has no cookies, tasks or encoders, which take Litestar longer than the body itself.

    Args:
        content: the body.
        headers: besides those of the body.
    """

    def __init__(self, content: ContentT, headers: Mapping[str, str]) -> None:
        self.content = content
        self.headers = {**headers}

    def to_asgi_response(self, *_args: Any, **_kwargs: Any) -> ASGIApp:  # type: ignore[override]  # this one sends itself
        """Itself."""
        return self

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        body = _encode(self.content)
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        headers += ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
