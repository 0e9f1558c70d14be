# ruff: noqa: N802 - gRPC names the methods of a servicer
"""An instance of the embedding service that does what a test says before it answers with a vector."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from grpc import aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from services.common.lifecycle import ServiceApp
from services.common.server.joint import answered_at_the_edge
from services.common.server.server import Registration
from services.common.testing.servers import running
from services.embedding.settings import EmbeddingSettings

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
Context = aio.ServicerContext[Any, Any]


class ScriptedEmbedding(pb_grpc.EmbeddingServiceServicer):
    """Answers each text with the same vector; its own engine."""

    async def before_answer(self, context: Context) -> None:
        """What a test overrides: wait, raise or abort."""

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        await self.before_answer(context)
        vectors = pb.Vectors(data=b"\x00" * 4, vector_type=pb.VECTOR_TYPE_FLOAT32, rows=1, dimensions=1)
        reply = pb.EmbedResponse(vectors=vectors)
        reply.items.add(outcome=1)
        return reply

    EmbedMany = answered_at_the_edge

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        raise NotImplementedError

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to free."""


@asynccontextmanager
async def serving(instance: ScriptedEmbedding, *, drain_s: float) -> AsyncIterator[int]:
    """Serve it in the test's own process; yields the port."""
    registration = Registration(name=NAME, servicer=instance, add=pb_grpc.add_EmbeddingServiceServicer_to_server)
    settings = EmbeddingSettings(port=0, metrics_port=0, drain_s=drain_s)
    async with running(ServiceApp(registrations=[registration], engine=instance), settings) as port:
        yield port
