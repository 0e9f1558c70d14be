"""The gRPC face of the reranking engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from grpc import aio
from isolane.common.v1 import item_pb2, reply_pb2
from isolane.reranking.v1 import reranking_service_pb2 as pb
from isolane.reranking.v1 import reranking_service_pb2_grpc as pb_grpc

from services.common import call, caller
from services.common.server import messages
from services.common.server.server import Registration
from services.models import replies
from services.reranking.engine import Document, Query, Reranked, RerankingEngine

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
        return self._reply(reranked, started_s)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """See the proto."""
        return pb.ListModelsResponse(models=[replies.model(info) for info in self._engine.models])

    def _reply(self, reranked: Reranked, started_s: float) -> pb.RerankResponse:
        usage = _usage(reranked.documents)
        call.note(model=reranked.model.id, items=usage.items, tokens=usage.tokens, **messages.noted(reranked.timings))
        return pb.RerankResponse(
            model=replies.model(reranked.model),
            results=[pb.Result(index=result.index, score=result.score) for result in reranked.results],
            items=[_status(document) for document in reranked.documents],
            usage=usage,
            timings=messages.timings(reranked.timings, started_s),
            load=messages.load(self._engine.backlog()),
        )


def registration(engine: RerankingEngine) -> Registration:
    """What the server needs to serve the engine."""
    return Registration(
        name=NAME, servicer=RerankingServicer(engine), add=pb_grpc.add_RerankingServiceServicer_to_server
    )


def _usage(documents: Sequence[Document]) -> reply_pb2.Usage:
    tokens = sum(document.tokens for document in documents)
    shared = sum(document.shared_tokens for document in documents)
    return reply_pb2.Usage(items=len(documents), tokens=tokens, computed_tokens=tokens - shared)


def _status(document: Document) -> item_pb2.ItemStatus:
    if document.error is not None:
        return replies.item_statuses([document.error])[0]
    return item_pb2.ItemStatus(
        outcome=item_pb2.OUTCOME_OK,
        token_count=document.tokens,
        truncated=document.dropped > 0,
        dropped_token_count=document.dropped,
        cached=document.shared,
    )
