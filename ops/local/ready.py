"""Asking a part whether it is healthy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ops.local.parts import Part
from services.common.rpc.channel import open_channel

Probe = Callable[[Part], Awaitable[bool]]
"""True when the part says that it is healthy."""

_TIMEOUT_S = 1.0


async def is_healthy(part: Part) -> bool:
    """True when the part says that it is healthy; False when it cannot be reached."""
    if part.protocol == "http":
        return await answers_ok(f"{part.url}/health/live")
    return await _is_serving(part.address)


async def answers_ok(url: str) -> bool:
    """True when the URL answers 200."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S) as client:
            return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


async def _is_serving(address: str) -> bool:
    try:
        async with open_channel(address) as channel:
            request = health_pb2.HealthCheckRequest()
            reply = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=_TIMEOUT_S)
            return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
    except aio.AioRpcError:
        return False
