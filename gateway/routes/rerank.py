"""The rerank API in Cohere's and Jina's shape."""

from __future__ import annotations

from http import HTTPStatus

from litestar import Response, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import UNSET

from gateway.clients.reranking import Ranked, RerankingClient
from gateway.routes.headers import ranges, result_headers
from gateway.routes.json_body import StrictJson, require_json
from gateway.routes.responses import error_responses
from gateway.schemas.rerank import (
    ApiVersion,
    RerankError,
    RerankMeta,
    RerankRequest,
    RerankResponse,
    RerankResult,
    RerankUsage,
    TextObject,
)
from services.common.deadline import Deadline
from services.common.errors import NoEndpoint
from services.common.server import call
from services.common.telemetry import request_id

RerankingService = NamedDependency[SkipValidation[RerankingClient]]


@post(
    "/v1/rerank",
    dto=StrictJson[RerankRequest],
    before_request=require_json,
    status_code=200,
    responses=error_responses(RerankError, HTTPStatus.NOT_FOUND, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
)
async def rerank_v1(data: JSONBody[RerankRequest], reranking: RerankingService) -> Response[RerankResponse]:
    """The best documents for a query; X-Isolane-Truncated names those too long, with it, for the model."""
    return await _rerank(data, reranking, version="1")


@post(
    "/v2/rerank",
    dto=StrictJson[RerankRequest],
    before_request=require_json,
    status_code=200,
    responses=error_responses(RerankError, HTTPStatus.NOT_FOUND, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
)
async def rerank_v2(data: JSONBody[RerankRequest], reranking: RerankingService) -> Response[RerankResponse]:
    """As /v1/rerank, where version 2 of Cohere's client looks for it."""
    return await _rerank(data, reranking, version="2")


async def _rerank(data: RerankRequest, reranking: RerankingClient, *, version: str) -> Response[RerankResponse]:
    data.check_supported()
    query, texts, deadline = data.query_text(), data.texts(), call.deadline()
    model = data.model or await _default_model(reranking, deadline)
    ranked = await reranking.rerank(model, query, texts, top_n=min(data.top_n or 0, len(texts)), deadline=deadline)
    data.check_length(ranked.longest_pair)
    response = RerankResponse(
        id=request_id.current.get(),
        model=ranked.model,
        results=_results(ranked, texts if data.return_documents else None),
        meta=RerankMeta(api_version=ApiVersion(version=version), warnings=_warnings(ranked)),
        usage=RerankUsage(total_tokens=ranked.tokens, prompt_tokens=ranked.tokens),
    )
    return Response(response, headers=result_headers(ranked.timings, ranked.truncated))


async def _default_model(reranking: RerankingClient, deadline: Deadline) -> str:
    """The first model that the service lists."""
    models = await reranking.list_models(deadline)
    if not models:
        raise NoEndpoint("reranking: the service has no model; name one in its settings", retry_after_s=1.0)
    return models[0].id


def _results(ranked: Ranked, texts: list[str] | None) -> list[RerankResult]:
    return [
        RerankResult(
            index=index,
            relevance_score=score,
            document=TextObject(text=texts[index]) if texts is not None else UNSET,
        )
        for index, score in ranked.results
    ]


def _warnings(ranked: Ranked) -> list[str]:
    if not ranked.truncated:
        return []
    positions = ranges(ranked.truncated)
    return [f"documents {positions}: each with the query is longer than the model takes; the longer was cut first"]


router = Router("/", route_handlers=[rerank_v1, rerank_v2], tags=["Cohere and Jina"])
