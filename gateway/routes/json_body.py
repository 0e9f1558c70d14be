"""Strict JSON bodies: one pass from bytes to a Struct, and errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Generator
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.dto import AbstractDTO, DTOFieldDefinition
from litestar.exceptions import HTTPException
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from services.common.errors import InvalidRequest

StructT = TypeVar("StructT", bound=msgspec.Struct)

_AT = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.+?)`")


class StrictJson(AbstractDTO[StructT]):
    """Decodes a body without coercion; use it as `dto=StrictJson[TheStruct]`.

    Litestar's own decoding takes "3" for 3 and cannot say which field of a union is wrong.
    """

    @classmethod
    def create_for_field_definition(cls, *_args: Any, **_kwargs: Any) -> None:
        """Nothing to generate: the Struct is the transfer type."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        """The Struct's schema."""
        schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return schema

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        """None: see `create_for_field_definition`."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """None are looked into."""
        return False

    def decode_bytes(self, value: bytes) -> StructT:
        """The body as a Struct; InvalidRequest names the field at fault."""
        return decode(value, self.model_type)


async def require_json(request: Request[Any, Any, Any]) -> None:
    """Refuse bodies that are not declared as JSON (a web page could send those without asking) or that are empty."""
    media_type = request.content_type[0]
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise HTTPException(
            status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            detail=f"content type {media_type[:100]!r}: send JSON with the header Content-Type: application/json",
        )
    if not await request.body():
        raise InvalidRequest("the body is empty; send a JSON object")


def decode(body: bytes, struct: type[StructT]) -> StructT:
    """The body as a Struct.

    Raises:
        InvalidRequest: it is not JSON, or a field is wrong; `param` names the field.
    """
    try:
        return msgspec.json.decode(body, type=struct)
    except msgspec.ValidationError as exc:
        raise _wrong_field(str(exc)) from exc
    except msgspec.DecodeError as exc:
        raise InvalidRequest(f"the body is not JSON: {exc}") from exc
    except UnicodeDecodeError as exc:
        raise InvalidRequest("the body is not JSON: a text in it is not UTF-8") from exc
    except RecursionError as exc:
        raise InvalidRequest("the body is nested too deeply; flatten it") from exc


def _wrong_field(message: str) -> InvalidRequest:
    """Msgspec's message with the field first: "input[2]: expected `str`, got `int`"."""
    if missing := _MISSING.search(message):
        return InvalidRequest(f"{missing[1]}: required; add it", param=missing[1])
    at = _AT.search(message)
    reason = _AT.sub("", message)
    if at is None or not at[1]:
        return InvalidRequest(f"the body: {reason[:1].lower()}{reason[1:]}")
    return InvalidRequest(f"{at[1]}: {reason[:1].lower()}{reason[1:]}", param=at[1])
