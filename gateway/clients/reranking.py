"""The reranking service as the gateway calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isolane.reranking.v1 import reranking_service_pb2 as pb
from isolane.reranking.v1.reranking_service_pb2_grpc import RerankingServiceStub

from gateway.clients.items import ServedModel, Timings, check_items, served_models, timings
from services.common.deadline import Deadline
from services.common.errors import BackendFailed
from services.common.rpc.client import RpcClient
from services.common.rpc.pool import Pools
from services.common.server import call

SERVICE = "reranking"
HEALTH_SERVICE = pb.DESCRIPTOR.services_by_name["RerankingService"].full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Documents by relevance."""

    model: str
    results: tuple[tuple[int, float], ...]
    """Position in the request and relevance, best first."""
    tokens: int
    longest_pair: int
    """Tokens of the longest pair of query and document."""
    truncated: tuple[int, ...]
    """Positions of the documents that were cut to the model's limit."""
    timings: Timings


class RerankingClient:
    """Calls the reranking service.

    Args:
        pools: makes the pool of its instances.
        attempt_timeout_s: see `RpcClient`.
    """

    def __init__(self, pools: Pools, *, attempt_timeout_s: float | None = None) -> None:
        self.pool = pools.open(SERVICE, RerankingServiceStub, health_service=HEALTH_SERVICE)
        self._rpc = RpcClient(self.pool, attempt_timeout_s=attempt_timeout_s)

    async def rerank(
        self, model: str, query: str, documents: Sequence[str], *, top_n: int, deadline: Deadline
    ) -> Ranked:
        """The best documents for a query.

        Args:
            model: a served model's id.
            query: what is looked for.
            documents: the candidates.
            top_n: number of results; 0 for all.
            deadline: when the caller stops waiting.

        Raises:
            InvalidRequest: the request, or one document, is wrong.
            RequestError: see `RpcClient.call`.
        """
        request = pb.RerankRequest(model=model, query=query, documents=documents, top_n=top_n)
        reply = await self._rpc.call("Rerank", lambda stub: stub.Rerank, request, deadline=deadline)
        truncated = check_items(reply.items, "documents", expected=len(documents))
        ranked = Ranked(
            model=reply.model.id,
            results=tuple((result.index, result.score) for result in reply.results),
            tokens=reply.usage.tokens,
            longest_pair=max((item.token_count for item in reply.items), default=0),
            truncated=truncated,
            timings=timings(reply.timings),
        )
        _check(ranked, len(documents))
        call.note(
            model=ranked.model,
            items=len(documents),
            tokens=ranked.tokens,
            queue_us=ranked.timings.queue_us,
            compute_us=ranked.timings.compute_us,
        )
        return ranked

    async def list_models(self, deadline: Deadline) -> list[ServedModel]:
        """The models that the service has, the default first; RequestError when none of its instances answers."""
        reply = await self._rpc.call(
            "ListModels", lambda stub: stub.ListModels, pb.ListModelsRequest(), deadline=deadline
        )
        return served_models(reply.models, SERVICE)


def _check(ranked: Ranked, documents: int) -> None:
    """Refuse to pass on positions that the request does not have."""
    if any(index >= documents for index, _ in ranked.results):
        raise BackendFailed(f"{SERVICE}: a result names a document that was not sent; this is a bug")
