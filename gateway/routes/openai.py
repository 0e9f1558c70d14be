"""OpenAI's API: embeddings and models."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from gateway.clients.embedding import Embedded, EmbeddingClient
from gateway.clients.items import ServedModel
from gateway.clients.reranking import RerankingClient
from gateway.large_work import LARGE_ITEMS, LargeWork
from gateway.routes.headers import result_headers
from gateway.routes.json_answer import JsonAnswer
from gateway.routes.json_body import StrictJson, require_json
from gateway.routes.responses import error_responses
from gateway.schemas.openai import (
    Embedding,
    EmbeddingsRequest,
    EmbeddingsResponse,
    EmbeddingsUsage,
    ItemError,
    ModelCard,
    ModelList,
    OpenAIError,
)
from services.common import call
from services.common.deadline import Deadline
from services.common.errors import RequestError, UnknownModel

EmbeddingService = NamedDependency[SkipValidation[EmbeddingClient]]
Large = NamedDependency[SkipValidation[LargeWork]]
RerankingService = NamedDependency[SkipValidation[RerankingClient]]


@post(
    "/v1/embeddings",
    dto=StrictJson[EmbeddingsRequest],
    before_request=require_json,
    status_code=200,
    responses=error_responses(OpenAIError, HTTPStatus.NOT_FOUND, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
)
async def create_embeddings(
    data: JSONBody[EmbeddingsRequest], embedding: EmbeddingService, large_work: Large
) -> JsonAnswer[EmbeddingsResponse]:
    """One vector per input; X-Isolane-Truncated names the inputs that were longer than the model takes."""
    return await embed(data, embedding, large_work)


async def embed(
    data: EmbeddingsRequest, embedding: EmbeddingClient, large_work: LargeWork
) -> JsonAnswer[EmbeddingsResponse]:
    """What /v1/embeddings answers."""
    embedded = await embedding.embed(
        data.model,
        data.inputs(),
        deadline=call.deadline(),
        dimensions=data.dimensions or 0,
        dtype=data.output_dtype or "float32",
        input_type=data.input_type,
        keeps_failures=data.item_errors == "report",
    )
    if embedded.vectors.rows >= LARGE_ITEMS:
        await large_work.wait()
    response = EmbeddingsResponse(
        data=_entries(embedded, as_base64=data.encoding_format == "base64"),
        model=embedded.model,
        usage=EmbeddingsUsage(prompt_tokens=embedded.tokens, total_tokens=embedded.tokens),
    )
    return JsonAnswer(response, headers=result_headers(embedded.timings, embedded.outcomes))


@get("/v1/models", responses=error_responses(OpenAIError))
async def list_models(embedding: EmbeddingService, reranking: RerankingService) -> ModelList:
    """The models of all services that answer; an error when none does."""
    models, failures = await _all_models(embedding, reranking, call.deadline())
    if failures and not models:
        raise failures[0]
    return ModelList(data=[_card(model) for model in models])


@get("/v1/models/{model_id:path}", responses=error_responses(OpenAIError, HTTPStatus.NOT_FOUND))
async def get_model(model_id: FromPath[str], embedding: EmbeddingService, reranking: RerankingService) -> ModelCard:
    """One model. Its id may contain slashes."""
    name = model_id.removeprefix("/")
    models, failures = await _all_models(embedding, reranking, call.deadline())
    found = next((model for model in models if model.id == name), None)
    if found is not None:
        return _card(found)
    if failures:  # the service that does not answer may have it
        raise failures[0]
    raise UnknownModel(f"model {name[:256]!r} is not served here; /v1/models lists those that are", param="model")


def _entries(embedded: Embedded, *, as_base64: bool) -> list[Embedding]:
    """The vectors as the answer has them, and errors in the place of those that are not there."""
    vectors = embedded.vectors
    read = vectors.packed if as_base64 else vectors.numbers
    entries = [Embedding(index=row, embedding=read(row)) for row in range(vectors.rows)]
    for row, scale in enumerate(vectors.scales):
        entries[row].scale = scale
    for row, error in embedded.outcomes.failures.items():
        entries[row] = Embedding(index=row, embedding=None, error=ItemError(code=error.code, message=error.message))
    return entries


async def _all_models(
    embedding: EmbeddingClient, reranking: RerankingClient, deadline: Deadline
) -> tuple[list[ServedModel], list[RequestError]]:
    """The models of the services that answer, and why the others do not."""
    models: list[ServedModel] = []
    failures: list[RequestError] = []
    listings = (embedding.list_models(deadline), reranking.list_models(deadline))
    for outcome in await asyncio.gather(*listings, return_exceptions=True):
        if isinstance(outcome, RequestError):
            failures.append(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            models += outcome
    return models, failures


def _card(model: ServedModel) -> ModelCard:
    return ModelCard(
        id=model.id,
        service=model.service,
        revision=model.revision,
        dtype=model.dtype,
        max_tokens=model.max_tokens,
        dimensions=model.dimensions or None,
        fake=model.is_fake,
    )


router = Router("/", route_handlers=[create_embeddings, list_models, get_model], tags=["OpenAI"])
