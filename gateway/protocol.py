"""uvicorn's HTTP protocol with what it lacks: bounds on heads, answers and connections, and errors in our shape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from litestar.exceptions import HTTPException
from opentelemetry.trace import SpanKind
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.errors.failure import failure_of
from gateway.errors.families import answer
from gateway.middleware.body import CONNECTION
from gateway.middleware.callers import origin_of
from gateway.middleware.record import RequestRecord
from gateway.room import Room
from gateway.settings import GatewaySettings
from services.common.telemetry import request_id, tracing


def bounded_protocol(settings: GatewaySettings) -> type[HttpToolsProtocol]:
    """The protocol class for these settings; uvicorn makes one object of it per connection."""

    class _Protocol(BoundedProtocol):
        head_timeout_s = settings.head_timeout_s
        max_head_bytes = settings.max_head_bytes
        answer_timeout_s = settings.answer_timeout_s
        room = Room()

    return _Protocol


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose heads are too large or too slow, or whose answers are not taken."""

    head_timeout_s: float
    max_head_bytes: int
    answer_timeout_s: float
    room: Room

    on_lost: Callable[[], None] | None = None

    _head_bytes = 0
    _is_in_head = True
    _is_begun = False
    _head_timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A new connection owes us a request."""
        super().connection_made(transport)
        # To be told of the first byte that is not taken: what waits holds memory, and a file also after `close`.
        transport.set_write_buffer_limits(high=1)
        self._start_head_timer()
        self.room.enter(self, origin_of(self.client))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_head_timer()
        self.room.leave(self, origin_of(self.client))
        super().connection_lost(exc)  # which resumes writing
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        """The client does not take what is sent."""
        super().pause_writing()
        self._answer_timer = self.loop.call_later(self.answer_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken all."""
        super().resume_writing()
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    @property
    def is_idle(self) -> bool:
        """True while no whole request is here whose answer is not complete."""
        return not self._is_answering() or self._is_in_body()

    def give_way(self) -> None:
        """Close at once, also while the client has not taken all."""
        self.transport.abort()

    @property
    def is_body_here(self) -> bool:
        """Whether the whole body of the newest request has arrived."""
        return not self.cycle.more_body

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole answer at once; False, and nothing sent, for what uvicorn has to look at.

        That is an answer that ends the connection, has no body of the announced length or no sound head, one to HEAD,
        and one for which there is a queue: of pipelined requests, or of bytes that the caller does not take.
        """
        cycle = self.cycle
        if self.pipeline or self.flow.write_paused or not cycle.keep_alive or cycle.response_started:
            return False
        if (
            cycle.disconnected
            or cycle.scope["method"] == "HEAD"
            or (b"content-length", b"%d" % len(body)) not in headers
        ):
            return False
        lines = [name + b": " + value + b"\r\n" for name, value in (*self.server_state.default_headers, *headers)]
        head = b"".join([STATUS_LINE[status], *lines, b"\r\n"])
        # One end for each line there is: no value has smuggled in another.
        if not head.count(b"\n") == head.count(b"\r") == len(lines) + 2 or b"\nconnection:" in head:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        self.transport.write(head + body)
        cycle.on_response()
        return True

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, a body, or of both."""
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        if self._head_bytes > self.max_head_bytes:
            self._refuse(431, f"the request line and headers are larger than {self.max_head_bytes} bytes; send less")
        elif self._is_begun and self._head_timer is None:  # heads that come in one piece need no timer
            self._start_head_timer()

    def on_message_begin(self) -> None:
        """The first byte of a request; it may have come together with the end of the one before."""
        self._is_begun = True
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]  # ASGI would have a dict

    def on_headers_complete(self) -> None:
        """The head is over; what follows is bounded by the edge."""
        self._is_in_head = self._is_begun = False
        self._head_bytes = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next bytes are the head of the next request."""
        self._is_in_head = True
        super().on_message_complete()
        if not self.pipeline:
            # Paused by a large body, and by then nobody resumes it: that the client leaves would not be seen.
            self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's answer to what is not HTTP, in our shape."""
        self._refuse(400, f"{msg.rstrip('.').lower()}: this is not HTTP/1.1, or a header is malformed")

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        if self._is_answering():
            self._start_head_timer()
        elif self._is_begun:
            self._refuse(408, f"the request's headers did not arrive within {self.head_timeout_s:g} s")
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        """True while the answer to an earlier request on this connection is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_in_body(self) -> bool:
        """True while the current request still arrives and is not answered."""
        return bool(self.cycle.more_body and not self.cycle.response_started)

    def _refuse(self, status: int, detail: str) -> None:
        """Answer with a problem, log it as any request, close."""
        if self._is_answering() and not self._is_in_body():
            # A second answer in the middle of the first would be taken for a part of it.
            self.transport.close()
            return
        failure = failure_of(HTTPException(status_code=status, detail=detail))
        record = RequestRecord(method="other", path="", status=status, fields={**failure.notes()})
        request_id.current.set(request_id.accept(None))
        with tracing.span("request", SpanKind.SERVER) as span:
            headers, body = answer(failure, "", request_id.current.get())
            ids = ((b"x-request-id", request_id.current.get()), (b"x-trace-id", tracing.current_trace_id()))
            lines: list[Any] = [*headers, *((name, value.encode()) for name, value in ids), (b"connection", b"close")]
            head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
            record.finish(span)
        self.transport.close()
