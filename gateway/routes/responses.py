"""The error answers of a family, for the API's schema."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

_MEANINGS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "The request is wrong; the message names the field.",
    HTTPStatus.NOT_FOUND: "No such model.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "A limit on size or number was passed.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too much work is waiting; Retry-After says when to come back.",
    HTTPStatus.SERVICE_UNAVAILABLE: "No instance can answer; Retry-After says when to come back.",
    HTTPStatus.GATEWAY_TIMEOUT: "The time that the caller gave is over.",
}


def error_responses(body: type[Struct]) -> dict[int, ResponseSpec]:
    """What a route may answer instead of its result, in the family's shape."""
    return {
        status.value: ResponseSpec(data_container=body, description=meaning, generate_examples=False)
        for status, meaning in _MEANINGS.items()
    }
