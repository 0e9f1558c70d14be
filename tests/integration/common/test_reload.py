"""SIGHUP: a running process reads its settings anew."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as pb_grpc

from services.common.testing.waiting import eventually

pytestmark = pytest.mark.integration

PROCESS = """
import asyncio, signal, sys
from typing import ClassVar
from opentelemetry.trace import SpanKind
from services.common.config import ProcessSettings
from services.common.lifecycle import Change, on_reload, run_process, stop_signal
from services.common.telemetry import tracing
from services.common.telemetry.logs import get_logger
from services.common.telemetry.metrics import reloads

class TryoutSettings(ProcessSettings):
    service: ClassVar[str] = "tryout"
    port: int = 1
    scene: str = ""

log = get_logger()

def broken(old, new):
    raise ZeroDivisionError("a bug")

async def start(settings):
    if settings.scene == "starting":
        signal.raise_signal(signal.SIGHUP)
    stopping = stop_signal()
    if settings.scene == "bug":
        on_reload(broken)
    log.warning("serving")
    number = 0
    while not stopping.is_set():
        if settings.scene == "spans":
            with tracing.span(f"span-{number}", SpanKind.INTERNAL):
                number += 1
        log.debug("detail")
        await asyncio.sleep(0.005)
    log.warning("draining")
    if settings.scene == "draining":
        for _ in range(3):
            signal.raise_signal(signal.SIGHUP)
    counts = {one.labels["outcome"]: one.value for one in reloads().collect()[0].samples if one.name.endswith("_total")}
    log.warning("ended", spans=number, **counts)

status = run_process(TryoutSettings, start)
signal.raise_signal(signal.SIGHUP)
sys.exit(status)
"""


class Process:
    """A running process, its secrets, and the lines that it has logged."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.lines: list[dict[str, Any]] = []

    def write(self, **settings: str) -> None:
        """Render secrets as a template does."""
        write(self.folder, settings)

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    async def line(self, event: str) -> dict[str, Any]:
        """The next line with this event."""
        assert self.process.stderr is not None
        async with asyncio.timeout(20):
            async for raw in self.process.stderr:
                self.lines.append(json.loads(raw))
                if self.lines[-1]["event"] == event:
                    return self.lines[-1]
        raise AssertionError(f"no {event!r} in {self.lines}")

    async def end(self) -> dict[str, Any]:
        """Its last word, after it ended with 0."""
        self.process.terminate()
        ended = await self.line("ended")
        await asyncio.wait_for(self.process.communicate(), 20)
        assert self.process.returncode == 0
        return ended

    @property
    def text(self) -> str:
        return json.dumps(self.lines)


def write(folder: Path, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        (folder / f"isolane_tryout_{name}").write_text(f"{value}\n")


@contextlib.asynccontextmanager
async def process(folder: Path, **settings: str) -> AsyncIterator[Process]:
    write(folder, settings)
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROCESS,
        env=os.environ | {"ISOLANE_SECRETS_DIR": str(folder)},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(started, folder)
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


class Collector(pb_grpc.TraceServiceServicer):
    """Remembers the names of spans, and the headers that they came with."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self.tokens: list[str] = []
        self.port = 0

    async def Export(self, request: Any, context: aio.ServicerContext[Any, Any]) -> Any:  # noqa: N802 - gRPC's name
        metadata = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
        self.tokens.append(metadata.get("authorization", ""))
        self.spans += [span.name for group in request.resource_spans for scope in group.scope_spans
                       for span in scope.spans]  # fmt: skip
        return pb.ExportTraceServiceResponse()


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    server, servicer = aio.server(), Collector()
    pb_grpc.add_TraceServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # generated
    servicer.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield servicer
    finally:
        await server.stop(0)


async def test_the_log_level_changes(tmp_path: Path) -> None:
    async with process(tmp_path, log_level="info") as running:
        await running.line("serving")
        running.write(log_level="debug")

        running.hang_up()

        assert (await running.line("reloaded"))["applied"] == ["log_level"]
        assert (await running.line("detail"))["level"] == "debug"
        assert (await running.end())["applied"] == 1


async def test_what_cannot_change_while_it_runs_is_named_every_time(tmp_path: Path) -> None:
    async with process(tmp_path, port="1") as running:
        await running.line("serving")
        running.write(port="2", scene="other", log_level="debug")

        for _ in range(2):
            running.hang_up()

            assert (await running.line("needs_restart"))["settings"] == ["port", "scene"]


async def test_wrong_settings_are_named_and_change_nothing(tmp_path: Path) -> None:
    async with process(tmp_path, log_level="info") as running:
        await running.line("serving")
        running.write(log_level="debug", port="many", otlp_headers="hunter2")

        running.hang_up()

        error = (await running.line("reload_failed"))["error"]
        assert "ISOLANE_TRYOUT_PORT" in error
        assert "ISOLANE_TRYOUT_OTLP_HEADERS" in error
        assert (await running.end())["failed"] == 1
    assert "detail" not in running.text
    assert "hunter2" not in running.text


async def test_a_bug_in_a_reload_is_logged_and_the_next_one_runs(tmp_path: Path) -> None:
    async with process(tmp_path, scene="bug") as running:
        await running.line("serving")

        for _ in range(2):
            running.hang_up()

            assert "ZeroDivisionError" in (await running.line("reload_failed"))["exception"]
        assert (await running.end())["failed"] == 2


async def test_a_signal_while_it_starts_is_kept_until_it_can_reload(tmp_path: Path) -> None:
    async with process(tmp_path, scene="starting") as running:
        assert (await running.line("reloaded"))["applied"] == []

        await running.end()


@pytest.mark.parametrize("scene", ["", "draining"])
async def test_signals_at_any_moment_do_not_end_it(tmp_path: Path, scene: str) -> None:
    async with process(tmp_path, scene=scene) as running:
        await running.line("serving")
        for _ in range(200):
            running.hang_up()
            await asyncio.sleep(0)

        running.process.terminate()
        running.hang_up()

        await running.line("ended")
        await asyncio.wait_for(running.process.communicate(), 20)
    assert running.process.returncode == 0


async def test_headers_reach_the_collector_and_change_without_losing_a_span(tmp_path: Path) -> None:
    async with collector() as first, collector() as second:
        address = f"http://127.0.0.1:{first.port}"
        headers = "Authorization=Bearer%20hunter2"
        async with process(tmp_path, scene="spans", otlp_endpoint=address, otlp_headers=headers) as running:
            await running.line("serving")
            await eventually(lambda: first.tokens)
            running.write(otlp_headers="Authorization=Bearer%20other2")
            running.hang_up()
            assert (await running.line("reloaded"))["applied"] == ["otlp_headers"]
            await eventually(lambda: "Bearer other2" in first.tokens)
            running.write(otlp_endpoint=f"http://127.0.0.1:{second.port}")
            running.hang_up()
            assert (await running.line("reloaded"))["applied"] == ["otlp_endpoint"]
            await eventually(lambda: second.tokens)

            count = (await running.end())["spans"]

    assert sorted(set(first.tokens)) == ["Bearer hunter2", "Bearer other2"]
    assert set(second.tokens) == {"Bearer other2"}
    assert sorted(first.spans + second.spans) == sorted(f"span-{number}" for number in range(count))
    assert "hunter2" not in running.text
    assert "other2" not in running.text


async def test_spans_flow_from_the_reload_that_names_a_collector(tmp_path: Path) -> None:
    async with collector() as late, process(tmp_path, scene="spans") as running:
        await running.line("serving")
        running.write(otlp_endpoint=f"http://127.0.0.1:{late.port}")

        running.hang_up()

        await eventually(lambda: late.spans)
        running.write(otlp_endpoint="")
        running.hang_up()
        await running.line("reloaded")
        await running.end()
