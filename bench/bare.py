"""The least that does the gateway's work: a bare Litestar and grpc.aio gateway, and a bare grpc.aio service behind it.

No check, limit, retry, id, log line or metric: what ours costs beside these two is what those cost.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import uvicorn
from grpc import aio
from isolane.common.v1 import model_pb2, reply_pb2
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc
from litestar import Litestar, get, post
from msgspec import Struct

_DIMENSIONS = 384


class Asked(Struct):
    """One text to embed."""

    model: str
    input: str


class Vector(Struct):
    """One vector; bytes are written as base64."""

    index: int
    embedding: bytes


class Answered(Struct):
    """The answer as OpenAI's clients read it."""

    data: list[Vector]
    model: str
    tokens: int


class Embedding(pb_grpc.EmbeddingServiceServicer):
    """Answers everything with one vector of ones."""

    async def Embed(self, request: pb.EmbedRequest, _context: object) -> pb.EmbedResponse:  # noqa: N802
        """The constant."""
        data = b"\0\0\x80?" * _DIMENSIONS
        return pb.EmbedResponse(
            model=model_pb2.Model(id=request.model),
            vectors=pb.Vectors(data=data, rows=1, dimensions=_DIMENSIONS),
            usage=reply_pb2.Usage(tokens=8),
        )


async def serve_gateway(port: int, service_port: int) -> None:
    """One route, one call, on loopback."""
    async with aio.insecure_channel(f"127.0.0.1:{service_port}") as channel:
        stub = pb_grpc.EmbeddingServiceStub(channel)

        @post("/v1/embeddings", status_code=200)
        async def embed(data: Asked) -> Answered:
            asked = pb.EmbedRequest(model=data.model, inputs=[pb.Input(text=data.input)])
            reply = await stub.Embed(asked, timeout=10)
            return Answered(
                data=[Vector(index=0, embedding=reply.vectors.data)], model=reply.model.id, tokens=reply.usage.tokens
            )

        @get("/health/ready", sync_to_thread=False)
        def ready() -> None: ...

        app = Litestar([embed, ready], openapi_config=None, logging_config=None)
        config = uvicorn.Config(
            app, port=port, http="httptools", loop="none", lifespan="off", access_log=False, log_config=None
        )
        await uvicorn.Server(config).serve()


async def serve_service(port: int) -> None:
    """The service on loopback."""
    server = aio.server()
    pb_grpc.add_EmbeddingServiceServicer_to_server(cast(Any, Embedding)(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    part, *ports = sys.argv[1:]
    serve: Any = {"gateway": serve_gateway, "service": serve_service}[part]
    asyncio.run(serve(*map(int, ports)))
