"""The embedding service as the gateway calls it."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub

from gateway.clients.items import ServedModel, Timings, check_items, served_models, timings
from services.common.deadline import Deadline
from services.common.errors import BackendFailed
from services.common.rpc.client import RpcClient
from services.common.rpc.pool import Pools
from services.common.server import call

SERVICE = "embedding"
HEALTH_SERVICE = pb.DESCRIPTOR.services_by_name["EmbeddingService"].full_name

Text = str | list[int]
"""One input: text, or token ids."""

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The vectors of a batch."""

    model: str
    data: bytes
    """Little-endian float32, row after row."""
    rows: int
    dimensions: int
    tokens: int
    truncated: tuple[int, ...]
    """Positions of the inputs that were cut to the model's limit."""
    timings: Timings

    def vector(self, row: int) -> tuple[float, ...]:
        """One vector as numbers."""
        return struct.unpack_from(f"<{self.dimensions}f", self.data, row * self.dimensions * _FLOAT_BYTES)

    def vector_bytes(self, row: int) -> memoryview:
        """One vector's bytes, little-endian float32, not copied."""
        size = self.dimensions * _FLOAT_BYTES
        return memoryview(self.data)[row * size : (row + 1) * size]


class EmbeddingClient:
    """Calls the embedding service.

    Args:
        pools: makes the pool of its instances.
        attempt_timeout_s: see `RpcClient`.
    """

    def __init__(self, pools: Pools, *, attempt_timeout_s: float | None = None) -> None:
        self.pool = pools.open(SERVICE, EmbeddingServiceStub, health_service=HEALTH_SERVICE)
        self._rpc = RpcClient(self.pool, attempt_timeout_s=attempt_timeout_s)

    async def embed(self, model: str, inputs: Sequence[Text], *, dimensions: int, deadline: Deadline) -> Embedded:
        """Vectors of all inputs.

        Args:
            model: a served model's id.
            inputs: texts or token ids.
            dimensions: length of the vectors; 0 for the model's own.
            deadline: when the caller stops waiting.

        Raises:
            InvalidRequest: the request, or one input, is wrong.
            RequestError: see `RpcClient.call`.
        """
        request = pb.EmbedRequest(model=model, inputs=[_input(text) for text in inputs], dimensions=dimensions)
        reply = await self._rpc.call("Embed", lambda stub: stub.Embed, request, deadline=deadline)
        truncated = check_items(reply.items, "input", expected=len(inputs))
        embedded = Embedded(
            model=reply.model.id,
            data=reply.vectors.data,
            rows=reply.vectors.rows,
            dimensions=reply.vectors.dimensions,
            tokens=reply.usage.tokens,
            truncated=truncated,
            timings=timings(reply.timings),
        )
        _check(embedded, len(inputs))
        call.note(
            model=embedded.model,
            items=embedded.rows,
            tokens=embedded.tokens,
            queue_us=embedded.timings.queue_us,
            compute_us=embedded.timings.compute_us,
        )
        return embedded

    async def list_models(self, deadline: Deadline) -> list[ServedModel]:
        """The models that the service has; RequestError when none of its instances answers."""
        reply = await self._rpc.call(
            "ListModels", lambda stub: stub.ListModels, pb.ListModelsRequest(), deadline=deadline
        )
        return served_models(reply.models, SERVICE)


def _input(text: Text) -> pb.Input:
    return pb.Input(text=text) if isinstance(text, str) else pb.Input(token_ids=pb.TokenIds(ids=text))


def _check(embedded: Embedded, expected: int) -> None:
    """Refuse to pass on what is not one finite vector per input."""
    count = embedded.rows * embedded.dimensions
    if embedded.rows != expected or len(embedded.data) != count * _FLOAT_BYTES:
        raise BackendFailed(f"{SERVICE}: the matrix has not {expected} rows of {embedded.dimensions}; this is a bug")
    # A row's sum finds a NaN or an infinity anywhere in it; JSON could not carry them.
    if not all(math.isfinite(sum(embedded.vector(row))) for row in range(embedded.rows)):
        raise BackendFailed(f"{SERVICE}: model {embedded.model} gave a vector that is not finite; its log may say why")
