"""The HTTP server of the gateway: uvicorn in this process and loop, under our own signals, limits and logs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from gateway.app import Gateway
from gateway.protocol import bounded_protocol
from gateway.settings import GatewaySettings
from services.common.errors import StartupError
from services.common.lifecycle import stop_signal, supervise
from services.common.telemetry.logs import get_logger

_KEEP_ALIVE_S = 75
"""Longer than callers' connection pools keep an idle connection (5 to 60 s), so that they, not we, close it: a request
that meets a close on its way is lost."""
_BACKLOG = 2048

log = get_logger()


async def serve(settings: GatewaySettings, gateway: Gateway) -> None:
    """Listen, serve, drain on SIGTERM.

    Raises:
        StartupError: the port is taken.
        TaskDied: a background task ended.
    """
    stopping = stop_signal()
    listener = listen(settings)
    server = _Server(_config(settings, gateway))
    async with contextlib.aclosing(gateway.resolver), supervise(gateway.background, stopping):
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        log.info("serving", host=settings.host, port=listener.getsockname()[1])
        await _first_of(stopping, serving)
        gateway.readiness.is_draining = True
        log.info("draining", drain_s=settings.drain_s)
        await asyncio.sleep(settings.shutdown_delay_s)
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: `stop_signal` is told."""
        yield


def listen(settings: GatewaySettings) -> socket.socket:
    """A listening socket; StartupError when the port is taken, where uvicorn would end the process."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as exc:
        raise StartupError(
            f"gateway: cannot listen on {settings.host}:{settings.port} ({exc.strerror}); stop what uses the port "
            "or set ISOLANE_GATEWAY_PORT"
        ) from exc
    # asyncio sets it only on sockets that it made itself; without it every answer waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _config(settings: GatewaySettings, gateway: Gateway) -> uvicorn.Config:
    app: Any = gateway.asgi
    return uvicorn.Config(
        app,
        http=bounded_protocol(settings),
        # uvloop speeds up neither grpc.aio nor, here, the whole, and costs memory.
        loop="none",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
    )


async def _first_of(stopping: asyncio.Event, serving: asyncio.Task[None]) -> None:
    """Wait for the signal, or for the server to end on its own."""
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait({signalled, serving}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
