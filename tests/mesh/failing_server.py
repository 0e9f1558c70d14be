"""An instance of the embedding service whose every call fails with the status that its argument names."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health


class _Failing(grpc.GenericRpcHandler):
    def __init__(self, status: grpc.StatusCode) -> None:
        self._status = status

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        if "/grpc.health" in handler_call_details.method:
            return None

        async def fail(_request: bytes, context: aio.ServicerContext[Any, Any]) -> None:
            await context.abort(self._status, "this instance always fails")

        return grpc.unary_unary_rpc_method_handler(fail)


async def main() -> None:
    """Serve until killed; healthy for those who ask."""
    server = aio.server()
    servicer = health.HealthServicer()
    for name in ("", "isolane.embedding.v1.EmbeddingService"):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_generic_rpc_handlers((_Failing(grpc.StatusCode[sys.argv[1]]),))
    server.add_insecure_port("127.0.0.1:50051")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
