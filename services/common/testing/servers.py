"""A service in the test's own process, and a client to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from grpc import aio

from services.common.config import ServerSettings
from services.common.discovery.static import StaticResolver
from services.common.lifecycle import ServiceApp, supervise
from services.common.rpc.client import RpcClient
from services.common.rpc.instance_pool import InstancePool
from services.common.server.server import GrpcServer

StubT = TypeVar("StubT")


@asynccontextmanager
async def running(app: ServiceApp, settings: ServerSettings) -> AsyncIterator[int]:
    """Serve as the process does, without signals and without the metrics endpoint; yields the port.

    Args:
        app: what the service's `build` returned.
        settings: with port 0, so that tests do not meet.

    Raises:
        StartupError: it could not start.
        TaskDied: a background task ended while it served.
    """
    server = GrpcServer(settings, app.registrations, app.load)
    port = await server.start()
    try:
        async with app.engine, supervise(app.background, asyncio.Event()):
            await server.set_serving()
            yield port
            await server.stop()
    finally:
        await server.stop()


@asynccontextmanager
async def connected(
    port: int, stub_type: Callable[[aio.Channel], StubT], *, health_service: str
) -> AsyncIterator[RpcClient[StubT]]:
    """A client of the one instance on that port, as the gateway has it; yields it when the health is known.

    Args:
        port: on loopback.
        stub_type: the generated stub's class.
        health_service: full gRPC service name.
    """
    service = health_service.split(".")[1]
    resolver = StaticResolver({service: [f"127.0.0.1:{port}"]})
    pool = InstancePool(service, resolver, stub_type, health_service=health_service)
    following = asyncio.create_task(pool.run())
    try:
        await pool.health_known()
        yield RpcClient(pool)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await resolver.aclose()
