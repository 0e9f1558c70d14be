"""The gRPC face of the embedding engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from grpc import aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from services.common.errors import InvalidRequest
from services.common.models import Tokens
from services.common.server import call, messages
from services.common.server.server import Registration
from services.embedding.backends.base import Text
from services.embedding.engine import Embedded, EmbeddingEngine

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
Context = aio.ServicerContext[Any, Any]


class EmbeddingServicer(pb_grpc.EmbeddingServiceServicer):
    """Checks messages, calls the engine, builds replies."""

    def __init__(self, engine: EmbeddingEngine) -> None:
        self._engine = engine

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        """See the proto."""
        started_s = time.monotonic()
        if request.vector_type not in {pb.VECTOR_TYPE_UNSPECIFIED, pb.VECTOR_TYPE_FLOAT32}:
            raise InvalidRequest(
                f"vector_type {request.vector_type} is not known; use VECTOR_TYPE_FLOAT32", param="vector_type"
            )
        embedded = await self._engine.embed(request.model, _texts(request.inputs), request.dimensions, call.deadline())
        return self._reply(embedded, started_s)

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        """See the proto."""
        items = await self._engine.tokenize(request.model, _texts(request.inputs))
        call.note(items=len(items))
        return pb.TokenizeResponse(
            inputs=[pb.TokenIds(ids=item.ids if isinstance(item, Tokens) else ()) for item in items],
            items=[messages.item_status(item) for item in items],
        )

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """See the proto."""
        return pb.ListModelsResponse(models=[messages.model(info) for info in self._engine.models])

    def _reply(self, embedded: Embedded, started_s: float) -> pb.EmbedResponse:
        rows, dimensions = embedded.matrix.shape
        usage = messages.usage(embedded.items)
        call.note(model=embedded.model.id, items=usage.items, tokens=usage.tokens, **asdict(embedded.timings))
        return pb.EmbedResponse(
            model=messages.model(embedded.model),
            vectors=pb.Vectors(
                data=embedded.matrix.tobytes(),
                vector_type=pb.VECTOR_TYPE_FLOAT32,
                rows=rows,
                dimensions=dimensions,
            ),
            items=[messages.item_status(item) for item in embedded.items],
            usage=usage,
            timings=messages.timings(embedded.timings, started_s),
            load=messages.load(self._engine.backlog()),
        )


def registration(engine: EmbeddingEngine) -> Registration:
    """What the server needs to serve the engine."""
    return Registration(
        name=NAME, servicer=EmbeddingServicer(engine), add=pb_grpc.add_EmbeddingServiceServicer_to_server
    )


def _texts(inputs: Sequence[pb.Input]) -> list[Text]:
    return [item.text if item.WhichOneof("content") != "token_ids" else list(item.token_ids.ids) for item in inputs]
