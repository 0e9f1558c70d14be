"""Strict JSON bodies: one pass from bytes to a Struct, and errors that name the field."""

from __future__ import annotations

import re
from collections.abc import Generator
from http import HTTPStatus
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from litestar import Request
from litestar.dto import AbstractDTO, DTOFieldDefinition
from litestar.exceptions import HTTPException
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from services.common.errors import InvalidRequest

JSON = (b"content-type", b"application/json")
"""As nearly every client sends it."""

StructT = TypeVar("StructT", bound=msgspec.Struct)

_AT = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.+?)`")
_CHOICE = "Invalid enum value"
_SURROGATE_AT_END = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u).{0,5}\Z", re.DOTALL)
"""A lone surrogate so near the end that msgspec, which looks for its other half, calls the body truncated."""


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


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


async def require_json(request: Request[Any, Any, Any]) -> None:
    """Refuse bodies that are not declared as JSON (a web page could send those without asking) or that are empty."""
    if JSON not in request.scope["headers"] and not _is_json(media_type := request.content_type[0]):
        raise HTTPException(
            status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            detail=f"content type {media_type[:100]!r}: send JSON with the header Content-Type: application/json",
        )
    check_not_empty(await request.body())


def check_not_empty(body: bytes) -> None:
    """Refuse a body without a byte: what a JSON parser says of it helps nobody."""
    if not body:
        raise InvalidRequest("the body is empty; send a JSON object")


def decode(body: bytes, struct: type[StructT]) -> StructT:
    """The body as a Struct.

    Raises:
        InvalidRequest: it is not JSON, or a field is wrong; `param` names the field.
    """
    try:
        return msgspec.json.decode(body, type=struct)
    except msgspec.ValidationError as exc:
        raise _wrong_field(str(exc), struct) from exc
    except msgspec.DecodeError as exc:
        raise _not_json(str(exc), body) from exc
    except UnicodeDecodeError as exc:
        raise InvalidRequest("the body is not JSON: a text in it is not UTF-8") from exc
    except RecursionError as exc:
        raise InvalidRequest("the body is nested too deeply; flatten it") from exc


def _not_json(message: str, body: bytes) -> InvalidRequest:
    if "surrogate" in message or ("truncated" in message and _SURROGATE_AT_END.search(body[-16:])):
        return InvalidRequest(
            "the body: a text has a lone surrogate (an escape from \\ud800 to \\udfff without its other half), "
            "which is not Unicode; leave it out"
        )
    return InvalidRequest(f"the body is not JSON: {message}")


def _wrong_field(message: str, struct: type[msgspec.Struct]) -> InvalidRequest:
    """Msgspec's message with the field first: "input[2]: expected `str`, got `int`"."""
    at = _AT.search(message)
    place = at[1] if at else ""
    reason = _AT.sub("", message)
    if missing := _MISSING.search(reason):
        param = f"{place}.{missing[1]}" if place else missing[1]
        return InvalidRequest(f"{param}: required; add it", param=param)
    if reason.startswith(_CHOICE) and (choices := _choices(struct, place)):
        reason += f"; use {' or '.join(choices)}"
    return InvalidRequest(f"{place or 'the body'}: {reason[:1].lower()}{reason[1:]}", param=place or None)


def _choices(struct: type[msgspec.Struct], name: str) -> list[str]:
    """The values that a field of the Struct itself takes, where it takes only some; none for a field deeper inside."""
    types = [field.type for field in msgspec.structs.fields(struct) if field.name == name]
    kinds = [kind for field_type in types for kind in (field_type, *get_args(field_type))]
    return [str(value) for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
