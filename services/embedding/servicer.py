"""The gRPC face of the embedding engine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from grpc import aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from services.common import call, caller
from services.common.errors import InvalidRequest
from services.common.server.joint import answered_at_the_edge
from services.common.server.server import Registration
from services.embedding.backends.base import InputType, Text
from services.embedding.engine import EmbeddingEngine
from services.embedding.vectors import VectorType, pack
from services.models import replies
from services.models.models import Tokens

NAME = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
Context = aio.ServicerContext[Any, Any]

_VECTOR_TYPES: Mapping[int, VectorType] = MappingProxyType(
    {
        pb.VECTOR_TYPE_UNSPECIFIED: VectorType.FLOAT32,
        pb.VECTOR_TYPE_FLOAT32: VectorType.FLOAT32,
        pb.VECTOR_TYPE_FLOAT16: VectorType.FLOAT16,
        pb.VECTOR_TYPE_INT8: VectorType.INT8,
        pb.VECTOR_TYPE_BINARY: VectorType.BINARY,
    }
)
_SENT_TYPES: Mapping[VectorType, pb.VectorType.ValueType] = MappingProxyType(
    {
        VectorType.FLOAT32: pb.VECTOR_TYPE_FLOAT32,
        VectorType.FLOAT16: pb.VECTOR_TYPE_FLOAT16,
        VectorType.INT8: pb.VECTOR_TYPE_INT8,
        VectorType.BINARY: pb.VECTOR_TYPE_BINARY,
    }
)
_INPUT_TYPES: Mapping[int, InputType] = MappingProxyType(
    {
        pb.INPUT_TYPE_UNSPECIFIED: InputType.PLAIN,
        pb.INPUT_TYPE_QUERY: InputType.QUERY,
        pb.INPUT_TYPE_DOCUMENT: InputType.DOCUMENT,
    }
)


class EmbeddingServicer(pb_grpc.EmbeddingServiceServicer):
    """Checks messages, calls the engine, builds replies."""

    def __init__(self, engine: EmbeddingEngine) -> None:
        self._engine = engine

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        """See the proto."""
        started_s = time.monotonic()
        vector_type = _VECTOR_TYPES.get(request.vector_type)
        if vector_type is None:
            raise InvalidRequest(
                f"vector_type {request.vector_type} is not known; use float32, float16, int8 or binary",
                param="vector_type",
            )
        embedded = await self._engine.embed(
            request.model,
            _texts(request.inputs),
            dimensions=request.dimensions,
            input_type=_input_type(request.input_type),
            caller=caller.current.get(),
            deadline=call.deadline(),
        )
        rows, dimensions = embedded.matrix.shape
        packed = pack(embedded.matrix, vector_type)
        return pb.EmbedResponse(
            vectors=pb.Vectors(
                data=packed.data,
                vector_type=_SENT_TYPES[vector_type],
                rows=rows,
                dimensions=dimensions,
                scales=packed.scales,
            ),
            **replies.fields(embedded, started_s, self._engine.backlog()),
        )

    EmbedMany = answered_at_the_edge

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        """See the proto."""
        items = await self._engine.tokenize(
            request.model,
            _texts(request.inputs),
            input_type=_input_type(request.input_type),
            caller=caller.current.get(),
            deadline=call.deadline(),
        )
        call.note(items=len(items))
        return pb.TokenizeResponse(
            inputs=[pb.TokenIds(ids=item.ids if isinstance(item, Tokens) else ()) for item in items],
            items=replies.item_statuses(items),
        )

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """See the proto."""
        return pb.ListModelsResponse(models=[replies.model(info) for info in self._engine.models])


def registration(engine: EmbeddingEngine) -> Registration:
    """What the server needs to serve the engine."""
    return Registration(
        name=NAME, servicer=EmbeddingServicer(engine), add=pb_grpc.add_EmbeddingServiceServicer_to_server
    )


def _texts(inputs: Sequence[pb.Input]) -> list[Text]:
    return [item.text if item.WhichOneof("content") != "token_ids" else list(item.token_ids.ids) for item in inputs]


def _input_type(value: int) -> InputType:
    found = _INPUT_TYPES.get(value)
    if found is None:
        raise InvalidRequest(f"input_type {value} is not known; use query, document or none", param="input_type")
    return found
