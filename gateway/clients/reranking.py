"""The reranking service as the gateway calls it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from isolane.reranking.v1 import reranking_service_pb2 as pb
from isolane.reranking.v1.reranking_service_pb2_grpc import RerankingServiceStub
from msgspec import Struct

from gateway.clients.items import Outcomes, ServedModel, Timings, read_items, served_models, timings
from gateway.clients.variants import Variants
from services.common import call
from services.common.deadline import Clock, Deadline
from services.common.errors import BackendFailed
from services.common.rpc.client import RpcClient
from services.common.rpc.coalescing import Joint
from services.common.rpc.pool import Pools

SERVICE = "reranking"
HEALTH_SERVICE = pb.DESCRIPTOR.services_by_name["RerankingService"].full_name
RERANK = "Rerank"

_JOINT: Joint[RerankingServiceStub, pb.RerankResponse] = Joint(
    method=lambda stub: stub.RerankMany, reply=pb.RerankResponse.FromString
)


class Ranked(Struct, frozen=True, kw_only=True):
    """Documents by relevance."""

    model: str
    results: tuple[tuple[int, float], ...]
    """Position in the request and relevance, best first."""
    tokens: int
    """Of all pairs of query and passage."""
    outcomes: Outcomes
    """What became of the documents."""
    timings: Timings


class RerankingClient:
    """Calls the reranking service.

    Args:
        pools: makes the pool of its instances.
        attempt_timeout_s: see `RpcClient`.
        clock: monotonic; tells how long ago a model answered.
    """

    def __init__(self, pools: Pools, *, attempt_timeout_s: float | None = None, clock: Clock = time.monotonic) -> None:
        self.pool = pools.open(SERVICE, RerankingServiceStub, health_service=HEALTH_SERVICE)
        self.rpc = RpcClient(self.pool, attempt_timeout_s=attempt_timeout_s)
        self.variants = Variants(SERVICE, clock=clock)

    async def rerank(
        self,
        model: str,
        query: str,
        documents: Sequence[str],
        *,
        deadline: Deadline,
        top_n: int = 0,
        raw_scores: bool = False,
        max_document_tokens: int = 0,
        max_passages: int = 0,
        keeps_failures: bool = False,
    ) -> Ranked:
        """The best documents for a query.

        Args:
            model: a served model's id.
            query: what is looked for.
            documents: the candidates.
            deadline: when the caller stops waiting.
            top_n: number of results; 0 for all.
            raw_scores: the model's own scores rather than probabilities.
            max_document_tokens: documents are cut to so many tokens first; 0 for no limit.
            max_passages: most passages by which a long document is scored; 0 for the service's own number.
            keeps_failures: a document that fails is told in the outcomes; else it fails all.

        Raises:
            InvalidRequest: the request, or one document, is wrong.
            RequestError: see `RpcClient.call`.
        """
        request = pb.RerankRequest(
            model=model,
            query=query,
            documents=documents,
            top_n=top_n,
            raw_scores=raw_scores,
            max_document_tokens=max_document_tokens,
            max_passages=max_passages,
        )
        reply = await self.rpc.call(
            RERANK, lambda stub: stub.Rerank, request, deadline=deadline, queue=model, joint=_JOINT
        )
        self.variants.note(reply.model)
        ranked = Ranked(
            model=reply.model.id,
            results=tuple((result.index, result.score) for result in reply.results),
            tokens=reply.usage.tokens,
            outcomes=read_items(reply.items, "documents", expected=len(documents), keeps_failures=keeps_failures),
            timings=timings(reply.timings),
        )
        _check(ranked, len(documents))
        call.note(
            model=ranked.model,
            items=len(documents),
            tokens=ranked.tokens,
            queue_us=ranked.timings.queue_us,
            compute_us=ranked.timings.compute_us,
            **ranked.outcomes.notes(),
        )
        return ranked

    async def list_models(self, deadline: Deadline) -> list[ServedModel]:
        """The models that the service has, the default first; RequestError when none of its instances answers."""
        reply = await self.rpc.call(
            "ListModels", lambda stub: stub.ListModels, pb.ListModelsRequest(), deadline=deadline
        )
        self.variants.note(*reply.models)
        return served_models(reply.models, SERVICE)


def _check(ranked: Ranked, documents: int) -> None:
    """Refuse to pass on positions that the request does not have, and what is no number: JSON could not carry it."""
    if any(index >= documents for index, _ in ranked.results):
        raise BackendFailed(f"{SERVICE}: a result names a document that was not sent; this is a bug")
    if not all(math.isfinite(score) for _, score in ranked.results):
        raise BackendFailed(f"{SERVICE}: model {ranked.model} gave a score that is no number; its log may say why")
