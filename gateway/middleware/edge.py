"""The edge of the gateway: ids, caller, host check, limits, deadline, errors, one log line for every request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from litestar.types.asgi_types import HTTPResponseStartEvent
from opentelemetry.trace import SpanKind

from gateway.errors.failure import failure_of
from gateway.errors.families import answer
from gateway.large_work import LargeWork
from gateway.middleware.body import CONNECTION, Body, Connection
from gateway.middleware.callers import caller_of
from gateway.middleware.early import EarlyRefusals
from gateway.middleware.hosts import HostCheck
from gateway.middleware.limits import TIMEOUT_HEADER, Gates
from gateway.middleware.peers import PeerCheck
from gateway.middleware.record import CLIENT_GONE, RequestRecord
from gateway.settings import GatewaySettings
from services.common import call, caller
from services.common.telemetry import request_id, tracing

Headers = dict[str, str]

_READ: Mapping[bytes, str] = MappingProxyType(
    {
        name.encode(): name
        for name in (
            request_id.METADATA_KEY,
            *tracing.CARRIED,
            caller.CLIENT_KEY,
            caller.PRIORITY_KEY,
            TIMEOUT_HEADER,
            "authorization",
            "content-encoding",
            "content-length",
        )
    }
)


class EdgeMiddleware:
    """Wraps the whole application, so that no answer leaves without ids, log line and metrics.

    Args:
        app: the application.
        settings: of this process.
        early: refuses what need not be tried.
        large_work: waits for its turn of the event loop.
    """

    def __init__(self, app: ASGIApp, settings: GatewaySettings, early: EarlyRefusals, large_work: LargeWork) -> None:
        self._app = app
        self._early = early
        self._large_work = large_work
        self._hosts = HostCheck(settings.allowed_hosts)
        self._peers = PeerCheck(settings.allowed_peers)
        self._gates = Gates(settings)
        self._body_timeout_s = settings.body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = _read(scope)
        request_id.current.set(request_id.accept(headers.get(request_id.METADATA_KEY)))
        record = RequestRecord(method=scope["method"], path=scope["path"])
        if scope["method"] == "HEAD":
            # Answered as GET is; the server, which keeps its own scope, leaves the body out.
            scope = {**scope, "method": "GET"}
        with tracing.span("request", SpanKind.SERVER, headers) as span:
            try:
                await self._answer(scope, receive, send, record, headers)
            finally:
                record.route = scope.get("path_template", "")
                record.finish(span)

    async def _answer(
        self, scope: HTTPScope, receive: Receive, send: Send, record: RequestRecord, headers: Headers
    ) -> None:
        """Answer, or answer why not."""
        gate = self._gates.of(record.path)
        connection = cast(Connection, (scope["extensions"] or {})[CONNECTION])
        body = Body(
            receive,
            connection,
            max_bytes=gate.limits.max_body_bytes,
            timeout_s=self._body_timeout_s,
            wait_turn=self._large_work.wait,
        )
        reply = _Reply(send, record, body, connection)
        try:
            self._peers.check(scope["client"])
            self._hosts.check([value.decode("latin-1") for name, value in scope["headers"] if name == b"host"])
            body.check_encoding(headers.get("content-encoding", ""))
            body.check_announced(headers.get("content-length"))
            deadline = gate.deadline(headers.get(TIMEOUT_HEADER))
            body.allow(deadline.remaining_s())
            record.fields = call.begin(deadline)
            asking = caller_of(headers, scope["client"])
            call.identify(asking)
            with gate.admit(asking):
                await self._early.check(scope, body, deadline)
                await self._app(scope, body.receive, reply)
        except asyncio.CancelledError:
            if not body.is_abandoned:
                raise
            _forget_cancellation()
            record.status = CLIENT_GONE
            record.fields["code"] = "cancelled"
        except Exception as exc:
            if record.status:
                raise
            await _refuse(exc, record, reply)
        finally:
            body.stop_watching()


class _Reply:
    """The server's `send`, with the ids added to the answer and its status noted.

    The head waits for the body, so that a whole answer goes out with one system call in place of two.
    """

    def __init__(self, send: Send, record: RequestRecord, body: Body, connection: Connection) -> None:
        self._send = send
        self._record = record
        self._body = body
        self._connection = connection
        self._head: HTTPResponseStartEvent | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._body.stop_watching()
            self._record.status = message["status"]
            ids = ((b"x-request-id", request_id.current.get()), (b"x-trace-id", tracing.current_trace_id()))
            message["headers"] = [*message["headers"], *((name, value.encode()) for name, value in ids)]
            self._head = message
            return
        if (head := self._head) is not None:
            self._head = None
            if self._is_sent(head, message):
                return
            await self._send(head)
        await self._send(message)

    def _is_sent(self, head: HTTPResponseStartEvent, message: Message) -> bool:
        """Send both at once, where the message is the whole body and that can be."""
        if message["type"] != "http.response.body" or message["more_body"]:
            return False
        return self._connection.answer(head["status"], [*head["headers"]], message["body"])


async def _refuse(error: Exception, record: RequestRecord, send: Send) -> None:
    """Answer an error that did not come from a route."""
    failure = failure_of(error)
    record.fields.update(failure.notes())
    headers, body = answer(failure, record.path, request_id.current.get())
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _read(scope: HTTPScope) -> Headers:
    """The headers that the edge reads; of one that is sent several times the first counts."""
    headers: Headers = {}
    for name, value in scope["headers"]:
        if name in _READ:
            headers.setdefault(_READ[name], value.decode("latin-1"))
    return headers


def _forget_cancellation() -> None:
    """Let the server's task end as usual: the disconnect that cancelled it is dealt with."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
