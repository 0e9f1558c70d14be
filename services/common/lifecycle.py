"""A service process from settings to exit status: start, supervise, reload on SIGHUP, drain on SIGTERM.

Exit status: 0 after a signal, 1 when it could not start or a supervised task died, 2 for wrong settings.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from opentelemetry.sdk.trace.export import SpanExporter

from services.common.config import ProcessSettings, ServerSettings, metadata_of
from services.common.errors import ConfigInvalid, DeviceError, StartupError
from services.common.reply import Backlog
from services.common.server.server import GrpcServer, Registration
from services.common.telemetry import metrics
from services.common.telemetry.logs import configure_logs, get_logger, set_level
from services.common.telemetry.tracing import Tracing, configure_tracing, otlp_exporter

SettingsT = TypeVar("SettingsT", bound=ProcessSettings)
ServerSettingsT = TypeVar("ServerSettingsT", bound=ServerSettings)

_COLLECT_AFTER = 10_000
"""Objects made and not freed, before those are looked through that are young."""
_SWITCH_S = 0.0005
"""How long a thread that computes waits at most for the event loop to give way, and the other way round: with Python's
own 5 ms, 32 callers of one text each got a tenth less from two cores (measured)."""

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
    load: Callable[[], Backlog] | None = None
    """Says how much work waits; None where nothing is queued."""


def run_service(settings_type: type[ServerSettingsT], build: Callable[[ServerSettingsT], ServiceApp]) -> int:
    """Run a service until SIGTERM or SIGINT; returns the exit status for `sys.exit`."""
    sys.setswitchinterval(_SWITCH_S)
    return run_process(settings_type, lambda settings: serve(settings, build(settings)))


def run_process(settings_type: type[SettingsT], start: Callable[[SettingsT], Coroutine[Any, Any, None]]) -> int:
    """Load settings, set up logs and traces, run `start`; errors before serving are one clear line."""
    # It waits until `reloads` listens, and where nothing listens any more it must not end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        settings = settings_type.load()
    except ConfigInvalid as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    configure_logs(settings.service, settings.log_level)
    tracing = configure_tracing(settings.service, _exporter(settings))
    with asyncio.Runner() as runner:
        try:
            runner.run(_reloading(settings, start, tracing))
        except StoppedWhileStarting:
            # A model that loads on a thread cannot be interrupted, and the interpreter would wait for it to end.
            log.info("stopped_while_starting")
            sys.stderr.flush()
            os._exit(0)
        except (StartupError, DeviceError) as exc:
            log.error("cannot_start", error=str(exc))
            return 1
        except TaskDied:
            return 1
        except Exception:
            log.exception("crashed")
            return 1
        finally:
            tracing.shutdown()
    return 0


async def _reloading(
    settings: SettingsT, start: Callable[[SettingsT], Coroutine[Any, Any, None]], tracing: Tracing
) -> None:
    """Run `start`; SIGHUP reloads while it runs."""
    async with reloads(settings):
        on_reload(_level_change)
        on_reload(_spans_change(tracing))
        await start(settings)


async def serve(settings: ServerSettings, app: ServiceApp) -> None:
    """Listen, load, serve, drain.

    Raises:
        StartupError: it could not start.
        TaskDied: a supervised task ended.
        StoppedWhileStarting: a signal came before it served.
    """
    stopping = stop_signal()
    async with AsyncExitStack() as stack:
        metrics_port = stack.enter_context(metrics.metrics_endpoint(settings.metrics_host, settings.metrics_port))
        server = GrpcServer(settings, app.registrations, app.load)
        port = await server.start()
        stack.push_async_callback(server.stop)
        log.debug("listening", host=settings.host, port=port, metrics_port=metrics_port)
        if not await _enter_unless(stopping, stack, app.engine):
            raise StoppedWhileStarting
        await stack.enter_async_context(supervise(app.background, stopping))
        # Engine and tasks must outlive the calls in progress, so the server stops first.
        stack.push_async_callback(server.stop)
        await server.set_serving()
        spare_the_collector()
        log.info("serving", host=settings.host, port=port, metrics_port=metrics_port)
        await stopping.wait()
        log.info("draining", drain_s=settings.drain_s)


def spare_the_collector() -> None:
    """Keep what the process started with out of garbage collections, and collect less often.

    A full collection walks every object: with those of the libraries it stops the event loop for tens of milliseconds,
    several times a second under load (measured: refusals at ten times the peak took 90 ms at the median, 3 so).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """New settings made ready; they hold after `commit`."""

    fields: Sequence[str]
    """Names of the settings."""
    commit: Callable[[], object]
    """Makes them hold. Runs on a thread and does not fail."""


Prepare = Callable[[SettingsT, SettingsT], Change | None]
"""Makes a change ready from the settings that hold and the new ones; None when there is nothing to do.
Runs on a thread. StartupError when the new ones cannot be used."""


class reloads(AbstractAsyncContextManager["reloads"]):  # noqa: N801 - reads as a statement
    """Read the settings anew on every SIGHUP while the body runs; what cannot be used changes nothing.

    Args:
        settings: those that hold.
    """

    def __init__(self, settings: ProcessSettings) -> None:
        self._settings = settings
        self._prepares: list[Prepare[Any]] = []
        self._hung_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> reloads:
        _current_reloads.set(self)
        self._task = asyncio.create_task(self._run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up.set)
        self._mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        return self

    async def __aexit__(self, *_exc: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def add(self, prepare: Prepare[Any]) -> None:
        """Let `prepare` see new settings."""
        self._prepares.append(prepare)

    async def _run(self) -> None:
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            # Files are read, an exporter ends: nothing that requests should wait for.
            await asyncio.to_thread(self._reload)

    def _reload(self) -> None:
        try:
            self._apply(type(self._settings).load())
        except StartupError as exc:
            metrics.reloads().labels("failed").inc()
            log.error("reload_failed", error=str(exc))
        except Exception:
            metrics.reloads().labels("failed").inc()
            log.exception("reload_failed")
        else:
            metrics.reloads().labels("applied").inc()

    def _apply(self, fresh: ProcessSettings) -> None:
        """Prepare every change, then commit all."""
        prepared = [prepare(self._settings, fresh) for prepare in tuple(self._prepares)]
        changes = [change for change in prepared if change is not None]
        different = _different(self._settings, fresh)
        for change in changes:
            change.commit()
        applied = [name for change in changes for name in change.fields]
        self._settings = self._settings.model_copy(update={name: getattr(fresh, name) for name in applied})
        log.info("reloaded", applied=applied)
        if others := [name for name in different if name not in applied]:
            log.warning("needs_restart", settings=others)


_current_reloads: ContextVar[reloads] = ContextVar("isolane_reloads")


def on_reload(prepare: Prepare[Any]) -> None:
    """Let `prepare` see new settings on every SIGHUP; without effect where nothing `reloads`."""
    if current := _current_reloads.get(None):
        current.add(prepare)


def _different(old: ProcessSettings, new: ProcessSettings) -> list[str]:
    """Names of the settings that differ."""
    return [name for name in type(old).model_fields if getattr(old, name) != getattr(new, name)]


def _level_change(old: ProcessSettings, new: ProcessSettings) -> Change | None:
    if new.log_level == old.log_level:
        return None
    return Change(fields=["log_level"], commit=lambda: set_level(new.log_level))


def _spans_change(tracing: Tracing) -> Prepare[ProcessSettings]:
    def prepare(old: ProcessSettings, new: ProcessSettings) -> Change | None:
        fields = [name for name in _different(old, new) if name in {"otlp_endpoint", "otlp_headers"}]
        if not fields:
            return None
        exporter = _exporter(new)
        return Change(fields=fields, commit=lambda: tracing.export_to(exporter))

    return prepare


def _exporter(settings: ProcessSettings) -> SpanExporter | None:
    return otlp_exporter(settings.otlp_endpoint, metadata_of(settings.otlp_headers.get_secret_value()))


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
