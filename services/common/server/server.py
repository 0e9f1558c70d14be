"""A grpc.aio server with health, reflection and the edge interceptor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common.config import ServerSettings
from services.common.errors import StartupError
from services.common.reply import Backlog
from services.common.server.health import NOT_SERVING, SERVING, DrainingHealth
from services.common.server.interceptor import EdgeInterceptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One gRPC service of a server."""

    name: str
    """Full name, for example isolane.embedding.v1.EmbeddingService."""
    servicer: Any
    add: Callable[[Any, aio.Server], None]
    """The generated `add_…Servicer_to_server`."""


class GrpcServer:
    """A server that listens at once, reports NOT_SERVING until `set_serving`, and drains on `stop`.

    Args:
        settings: addresses and limits.
        registrations: the gRPC services.
        load: says how much work waits; every answer tells it.
    """

    def __init__(
        self,
        settings: ServerSettings,
        registrations: Sequence[Registration],
        load: Callable[[], Backlog] | None = None,
    ) -> None:
        self._settings = settings
        self._names = [registration.name for registration in registrations]
        self._edge = EdgeInterceptor(
            settings.service, max_deadline_s=settings.max_deadline_s, most_bytes=settings.max_message_bytes, load=load
        )
        self._health = DrainingHealth()
        self._has_served = False
        self._is_stopped = False
        self._server = aio.server(interceptors=[self._edge], options=_options(settings))
        for registration in registrations:
            registration.add(registration.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)

    async def start(self) -> int:
        """Listen, NOT_SERVING; returns the port.

        Raises:
            StartupError: the port is taken, or the address is not this machine's.
        """
        await self._set_health(NOT_SERVING)
        address = f"{self._settings.host}:{self._settings.port}"
        try:
            # gRPC would write a line of its own to standard error and not say why.
            socket.create_server((self._settings.host, self._settings.port)).close()
            port = self._server.add_insecure_port(address)
        except (OSError, RuntimeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "refused"
            variable = f"{type(self._settings).prefix()}PORT"
            raise StartupError(
                f"{self._settings.service}: cannot listen on {address} ({reason}); stop what uses it or set {variable}"
            ) from exc
        await self._server.start()
        return port

    async def set_serving(self) -> None:
        """Report SERVING and admit calls."""
        self._has_served = True
        self._edge.start()
        await self._set_health(SERVING)

    async def stop(self) -> None:
        """Report NOT_SERVING, give callers time to notice, finish the calls in progress, stop. Again: nothing."""
        if self._is_stopped:
            return
        self._is_stopped = True
        await self._health.enter_graceful_shutdown()
        if self._has_served:
            await asyncio.sleep(self._settings.shutdown_delay_s)
        self._health.end_watches()
        await self._server.stop(self._settings.drain_s)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ["", *self._names]:
            await self._health.set(name, status)


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    return [
        # Two servers must not share a port by accident.
        ("grpc.so_reuseport", 0),
        # Callers ping every 10 s; stricter servers would drop them for it.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
    ]
