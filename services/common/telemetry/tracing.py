"""OpenTelemetry spans across HTTP and gRPC, joined by W3C `traceparent`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

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


@contextmanager
def span(name: str, kind: trace.SpanKind, carrier: Mapping[str, str] | None = None) -> Iterator[trace.Span]:
    """Open a span for the body, as a child of the caller's span in `carrier` if there is one."""
    parent = _PROPAGATOR.extract(carrier) if carrier is not None else None
    tracer = trace.get_tracer("isolane")
    with tracer.start_as_current_span(name, context=parent, kind=kind, record_exception=False) as opened:
        yield opened


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
