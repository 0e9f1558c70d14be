"""A service process from its settings to its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from services.common import status
from services.common.errors import Unavailable

pytestmark = pytest.mark.integration

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name

SERVICE = """
import asyncio, contextlib, sys, time
from typing import ClassVar
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc
from services.common.config import ServerSettings
from services.common.errors import DeviceLost, StartupError
from services.common.lifecycle import ServiceApp, run_service
from services.common.server.server import Registration
from services.common.telemetry.logs import get_logger

class TryoutSettings(ServerSettings):
    service: ClassVar[str] = "tryout"
    port: int = 0
    metrics_port: int = 0
    answer_s: float = 0.0
    scene: str = ""

class Servicer(pb_grpc.EmbeddingServiceServicer):
    def __init__(self, settings): self.settings = settings
    async def Embed(self, request, context):
        get_logger().info("answering")
        await asyncio.sleep(self.settings.answer_s)
        return pb.EmbedResponse()

def build(settings):
    log = get_logger()

    @contextlib.asynccontextmanager
    async def engine():
        if settings.scene == "cannot_load":
            raise StartupError("model source path:/gone: no model there; correct the setting")
        if settings.scene == "device_lost":
            raise DeviceLost("CUDA failed: CUDA error: unknown error")
        if settings.scene == "bug":
            raise ZeroDivisionError("a bug")
        if settings.scene == "slow_load":
            log.info("loading")
            await asyncio.to_thread(time.sleep, 60)
        yield
        log.info("engine_closed")

    async def run():
        if settings.scene == "dies":
            await asyncio.sleep(0.5)
            raise ValueError("the device is gone")
        if settings.scene == "ends":
            return
        await asyncio.Event().wait()

    registration = Registration(
        name="isolane.embedding.v1.EmbeddingService", servicer=Servicer(settings),
        add=pb_grpc.add_EmbeddingServiceServicer_to_server,
    )
    return ServiceApp(registrations=[registration], engine=engine(), background=[run])

sys.exit(run_service(TryoutSettings, build))
"""


class Service:
    """A running process and the lines that it has logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def line(self, event: str) -> dict[str, Any]:
        """The next line with this event."""
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            self.lines.append(json.loads(raw))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"no {event!r} in {self.lines}")

    async def exit(self, within_s: float = 10.0) -> int:
        """Its exit status; the rest of its log is read."""
        _, rest = await asyncio.wait_for(self.process.communicate(), within_s)
        self.lines += [json.loads(raw) for raw in rest.splitlines()]
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


@contextlib.asynccontextmanager
async def service(**settings: object) -> AsyncIterator[Service]:
    named = {"log_level": "debug"} | settings
    environment = os.environ | {f"ISOLANE_TRYOUT_{name.upper()}": str(value) for name, value in named.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(SERVICE), env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield Service(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def channel_to(line: dict[str, Any]) -> AsyncIterator[aio.Channel]:
    async with aio.insecure_channel(f"127.0.0.1:{line['port']}") as channel:
        yield channel


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_call_in_flight_finish_and_ends_with_0(number: signal.Signals) -> None:
    async with service(answer_s=0.5) as running, channel_to(await running.line("serving")) as channel:
        calling = asyncio.create_task(embed(channel))
        await running.line("answering")

        running.process.send_signal(number)

        assert isinstance(await calling, pb.EmbedResponse)
        assert await running.exit() == 0
    assert running.events.index("rpc") < running.events.index("engine_closed")


async def embed(channel: aio.Channel) -> pb.EmbedResponse:
    reply: pb.EmbedResponse = await pb_grpc.EmbeddingServiceStub(channel).Embed(pb.EmbedRequest(), timeout=20)
    return reply


async def test_a_caller_that_follows_its_health_does_not_keep_it_from_ending() -> None:
    async with service() as running, channel_to(await running.line("serving")) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=NAME))
        await watch.read()

        running.process.terminate()

        assert await running.exit() == 0


async def test_a_signal_while_a_model_loads_ends_it_without_waiting_for_the_model() -> None:
    async with service(scene="slow_load") as running, channel_to(await running.line("listening")) as channel:
        await running.line("loading")
        with pytest.raises(aio.AioRpcError) as refused:
            await embed(channel)

        running.process.terminate()

        assert await running.exit(within_s=10) == 0
    assert isinstance(status.decode(refused.value, "tryout"), Unavailable)
    assert running.events[-1] == "stopped_while_starting"


async def test_a_task_that_dies_makes_it_unhealthy_and_ends_it_with_1() -> None:
    async with service(scene="dies") as running, channel_to(await running.line("serving")) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=NAME))
        statuses = [reply.status async for reply in watch]

        assert await running.exit() == 1
    assert statuses == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
    [died] = [line for line in running.lines if line["event"] == "task_died"]
    assert "ValueError: the device is gone" in died["exception"]


async def test_a_task_that_merely_ends_ends_it_with_1_too() -> None:
    async with service(scene="ends") as running:
        assert await running.exit() == 1

    assert "task_died" in running.events


async def test_wrong_settings_end_it_with_2_and_name_every_problem() -> None:
    async with service(answer_s="soon", scnee="x", drain_s=-1) as running:
        _, text = await asyncio.wait_for(running.process.communicate(), 10)

    assert running.process.returncode == 2
    for name in (b"ISOLANE_TRYOUT_ANSWER_S", b"ISOLANE_TRYOUT_SCNEE", b"ISOLANE_TRYOUT_DRAIN_S"):
        assert name in text
    assert b"Traceback" not in text


async def test_a_model_that_cannot_be_loaded_ends_it_with_1_and_one_clear_line() -> None:
    async with service(scene="cannot_load") as running:
        assert await running.exit() == 1

    assert running.events == ["listening", "cannot_start"]
    assert running.lines[-1]["error"] == "model source path:/gone: no model there; correct the setting"


async def test_a_device_that_is_lost_while_starting_ends_it_with_1_and_one_clear_line() -> None:
    async with service(scene="device_lost") as running:
        assert await running.exit() == 1

    assert running.events == ["listening", "cannot_start"]
    assert running.lines[-1]["error"] == "CUDA failed: CUDA error: unknown error"


async def test_a_bug_while_starting_ends_it_with_1_and_its_cause_in_one_line() -> None:
    async with service(scene="bug") as running:
        assert await running.exit() == 1

    assert running.events == ["listening", "crashed"]
    assert "ZeroDivisionError: a bug" in running.lines[-1]["exception"]


@pytest.mark.parametrize("setting", ["port", "metrics_port"])
async def test_a_taken_port_ends_it_with_1_and_one_clear_line(setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with service(**{setting: port}) as running:
            assert await running.exit() == 1

    assert running.events == ["cannot_start"]
    assert str(port) in running.lines[0]["error"]


async def test_metrics_are_served_from_the_start() -> None:
    async with service(scene="slow_load") as running:
        line = await running.line("listening")
        reader, writer = await asyncio.open_connection("127.0.0.1", line["metrics_port"])
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()

    assert b"isolane_rpc_server_seconds" in answer
