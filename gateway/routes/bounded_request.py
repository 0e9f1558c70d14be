"""The request as routes see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request


class BoundedRequest(Request[Any, Any, Any]):
    """A request whose body the edge has bounded already; Litestar's own bounds cost more than the reading."""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The parts of the body. A client that goes away in the middle is an error of the edge."""
        has_more = True
        while has_more:
            message: Any = await self.receive()
            yield message["body"]
            has_more = message["more_body"]
