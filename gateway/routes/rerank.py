"""The rerank API in Cohere's and Jina's shape."""

from __future__ import annotations

from http import HTTPStatus

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import UNSET

from gateway.clients.reranking import Ranked, RerankingClient
from gateway.routes.headers import ranges, result_headers
from gateway.routes.json_answer import JsonAnswer
from gateway.routes.json_body import StrictJson, require_json
from gateway.routes.responses import error_responses
from gateway.schemas.rerank import (
    ApiVersion,
    DocumentError,
    RerankError,
    RerankMeta,
    RerankRequest,
    RerankResponse,
    RerankResult,
    RerankUsage,
    TextObject,
)
from services.common import call
from services.common.deadline import Deadline
from services.common.errors import NoEndpoint
from services.common.telemetry import request_id

RerankingService = NamedDependency[SkipValidation[RerankingClient]]


@post(
    "/v1/rerank",
    dto=StrictJson[RerankRequest],
    before_request=require_json,
    status_code=200,
    responses=error_responses(RerankError, HTTPStatus.NOT_FOUND, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
)
async def rerank_v1(data: JSONBody[RerankRequest], reranking: RerankingService) -> JsonAnswer[RerankResponse]:
    """The best documents for a query; X-Isolane-Truncated names those of which a part was left out."""
    return await rerank(data, reranking, version="1")


@post(
    "/v2/rerank",
    dto=StrictJson[RerankRequest],
    before_request=require_json,
    status_code=200,
    responses=error_responses(RerankError, HTTPStatus.NOT_FOUND, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
)
async def rerank_v2(data: JSONBody[RerankRequest], reranking: RerankingService) -> JsonAnswer[RerankResponse]:
    """As /v1/rerank, where version 2 of Cohere's client looks for it."""
    return await rerank(data, reranking, version="2")


async def rerank(data: RerankRequest, reranking: RerankingClient, *, version: str) -> JsonAnswer[RerankResponse]:
    """What both routes answer; `version` is that of Cohere's API."""
    data.check_supported()
    query, texts, deadline = data.query_text(), data.texts(), call.deadline()
    model = data.model or await _default_model(reranking, deadline)
    ranked = await reranking.rerank(
        model,
        query,
        texts,
        deadline=deadline,
        top_n=min(data.top_n or 0, len(texts)),
        raw_scores=bool(data.raw_scores),
        max_document_tokens=data.max_tokens_per_doc or 0,
        max_passages=data.max_chunks_per_doc or 0,
        keeps_failures=data.item_errors == "report",
    )
    response = RerankResponse(
        id=request_id.current.get(),
        model=ranked.model,
        results=_results(ranked, texts if data.return_documents else None),
        errors=_errors(ranked) if data.item_errors == "report" else UNSET,
        meta=RerankMeta(api_version=ApiVersion(version=version), warnings=_warnings(ranked)),
        usage=RerankUsage(total_tokens=ranked.tokens, prompt_tokens=ranked.tokens),
    )
    return JsonAnswer(response, headers=result_headers(ranked.timings, ranked.outcomes))


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


def _errors(ranked: Ranked) -> list[DocumentError]:
    failures = ranked.outcomes.failures
    return [DocumentError(index=index, message=error.message) for index, error in failures.items()]


def _warnings(ranked: Ranked) -> list[str]:
    if not (truncated := ranked.outcomes.truncated):
        return []
    return [f"documents {ranges(truncated)}: longer than what is scored of them; the rest was left out"]


router = Router("/", route_handlers=[rerank_v1, rerank_v2], tags=["Cohere and Jina"])
