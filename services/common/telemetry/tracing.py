"""OpenTelemetry spans across HTTP and gRPC, joined by W3C `traceparent`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from functools import cache
from types import TracebackType

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.common.errors import RequestError

_PROPAGATOR = TraceContextTextMapPropagator()
_PARENT_KEY, _STATE_KEY = CARRIED = ("traceparent", "tracestate")
"""Headers that carry a span from one process to the next."""
_IDS = RandomIdGenerator()
_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
_PLAIN_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_current: ContextVar[trace.Span] = ContextVar("isolane_span", default=trace.INVALID_SPAN)
"""The span that is open in this task. OpenTelemetry's own context costs more to ask than a span to make."""


class _Provider(TracerProvider):
    """Knows whether its spans go anywhere."""

    is_exporting = False


class Tracing:
    """The process's tracer, and where its spans go.

    Args:
        service: name of the deployable.
        exporter: takes the spans; without one they get ids and go nowhere.
    """

    def __init__(self, service: str, exporter: SpanExporter | None = None) -> None:
        self.provider = _Provider(resource=Resource.create({"service.name": f"isolane-{service}"}))
        self._relay: Relay | None = None
        self.export_to(exporter)

    def export_to(self, exporter: SpanExporter | None) -> None:
        """Send spans there from now on, those that wait included. Blocks while the one before ends its last batch."""
        if self._relay is not None:
            self._relay.replace(exporter)
        elif exporter is not None:
            self._relay = Relay(exporter)
            self.provider.add_span_processor(BatchSpanProcessor(self._relay))
        self.provider.is_exporting = exporter is not None

    def shutdown(self) -> None:
        """Export what is not exported yet, and end."""
        self.provider.shutdown()


class Relay(SpanExporter):
    """Exports through the exporter that it was given last, so that the spans in a processor's queue outlive a change.

    Args:
        exporter: the first one.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter: SpanExporter | None = exporter
        self._exporting = threading.Lock()

    def replace(self, exporter: SpanExporter | None) -> None:
        """Use `exporter` for what comes, and shut the one before down when its batch in progress has ended."""
        before, self._exporter = self._exporter, exporter
        with self._exporting:
            if before is not None:
                before.shutdown()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export; what fails at an exporter that was replaced meanwhile goes to its successor."""
        with self._exporting:
            while (exporter := self._exporter) is not None:
                result = exporter.export(spans)
                if result is SpanExportResult.SUCCESS or exporter is self._exporter:
                    return result
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """End the exporter."""
        if self._exporter is not None:
            self._exporter.shutdown()


def configure_tracing(service: str, exporter: SpanExporter | None) -> Tracing:
    """Install the process's tracer; its `shutdown` flushes what is not exported yet."""
    tracing = Tracing(service, exporter)
    trace.set_tracer_provider(tracing.provider)
    return tracing


def otlp_exporter(endpoint: str, headers: Sequence[tuple[str, str]]) -> SpanExporter | None:
    """An exporter to an OTLP gRPC collector, not connected yet; None without an endpoint."""
    if not endpoint:
        return None
    # Imported only when used: it would cost memory and start-up time in every process.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter(endpoint=endpoint, headers=headers, insecure=not endpoint.startswith("https://"))


@cache
def _tracer(provider: trace.TracerProvider) -> trace.Tracer:
    """The provider's tracer; asking for it anew for every span costs more than the span."""
    return provider.get_tracer("isolane")


def span(
    name: str, kind: trace.SpanKind, carrier: Mapping[str, str] | None = None
) -> AbstractContextManager[trace.Span]:
    """Open a span for the body, as a child of the caller's span in `carrier` if there is one."""
    parent = _current.get() if carrier is None else _callers_span(carrier)
    provider = trace.get_tracer_provider()
    if isinstance(provider, _Provider) and not provider.is_exporting:
        return _Passing(parent)
    return _recorded(_tracer(provider), name, kind, parent)


@contextmanager
def _recorded(tracer: trace.Tracer, name: str, kind: trace.SpanKind, parent: trace.Span) -> Iterator[trace.Span]:
    opened = tracer.start_span(name, trace.set_span_in_context(parent), kind)
    token = _current.set(opened)
    try:
        yield opened
    except RequestError as exc:
        # An exception's own text may quote a document, so that only the code of an error of ours leaves the process.
        opened.set_status(trace.Status(trace.StatusCode.ERROR, exc.code))
        raise
    finally:
        _current.reset(token)
        opened.end()


class _Passing(AbstractContextManager[trace.Span]):
    """A span that nobody will see: the ids are the caller's, so that whoever records next is a child of who did before.

    A class, as it stands around every call: a generator costs more.

    Args:
        parent: the caller's span; without a valid one a trace begins.
    """

    __slots__ = ("_span", "_token")

    def __init__(self, parent: trace.Span) -> None:
        self._span = parent if parent.get_span_context().is_valid else _beginning()
        self._token: Token[trace.Span]

    def __enter__(self) -> trace.Span:
        self._token = _current.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _current.reset(self._token)


def _beginning() -> trace.Span:
    """The first span of a trace of its own."""
    return trace.NonRecordingSpan(
        trace.SpanContext(_IDS.generate_trace_id(), _IDS.generate_span_id(), is_remote=False, trace_flags=_SAMPLED)
    )


def _callers_span(carrier: Mapping[str, str]) -> trace.Span:
    if (parent := carrier.get(_PARENT_KEY)) is None:
        return trace.INVALID_SPAN
    if _STATE_KEY in carrier or (plain := _PLAIN_PARENT.fullmatch(parent)) is None:
        return trace.get_current_span(_PROPAGATOR.extract(carrier))
    trace_id, span_id, flags = (int(digits, 16) for digits in plain.groups())
    return trace.NonRecordingSpan(
        trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    )


def inject() -> dict[str, str]:
    """Headers that carry the current span to the next process; empty outside a span."""
    context = _current.get().get_span_context()
    if not context.is_valid:
        return {}
    ids = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    if not context.trace_state:
        return {_PARENT_KEY: ids}
    return {_PARENT_KEY: ids, _STATE_KEY: context.trace_state.to_header()}


def current_trace_id() -> str:
    """The current trace's id as 32 hex digits; empty outside a span."""
    context = _current.get().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""


def current_span() -> trace.Span:
    """The span that is open in this task; one that records nothing outside a span."""
    return _current.get()
