"""A service process from settings to exit status: start, supervise, drain on SIGTERM.

Exit status: 0 after a signal, 1 when it could not start or a supervised task died, 2 for wrong settings.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from services.common.config import ProcessSettings, ServerSettings
from services.common.errors import ConfigInvalid, StartupError
from services.common.server.server import GrpcServer, Registration
from services.common.telemetry.logs import configure_logs, get_logger
from services.common.telemetry.metrics import metrics_endpoint
from services.common.telemetry.tracing import configure_tracing

SettingsT = TypeVar("SettingsT", bound=ProcessSettings)
ServerSettingsT = TypeVar("ServerSettingsT", bound=ServerSettings)

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceApp:
    """What a service's `build` returns."""

    registrations: Sequence[Registration]
    """Its gRPC services."""
    engine: AbstractAsyncContextManager[Any]
    """Loads models on entry and frees them on exit; StartupError when it cannot."""
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """Tasks that run while it serves; when one ends, the process drains and exits 1."""


def run_service(settings_type: type[ServerSettingsT], build: Callable[[ServerSettingsT], ServiceApp]) -> int:
    """Run a service until SIGTERM or SIGINT; returns the exit status for `sys.exit`."""
    return run_process(settings_type, lambda settings: serve(settings, build(settings)))


def run_process(settings_type: type[SettingsT], start: Callable[[SettingsT], Coroutine[Any, Any, None]]) -> int:
    """Load settings, set up logs and traces, run `start`; errors before serving are one clear line."""
    try:
        settings = settings_type.load()
    except ConfigInvalid as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    configure_logs(settings.service, settings.log_level)
    provider = configure_tracing(settings.service, settings.otlp_endpoint)
    with asyncio.Runner() as runner:
        try:
            runner.run(start(settings))
        except StoppedWhileStarting:
            # A model that loads on a thread cannot be interrupted, and the interpreter would wait for it to end.
            log.info("stopped_while_starting")
            sys.stderr.flush()
            os._exit(0)
        except StartupError as exc:
            log.error("cannot_start", error=str(exc))
            return 1
        except TaskDied:
            return 1
        except Exception:
            log.exception("crashed")
            return 1
        finally:
            provider.shutdown()
    return 0


async def serve(settings: ServerSettings, app: ServiceApp) -> None:
    """Listen, load, serve, drain.

    Raises:
        StartupError: it could not start.
        TaskDied: a supervised task ended.
        StoppedWhileStarting: a signal came before it served.
    """
    stopping = stop_signal()
    async with AsyncExitStack() as stack:
        metrics_port = stack.enter_context(metrics_endpoint(settings.metrics_host, settings.metrics_port))
        server = GrpcServer(settings, app.registrations)
        port = await server.start()
        stack.push_async_callback(server.stop)
        log.debug("listening", host=settings.host, port=port, metrics_port=metrics_port)
        if not await _enter_unless(stopping, stack, app.engine):
            raise StoppedWhileStarting
        await stack.enter_async_context(supervise(app.background, stopping))
        # Engine and tasks must outlive the calls in progress, so the server stops first.
        stack.push_async_callback(server.stop)
        await server.set_serving()
        log.info("serving", host=settings.host, port=port, metrics_port=metrics_port)
        await stopping.wait()
        log.info("draining", drain_s=settings.drain_s)


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


class StoppedWhileStarting(Exception):
    """A signal came while the engine was loading; a thread of it may still be at work."""


class TaskDied(Exception):
    """A supervised task ended though it should run as long as the process."""


class supervise(AbstractAsyncContextManager["supervise"]):  # noqa: N801 - reads as a statement
    """Run tasks while the body runs; when one ends, set `stopping` and raise TaskDied after the body.

    Args:
        tasks: what to run; none should return.
        stopping: set so that the body ends.
    """

    def __init__(self, tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]], stopping: asyncio.Event) -> None:
        self._factories = tasks
        self._stopping = stopping
        self._tasks: list[asyncio.Task[None]] = []
        self._died: list[str] = []

    async def __aenter__(self) -> supervise:
        for factory in self._factories:
            task = asyncio.create_task(factory(), name=factory.__qualname__)
            task.add_done_callback(self._ended)
            self._tasks.append(task)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._died:
            raise TaskDied(", ".join(self._died))

    def _ended(self, task: asyncio.Task[None]) -> None:
        cause = None if task.cancelled() else task.exception()
        log.error("task_died", task=task.get_name(), exc_info=cause)
        self._died.append(task.get_name())
        self._stopping.set()


async def _enter_unless(
    stopping: asyncio.Event, stack: AsyncExitStack, engine: AbstractAsyncContextManager[Any]
) -> bool:
    """Enter the engine; False when a signal came first."""
    entering = asyncio.ensure_future(stack.enter_async_context(engine))
    stopped = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({entering, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if entering.done():
        await entering
        return True
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)
    return False
