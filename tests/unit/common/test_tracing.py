from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from services.common.errors import TooLarge
from services.common.telemetry import tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Finished spans of a provider that only this test has."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


def test_a_span_is_a_child_of_its_caller(spans: InMemorySpanExporter) -> None:
    with tracing.span("embedding/Embed", SpanKind.SERVER, CALLER):
        assert tracing.current_trace_id() == TRACE

    [finished] = spans.get_finished_spans()
    assert finished.parent is not None
    assert f"{finished.parent.span_id:016x}" == "b7ad6b7169203331"


def test_the_next_process_gets_the_trace_and_this_span_as_its_parent(spans: InMemorySpanExporter) -> None:
    with tracing.span("gateway", SpanKind.SERVER, CALLER), tracing.span("embedding/Embed", SpanKind.CLIENT):
        carried = tracing.inject()

    inner = spans.get_finished_spans()[0]
    assert inner.context is not None
    assert carried["traceparent"] == f"00-{TRACE}-{inner.context.span_id:016x}-01"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "garbage",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
    ],
)
def test_a_broken_traceparent_starts_a_trace_of_its_own(spans: InMemorySpanExporter, broken: str) -> None:
    with tracing.span("embedding/Embed", SpanKind.SERVER, {"traceparent": broken}):
        trace_id = tracing.current_trace_id()

    assert len(trace_id) == 32
    assert trace_id not in {TRACE, "0" * 32}
    assert spans.get_finished_spans()[0].parent is None


def test_there_is_nothing_to_carry_outside_a_span() -> None:
    assert tracing.inject() == {}
    assert tracing.current_trace_id() == ""


def test_an_exceptions_text_does_not_leave_the_process(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="private"), tracing.span("work", SpanKind.SERVER):
        raise ValueError("private text of a document")

    assert "private" not in spans.get_finished_spans()[0].to_json()


def test_an_error_of_ours_marks_its_span_with_its_code(spans: InMemorySpanExporter) -> None:
    with pytest.raises(TooLarge), tracing.span("embedding/Embed", SpanKind.CLIENT):
        raise TooLarge("input: 3000 texts; at most 2048 per request")

    status = spans.get_finished_spans()[0].status
    assert (status.status_code, status.description) == (trace.StatusCode.ERROR, "too_large")


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> Iterator[tracing.Tracing]:
    """The tracing of a process that has no collector, for this test alone."""
    own = tracing.Tracing("test")
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: own.provider)
    yield own
    own.shutdown()


@pytest.mark.parametrize("flags", ["00", "01"])
def test_without_a_collector_a_trace_goes_on_as_it_came(unheard: tracing.Tracing, flags: str) -> None:
    carrier = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-{flags}", "tracestate": "vendor=1"}

    with tracing.span("request", SpanKind.SERVER, carrier) as outer:
        carried = [tracing.inject()]
        with tracing.span("embedding/Embed", SpanKind.CLIENT):
            carried.append(tracing.inject())
        carried.append(tracing.inject())

    assert carried == [carrier] * 3
    assert not outer.is_recording()
    assert tracing.inject() == {}


def test_without_a_collector_the_next_process_is_a_child_of_the_caller(
    unheard: tracing.Tracing, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = trace.get_tracer_provider()
    with monkeypatch.context() as deaf:
        deaf.setattr(trace, "get_tracer_provider", lambda: unheard.provider)
        with tracing.span("request", SpanKind.SERVER, CALLER):
            carried = tracing.inject()
    assert trace.get_tracer_provider() is recording

    with tracing.span("embedding/Embed", SpanKind.SERVER, carried):
        pass

    [finished] = spans.get_finished_spans()
    assert finished.parent is not None
    assert f"{finished.parent.span_id:016x}" == "b7ad6b7169203331"


@pytest.mark.parametrize("carrier", [{}, {"traceparent": "garbage"}, None])
def test_without_a_collector_a_trace_begins_where_none_is_known(
    unheard: tracing.Tracing, carrier: dict[str, str] | None
) -> None:
    ids = []
    for _ in range(2):
        with contextlib.suppress(TooLarge), tracing.span("request", SpanKind.SERVER, carrier):
            ids.append(tracing.current_trace_id())
            raise TooLarge("input: 3000 texts; at most 2048 per request")

    assert [len(each) for each in ids] == [32, 32]
    assert ids[0] != ids[1]
    assert tracing.current_trace_id() == ""


def test_spans_are_recorded_from_when_there_is_a_collector_until_there_is_none(unheard: tracing.Tracing) -> None:
    collector, recording = InMemorySpanExporter(), []
    for name, exporter in (("before", None), ("meanwhile", collector), ("after", None)):
        unheard.export_to(exporter)
        with tracing.span(name, SpanKind.SERVER) as opened:
            recording.append(opened.is_recording())
        unheard.provider.force_flush()

    assert recording == [False, True, False]
    assert [span.name for span in collector.get_finished_spans()] == ["meanwhile"]


class Stuck(SpanExporter):
    """Holds its first batch until it is let go, and then fails."""

    def __init__(self) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.is_shut_down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.let_go.wait(10)
        assert not self.is_shut_down
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.is_shut_down = True


def test_a_batch_that_fails_at_a_replaced_exporter_goes_to_its_successor() -> None:
    stuck, successor = Stuck(), InMemorySpanExporter()
    relay = tracing.Relay(stuck)
    exporting = threading.Thread(target=relay.export, args=([ReadableSpan("one")],))
    exporting.start()
    stuck.entered.wait(10)
    replacing = threading.Thread(target=relay.replace, args=(successor,))
    replacing.start()
    while relay._exporter is not successor:
        pass

    stuck.let_go.set()
    exporting.join(10)
    replacing.join(10)

    assert [span.name for span in successor.get_finished_spans()] == ["one"]
    assert stuck.is_shut_down
