"""The request's body as it arrives: bounded in size and time, and afterwards the sign that the client went away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol, cast

from litestar.exceptions import HTTPException
from litestar.types import HTTPReceiveMessage, Receive

from gateway.large_work import LARGE_BODY_BYTES
from services.common.errors import Cancelled, TooLarge

CONNECTION = "isolane.connection"
"""The extension of the ASGI scope under which the server gives the request's `Connection`."""


class Connection(Protocol):
    """What the server knows of the connection; to ask it costs less than a task that waits for its end."""

    on_lost: Callable[[], None] | None
    """Called when the client goes away."""

    @property
    def is_body_here(self) -> bool:
        """Whether the whole body of the newest request has arrived."""
        ...

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole answer at once; False, and nothing sent, for what has to go the usual way.

        Args:
            status: of the answer.
            headers: all of them, names in lower case.
            body: all of it.
        """
        ...


class Body:
    """Wraps the server's `receive` of one request.

    Once the whole body is read it watches for the client's disconnect and then cancels the task that answers, and with
    it the upstream call. Call `stop_watching` before the answer is sent.

    Args:
        receive: the server's.
        connection: by which the body arrives.
        max_bytes: largest body.
        timeout_s: time for the whole body to arrive.
        wait_turn: awaited before a large body is read.
    """

    def __init__(
        self,
        receive: Receive,
        connection: Connection,
        *,
        max_bytes: int,
        timeout_s: float,
        wait_turn: Callable[[], Awaitable[None]],
    ) -> None:
        self.is_abandoned = False
        self._receive = receive
        self._connection = connection
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._wait_turn = wait_turn
        self._late_at_s = asyncio.get_running_loop().time() + timeout_s
        self._size = 0
        self._is_read = False
        self._peeked: HTTPReceiveMessage | None = None

    def allow(self, seconds: float) -> None:
        """Give the body no more time than is left for the whole request."""
        if seconds < self._timeout_s:
            self._timeout_s = seconds
            self._late_at_s = asyncio.get_running_loop().time() + seconds

    def check_announced(self, content_length: str | None) -> None:
        """Refuse a body by its Content-Length before any of it is read."""
        # Longer numbers are refused too; int() of thousands of digits would raise.
        if content_length is not None and (len(content_length) > 18 or int(content_length) > self._max_bytes):
            raise self._too_large()

    @staticmethod
    def check_encoding(content_encoding: str) -> None:
        """Refuse a compressed body (415): its size on the wire would not bound what it unpacks to."""
        if content_encoding.strip().lower() not in {"", "identity"}:
            raise HTTPException(
                status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                detail=f"Content-Encoding {content_encoding[:50]!r}: compressed bodies are not taken; "
                "send the body as it is",
                headers={"accept-encoding": "identity"},
            )

    async def peek(self) -> bytes | None:
        """The whole body, which is still to be received; None when it is not all here. Raises as `receive` does."""
        if not self._connection.is_body_here:
            return None
        self._peeked = message = await self.receive()
        return message["body"] if message["type"] == "http.request" else None

    async def receive(self) -> HTTPReceiveMessage:
        """The next part of the body.

        Raises:
            TooLarge: the body passes its limit.
            HTTPException: it did not arrive in time (408).
            Cancelled: the client went away in the middle of it.
        """
        if (peeked := self._peeked) is not None:
            self._peeked = None
            return peeked
        if self._is_read:
            return cast(HTTPReceiveMessage, await self._receive())
        message = await self._next()
        if message["type"] == "http.disconnect":
            self.is_abandoned = True
            raise Cancelled("the client went away before it had sent the whole body")
        self._size += len(message["body"])
        if self._size > self._max_bytes:
            raise self._too_large()
        if not message["more_body"]:
            self._is_read = True
            self._watch()
            if self._size > LARGE_BODY_BYTES:
                await self._wait_turn()
        return message

    def stop_watching(self) -> None:
        """Let the answer go out undisturbed."""
        self._connection.on_lost = None

    async def _next(self) -> HTTPReceiveMessage:
        if self._connection.is_body_here:
            return cast(HTTPReceiveMessage, await self._receive())
        try:
            async with asyncio.timeout_at(self._late_at_s):
                return cast(HTTPReceiveMessage, await self._receive())
        except TimeoutError as exc:
            raise HTTPException(
                status_code=HTTPStatus.REQUEST_TIMEOUT,
                detail=f"the body did not arrive within {self._timeout_s:.3g} s; send it faster or send less",
                # The rest of the body may still come; the connection cannot be used for another request.
                headers={"connection": "close"},
            ) from exc

    def _watch(self) -> None:
        if (answering := asyncio.current_task()) is not None:
            self._connection.on_lost = partial(self._abandon, answering)

    def _abandon(self, answering: asyncio.Task[Any]) -> None:
        self.is_abandoned = True
        answering.cancel()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than the limit of {self._max_bytes} bytes; send less at once")
