"""The edge of a gRPC server: ids, caller, deadline, errors, load, one log line, span and metrics for every call."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias, cast

import grpc
from grpc import aio
from opentelemetry.trace import SpanKind, Status, StatusCode

from services.common import call, caller, status
from services.common.deadline import ANSWER_S, TIME_LEFT_KEY, Deadline, is_task_cancelled, read_microseconds
from services.common.errors import BackendFailed, Cancelled, DeadlineExceeded, RequestError, Unavailable
from services.common.reply import Backlog
from services.common.server import joint
from services.common.telemetry import request_id, tracing
from services.common.telemetry.logs import get_logger
from services.common.telemetry.metrics import labelled, rpc_server_seconds

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context = aio.ServicerContext[Any, Any]
Unary = Callable[[Any, Context], Awaitable[Any]]
Streaming = Callable[[Any, Context], AsyncGenerator[Any, None]]

_rpcs = labelled(rpc_server_seconds)

log = get_logger()


class EdgeInterceptor(aio.ServerInterceptor):
    """Wraps every method of our own services with one request, and takes joint calls apart; health and reflection pass
    through.

    Args:
        service: name of the service.
        max_deadline_s: longest time for a call, and the time of a call that brings no deadline.
        most_bytes: largest message that is sent.
        load: says how much work waits; None where nothing is queued.
    """

    def __init__(
        self,
        service: str,
        *,
        max_deadline_s: float,
        most_bytes: int,
        load: Callable[[], Backlog] | None = None,
    ) -> None:
        self._service = service
        self._max_deadline_s = max_deadline_s
        self._most_bytes = most_bytes
        self._load = load
        self._instance = secrets.token_hex(8)
        """Tells this process from the service's others, which may stand behind the same proxy."""
        self._is_started = False
        rpc_server_seconds()  # shown from the start, not from the first call
        self._wrapped: dict[str, Handler] = {}
        """By method; only of those that there are, so that no caller can fill it."""

    def start(self) -> None:
        """Admit calls; before this they are answered UNAVAILABLE."""
        self._is_started = True

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the method's handler, once."""
        if (known := self._wrapped.get(handler_call_details.method)) is not None:
            return known
        handler = await continuation(handler_call_details)
        name: str = handler_call_details.method
        if handler is None or name.startswith("/grpc."):
            return handler
        if handler.stream_stream is not None and name.endswith(joint.SUFFIX):
            # gRPC finds handlers only by details of its own class.
            details = type(handler_call_details)(name.removesuffix(joint.SUFFIX), ())  # type: ignore[call-arg]
            one = cast(Handler, await self.intercept_service(continuation, details))
            wrapped = joint.joint_handler(one, most_bytes=self._most_bytes)
        else:
            wrapped = self._wrap_handler(name, handler)
        self._wrapped[name] = wrapped
        return wrapped

    def _wrap_handler(self, name: str, handler: Handler) -> Handler:
        method = name.rsplit("/", 1)[1]
        codecs = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        # The stubs know only the synchronous forms.
        if (unary := cast(Unary | None, handler.unary_unary)) is not None:
            return grpc.unary_unary_rpc_method_handler(self._wrap(method, unary), **codecs)
        if (streaming := cast(Streaming | None, handler.unary_stream)) is not None:
            wrapped = self._wrap(method, _written(streaming))
            return grpc.unary_stream_rpc_method_handler(cast(Any, wrapped), **codecs)
        raise NotImplementedError(f"{name}: methods whose requests are streams have no edge yet; write it first")

    def _wrap(self, method: str, behaviour: Unary) -> Unary:
        async def answer(request: Any, context: Context) -> Any:
            headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
            request_id.current.set(request_id.accept(headers.get(request_id.METADATA_KEY)))
            with tracing.span(f"{self._service}/{method}", SpanKind.SERVER, headers):
                return await self._observe(method, behaviour, request, context, headers)

        return answer

    async def _observe(
        self, method: str, behaviour: Unary, request: Any, context: Context, headers: Mapping[str, str]
    ) -> Any:
        """Answer, then record the outcome once for log, span and metrics."""
        started_s = time.monotonic()
        given_s = _given_s(read_microseconds(headers.get(TIME_LEFT_KEY)), context.time_remaining())
        deadline = Deadline.after(min(self._max_deadline_s, given_s))
        fields = call.begin(deadline)
        error: RequestError | None = None
        try:
            keys = (caller.CLIENT_KEY, caller.PRIORITY_KEY, caller.ORIGIN_KEY)
            call.identify(caller.accept(*map(headers.get, keys)))
            reply = await self._run(method, behaviour, request, context, deadline)
            if (reply is None or status.read_wait_s(reply) is None) and (trailers := self._trailers()):
                context.set_trailing_metadata(trailers)
            return reply
        except RequestError as exc:
            error = exc
            code, message, details = status.encode(exc, instance=self._instance)
            await context.abort(code, message, (*details, *self._trailers()))
        except asyncio.CancelledError:
            # gRPC cancels the handler when the caller goes and when the caller's deadline passes.
            is_late = deadline.is_over
            error = DeadlineExceeded(f"{method}: no answer in time") if is_late else Cancelled(f"{method}: cancelled")
            raise
        finally:
            self._record(method, error, time.monotonic() - started_s, fields)

    def _trailers(self) -> tuple[tuple[str, str], ...]:
        """The load, for what has it not in itself; before the start there is no engine that could be asked."""
        if self._load is None or not self._is_started:
            return ()
        backlog = self._load()
        return status.encode_load(backlog.queued_cost, backlog.predicted_wait_s)

    async def _run(self, method: str, behaviour: Unary, request: Any, context: Context, deadline: Deadline) -> Any:
        """Answer within the deadline; anything unforeseen becomes BackendFailed, its cause only logged."""
        if not self._is_started:
            raise Unavailable(f"{self._service}: starting; try again", retry_after_s=1.0)
        try:
            async with deadline.enforce(f"{self._service}: {method}"):
                return await behaviour(request, context)
        except RequestError:
            raise
        except asyncio.CancelledError as exc:
            if is_task_cancelled():
                raise
            raise self._crashed(method) from exc  # gRPC would send no status at all, and the caller would wait
        except Exception as exc:
            raise self._crashed(method) from exc

    def _crashed(self, method: str) -> BackendFailed:
        log.exception("call_crashed", method=method)
        return BackendFailed(
            f"{self._service}: {method} failed; the log has the cause under request id {request_id.current.get()}"
        )

    def _record(
        self, method: str, error: RequestError | None, seconds: float, fields: Mapping[str, call.Field]
    ) -> None:
        code = "ok" if error is None else error.code
        _rpcs(self._service, method, code).observe(seconds)
        span = tracing.current_span()
        if span.is_recording():
            span.set_attributes(dict(fields))
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, code))
            fields = {**fields, "error": error.message}
        write = log.warning if isinstance(error, (BackendFailed, DeadlineExceeded)) else log.info
        write("rpc", method=method, code=code, duration_ms=round(seconds * 1000, 3), **fields)


def _written(behaviour: Streaming) -> Unary:
    """A method that writes its messages itself and returns nothing, so that it has the edge of any other."""

    async def answer(request: Any, context: Context) -> None:
        async with aclosing(behaviour(request, context)) as messages:
            async for message in messages:
                await context.write(message)

    return answer


def _given_s(told_s: float | None, remaining_s: float | None) -> float:
    """Seconds until the answer has to be out.

    Args:
        told_s: what the caller said when it called; None where it did not.
        remaining_s: what gRPC says is left now. What a busy loop has cost on the way must not cost the caller the
            answer that its time is over, so half of the time in which it listens for that stays free.
    """
    if remaining_s is None:
        return math.inf if told_s is None else told_s
    return remaining_s if told_s is None else min(told_s, remaining_s - min(ANSWER_S, told_s) / 2)
