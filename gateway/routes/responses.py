"""The error answers of a family, for the API's schema."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

_EVERYWHERE: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "The request is wrong; the message names the field.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "A limit on size or number was passed.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too much work is waiting; Retry-After says when to come back.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The model or the parser failed; the log has the cause under the request id.",
    HTTPStatus.SERVICE_UNAVAILABLE: "No instance can answer; Retry-After says when to come back.",
    HTTPStatus.GATEWAY_TIMEOUT: "The time that the caller gave is over.",
}
_SOMEWHERE: Mapping[HTTPStatus, str] = {
    HTTPStatus.NOT_FOUND: "No such model.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body's type, its encoding or the file's format is not taken.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The file is damaged, or the parser crashed on it.",
}


def error_responses(body: type[Struct], *own: HTTPStatus) -> dict[int, ResponseSpec]:
    """What a route may answer instead of its result, in the family's shape.

    Args:
        body: the shape.
        own: 404, 415 and 422 where the route answers them.
    """
    meanings = {**_EVERYWHERE, **{status: _SOMEWHERE[status] for status in own}}
    return {
        status.value: ResponseSpec(data_container=body, description=meaning, generate_examples=False)
        for status, meaning in sorted(meanings.items())
    }
