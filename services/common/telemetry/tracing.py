"""OpenTelemetry spans across HTTP and gRPC, joined by W3C `traceparent`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.common.errors import RequestError

_PROPAGATOR = TraceContextTextMapPropagator()


def configure_tracing(service: str, otlp_endpoint: str) -> TracerProvider:
    """Install the process's tracer. Without an endpoint spans get ids and are not exported.

    Returns:
        The provider; its `shutdown` flushes what is not exported yet.
    """
    provider = TracerProvider(resource=Resource.create({"service.name": f"isolane-{service}"}))
    if otlp_endpoint:
        # Imported only when used: it would cost memory and start-up time in every process.
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        insecure = not otlp_endpoint.startswith("https://")
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint, insecure=insecure)))
    trace.set_tracer_provider(provider)
    return provider


@cache
def _tracer(provider: trace.TracerProvider) -> trace.Tracer:
    """The provider's tracer; asking for it anew for every span costs more than the span."""
    return provider.get_tracer("isolane")


@contextmanager
def span(name: str, kind: trace.SpanKind, carrier: Mapping[str, str] | None = None) -> Iterator[trace.Span]:
    """Open a span for the body, as a child of the caller's span in `carrier` if there is one."""
    parent = _PROPAGATOR.extract(carrier) if carrier is not None else None
    tracer = _tracer(trace.get_tracer_provider())
    # An exception's own text may quote a document, so that only the code of an error of ours leaves the process.
    with tracer.start_as_current_span(
        name, context=parent, kind=kind, record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield opened
        except RequestError as exc:
            opened.set_status(trace.Status(trace.StatusCode.ERROR, exc.code))
            raise


def inject() -> dict[str, str]:
    """Headers that carry the current span to the next process; empty outside a span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier


def current_trace_id() -> str:
    """The current trace's id as 32 hex digits; empty outside a span."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def current_span() -> trace.Span:
    """The span that is open in this task; one that records nothing outside a span."""
    return trace.get_current_span()
