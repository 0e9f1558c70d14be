"""The gRPC face of the reranking engine."""

from __future__ import annotations

import time
from typing import Any

from grpc import aio
from isolane.reranking.v1 import reranking_service_pb2 as pb
from isolane.reranking.v1 import reranking_service_pb2_grpc as pb_grpc

from services.common import call, caller
from services.common.server.joint import answered_at_the_edge
from services.common.server.server import Registration
from services.models import replies
from services.reranking.engine import Query, RerankingEngine

NAME = pb.DESCRIPTOR.services_by_name["RerankingService"].full_name
Context = aio.ServicerContext[Any, Any]


class RerankingServicer(pb_grpc.RerankingServiceServicer):
    """Calls the engine, builds replies."""

    def __init__(self, engine: RerankingEngine) -> None:
        self._engine = engine

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankResponse:
        """See the proto."""
        started_s = time.monotonic()
        query = Query(
            text=request.query,
            top_n=request.top_n,
            raw_scores=request.raw_scores,
            max_document_tokens=request.max_document_tokens,
            max_passages=request.max_passages,
        )
        reranked = await self._engine.rerank(
            request.model, query, request.documents, caller=caller.current.get(), deadline=call.deadline()
        )
        return pb.RerankResponse(
            results=[pb.Result(index=result.index, score=result.score) for result in reranked.results],
            **replies.fields(reranked, started_s, self._engine.backlog()),
        )

    RerankMany = answered_at_the_edge

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """See the proto."""
        return pb.ListModelsResponse(models=[replies.model(info) for info in self._engine.models])


def registration(engine: RerankingEngine) -> Registration:
    """What the server needs to serve the engine."""
    return Registration(
        name=NAME, servicer=RerankingServicer(engine), add=pb_grpc.add_RerankingServiceServicer_to_server
    )
