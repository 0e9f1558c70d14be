"""A form with files (`multipart/form-data`, RFC 7578), with file names as clients really send them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header
from typing import Any
from urllib.parse import unquote

from litestar import Request
from litestar.exceptions import ClientException
from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_content_disposition,
)

from services.common.errors import InvalidRequest

_MOST_PARTS = 1000
_PARAMETER = re.compile(r""";\s*(?P<parameter>[^\s=;"]+)\s*=\s*(?P<value>"(?:[^"\\]|\\.)*"|[^;]*)""", re.DOTALL)
_EXTENDED = re.compile(r"""\s*"?(?P<charset>[\w-]+)'[^'";]*'(?P<name>[^";]+)""")
"""`multipart` knows no parameter whose name ends in a star."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file of a form."""

    filename: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a form holds, each in order."""

    fields: Mapping[str, Sequence[str]]
    files: Sequence[Upload]


async def read_form(request: Request[Any, Any, Any]) -> Form:
    """The body as a form.

    Litestar's own reader knows no `filename*`, and takes a file that has it alone for a text.

    Raises:
        ClientException: it is no form.
        InvalidRequest: a text is not in the charset that it names.
    """
    boundary = request.content_type[1].get("boundary")
    if not boundary:
        raise ClientException("multipart/form-data: the boundary is missing in Content-Type")
    fields: dict[str, list[str]] = {}
    files: list[Upload] = []
    data = bytearray()
    segment: MultipartSegment | None = None
    try:
        # latin-1 keeps the bytes of headers as they are; `_text` decodes them.
        with PushMultipartParser(boundary, max_segment_count=_MOST_PARTS, header_charset="latin-1") as parser:
            async for chunk in request.stream():
                for event in parser.parse(chunk) if chunk else ():
                    if isinstance(event, MultipartSegment):
                        segment, data = event, bytearray()
                    elif event:
                        data += event
                    elif segment is not None:
                        _add(segment, bytes(data), fields, files)
    except MultipartError as exc:
        raise ClientException(f"the form is no valid multipart/form-data: {exc.args[0]}") from exc
    return Form(fields=fields, files=files)


def _add(segment: MultipartSegment, data: bytes, fields: dict[str, list[str]], files: list[Upload]) -> None:
    disposition = _text(segment.header("Content-Disposition") or "")
    name = filename(disposition)
    if name is not None:
        files.append(Upload(filename=name, data=data))
        return
    try:
        text = data.decode(segment.charset or "utf-8")
        text.encode()  # UTF-7 may hold half a character
    except (ValueError, LookupError) as exc:
        raise InvalidRequest("the form: a field's charset is wrong; send text fields as UTF-8") from exc
    fields.setdefault(parse_content_disposition(disposition)[1] or "", []).append(text)


def _text(header: str) -> str:
    """A header whose bytes were read as latin-1: UTF-8, or Windows-1252 as of old browsers."""
    data = header.encode("latin-1")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def filename(disposition: str) -> str | None:
    """The file's name in a Content-Disposition header; None where there is none.

    `filename*` (RFC 6266 and 5987: `utf-8''%C3%9Cber.md`) goes before `filename`, which may hold an encoded word
    (RFC 2047: `=?utf-8?B?w5xiZXIubWQ=?=`). Neither belongs into a form by RFC 7578; clients of .NET send both, and
    urllib3 before 2.0 the first alone.
    """
    _, _, name = parse_content_disposition(disposition)
    return _extended(disposition) or _plain(name)


def _extended(disposition: str) -> str | None:
    values = (found["value"] for found in _PARAMETER.finditer(disposition) if found["parameter"].lower() == "filename*")
    if (found := _EXTENDED.match(next(values, ""))) is None:
        return None
    try:
        return unquote(found["name"].strip(), encoding=found["charset"], errors="strict")
    except (UnicodeError, LookupError):
        return None


def _plain(value: str | None) -> str | None:
    if value is None or "=?" not in value:
        return value
    try:
        parts = decode_header(value)
        text = "".join(part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in parts)
        text.encode()  # UTF-7 may hold half a character
    except (MessageError, LookupError, ValueError):
        return value
    return text
