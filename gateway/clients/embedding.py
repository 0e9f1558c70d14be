"""The embedding service as the gateway calls it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from msgspec import Struct

from gateway.clients.items import Outcomes, ServedModel, Timings, read_items, served_models, timings
from gateway.clients.variants import Variants
from gateway.clients.vectors import Dtype, Vectors
from services.common import call
from services.common.deadline import Clock, Deadline
from services.common.errors import BackendFailed
from services.common.rpc.client import RpcClient
from services.common.rpc.coalescing import Joint
from services.common.rpc.pool import Pools

SERVICE = "embedding"
HEALTH_SERVICE = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name
EMBED = "Embed"

Text = str | list[int]
"""One input: text, or token ids."""
InputType = Literal["query", "document"]
"""What a text is for."""

_JOINT: Joint[EmbeddingServiceStub, pb.EmbedResponse] = Joint(
    method=lambda stub: stub.EmbedMany, reply=pb.EmbedResponse.FromString
)
_INPUT_TYPES: Mapping[InputType | None, pb.InputType.ValueType] = MappingProxyType(
    {None: pb.INPUT_TYPE_UNSPECIFIED, "query": pb.INPUT_TYPE_QUERY, "document": pb.INPUT_TYPE_DOCUMENT}
)
_VECTOR_TYPES: Mapping[Dtype, pb.VectorType.ValueType] = MappingProxyType(
    {
        "float32": pb.VECTOR_TYPE_FLOAT32,
        "float16": pb.VECTOR_TYPE_FLOAT16,
        "int8": pb.VECTOR_TYPE_INT8,
        "binary": pb.VECTOR_TYPE_BINARY,
    }
)


class Embedded(Struct, frozen=True, kw_only=True):
    """The vectors of a batch."""

    model: str
    vectors: Vectors
    """One row per input; zeros where the input failed."""
    tokens: int
    """Of all inputs."""
    outcomes: Outcomes
    timings: Timings


class EmbeddingClient:
    """Calls the embedding service.

    Args:
        pools: makes the pool of its instances.
        attempt_timeout_s: see `RpcClient`.
        clock: monotonic; tells how long ago a model answered.
    """

    def __init__(self, pools: Pools, *, attempt_timeout_s: float | None = None, clock: Clock = time.monotonic) -> None:
        self.pool = pools.open(SERVICE, EmbeddingServiceStub, health_service=HEALTH_SERVICE)
        self.rpc = RpcClient(self.pool, attempt_timeout_s=attempt_timeout_s)
        self.variants = Variants(SERVICE, clock=clock)

    async def embed(
        self,
        model: str,
        inputs: Sequence[Text],
        *,
        deadline: Deadline,
        dimensions: int = 0,
        dtype: Dtype = "float32",
        input_type: InputType | None = None,
        keeps_failures: bool = False,
    ) -> Embedded:
        """Vectors of all inputs.

        Args:
            model: a served model's id.
            inputs: texts or token ids.
            deadline: when the caller stops waiting.
            dimensions: length of the vectors; 0 for the model's own.
            dtype: their number type.
            input_type: what the texts are for; None for nothing in particular.
            keeps_failures: an input that fails is told in the outcomes; else it fails all.

        Raises:
            InvalidRequest: the request, or one input, is wrong.
            RequestError: see `RpcClient.call`.
        """
        request = pb.EmbedRequest(
            model=model,
            inputs=[_input(text) for text in inputs],
            dimensions=dimensions,
            vector_type=_VECTOR_TYPES[dtype],
            input_type=_INPUT_TYPES[input_type],
        )
        reply = await self.rpc.call(
            EMBED, lambda stub: stub.Embed, request, deadline=deadline, queue=model, joint=_JOINT
        )
        self.variants.note(reply.model)
        outcomes = read_items(reply.items, "input", expected=len(inputs), keeps_failures=keeps_failures)
        embedded = Embedded(
            model=reply.model.id,
            vectors=_vectors(reply.vectors, dtype, expected=len(inputs)),
            tokens=reply.usage.tokens,
            outcomes=outcomes,
            timings=timings(reply.timings),
        )
        call.note(
            model=embedded.model,
            items=len(inputs),
            tokens=embedded.tokens,
            queue_us=embedded.timings.queue_us,
            compute_us=embedded.timings.compute_us,
            **outcomes.notes(),
        )
        return embedded

    async def list_models(self, deadline: Deadline) -> list[ServedModel]:
        """The models that the service has; RequestError when none of its instances answers."""
        reply = await self.rpc.call(
            "ListModels", lambda stub: stub.ListModels, pb.ListModelsRequest(), deadline=deadline
        )
        self.variants.note(*reply.models)
        return served_models(reply.models, SERVICE)


def _input(text: Text) -> pb.Input:
    return pb.Input(text=text) if isinstance(text, str) else pb.Input(token_ids=pb.TokenIds(ids=text))


def _vectors(message: pb.Vectors, dtype: Dtype, *, expected: int) -> Vectors:
    """The matrix; BackendFailed rather than pass on what is not one finite vector of that type per input."""
    vectors = Vectors(
        data=message.data,
        dtype=dtype,
        rows=message.rows,
        dimensions=message.dimensions,
        scales=tuple(message.scales),
    )
    if message.vector_type != _VECTOR_TYPES[dtype] or vectors.rows != expected or not vectors.is_whole:
        raise BackendFailed(
            f"{SERVICE}: the matrix has not {expected} rows of {vectors.dimensions} {dtype}; this is a bug"
        )
    if not vectors.is_finite:
        raise BackendFailed(f"{SERVICE}: the model gave a vector that is not finite; the service's log may say why")
    return vectors
