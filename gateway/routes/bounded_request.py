"""The request as routes see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request
from litestar.types import Receive


class BoundedRequest(Request[Any, Any, Any]):
    """A request whose body the edge has bounded already; Litestar's own bounds cost more than the reading."""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The parts of the body. A client that goes away in the middle is an error of the edge."""
        has_more = True
        while has_more:
            message: Any = await self.receive()
            yield message["body"]
            has_more = message["more_body"]


async def whole_body(receive: Receive) -> bytes:
    """The body, which the edge has bounded already, without a request around it."""
    message: Any = await receive()
    if not message["more_body"]:
        return bytes(message["body"])
    parts = [message["body"]]
    while message["more_body"]:
        message = await receive()
        parts.append(message["body"])
    return b"".join(parts)
