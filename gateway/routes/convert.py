"""docling-serve's API: one file to a structured document."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar import Request, Router, post, route
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, NotFoundException
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import SkipValidation
from litestar.response import Stream
from msgspec import Raw

from gateway.clients.documents import DocumentsClient, Parsed, Progress
from gateway.routes.form import read_form
from gateway.routes.page_stream import NDJSON, PageStream
from gateway.routes.responses import error_responses
from gateway.schemas.convert import (
    FORMS,
    INCLUDES,
    NAMES_OF,
    ConversionError,
    ConvertError,
    ConvertOptions,
    ConvertResponse,
    ExportedDocument,
    convert_options,
)
from services.common import call
from services.common.errors import DeadlineExceeded, InvalidRequest, UnsupportedFormat
from services.common.filenames import MAX_BYTES, is_filename

DocumentsService = NamedDependency[SkipValidation[DocumentsClient]]


@dataclass
class _FormOperation(Operation):
    """Describes the form, which the route reads itself."""

    def __post_init__(self) -> None:
        text_list = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING, enum=list(FORMS)))
        form = Schema(
            type=OpenAPIType.OBJECT,
            required=["files"],
            properties={
                "files": Schema(
                    type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, description="The file; exactly one."
                ),
                "to_formats": text_list,
                "from_formats": Schema(
                    type=OpenAPIType.ARRAY,
                    items=Schema(type=OpenAPIType.STRING),
                    description="Formats that the file may have; default any.",
                ),
                "include": Schema(
                    type=OpenAPIType.ARRAY,
                    items=Schema(type=OpenAPIType.STRING, enum=list(INCLUDES)),
                    description="What to return beside the text; default nothing.",
                ),
                "page_range": Schema(
                    type=OpenAPIType.ARRAY,
                    items=Schema(type=OpenAPIType.INTEGER, minimum=1),
                    min_items=2,
                    max_items=2,
                    description="First and last page of a file in pages; default all.",
                ),
                "do_ocr": Schema(
                    type=OpenAPIType.BOOLEAN, default=True, description="Read what only the pictures of pages show."
                ),
                "force_ocr": Schema(
                    type=OpenAPIType.BOOLEAN,
                    default=False,
                    description="Read everything from pictures, also where there is text.",
                ),
                "ocr_lang": Schema(
                    type=OpenAPIType.ARRAY,
                    items=Schema(type=OpenAPIType.STRING),
                    description="Languages of pictures; default whatever the letters are.",
                ),
                "document_timeout": Schema(
                    type=OpenAPIType.NUMBER,
                    exclusive_minimum=0,
                    description="Time for the document; default the request's own. Unit: seconds.",
                ),
            },
        )
        self.request_body = RequestBody(content={"multipart/form-data": OpenAPIMediaType(schema=form)}, required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upload:
    filename: str
    data: bytes
    options: ConvertOptions


@post(
    "/v1/convert/file",
    status_code=200,
    operation_class=_FormOperation,
    responses=error_responses(ConvertError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def convert_file(request: Request[Any, Any, Any], documents: DocumentsService) -> ConvertResponse:
    """The file in the form field `files`, in the forms that `to_formats` names."""
    upload = await _upload(request)
    return await _converted(upload, documents)


@post(
    "/v1/convert/file/stream",
    status_code=200,
    operation_class=_FormOperation,
    media_type=NDJSON,
    responses=error_responses(ConvertError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def convert_file_stream(request: Request[Any, Any, Any], documents: DocumentsService) -> Stream:
    """The same as lines of JSON: one for each page of a file in pages when it was read, and the document at the end.

    A line is an object with `event`: `page`, `document` (its `result` is the answer of `/v1/convert/file`), or, where
    the document failed after pages came, `error`.
    """
    upload = await _upload(request)
    stream = PageStream(lambda progress: _converted(upload, documents, progress))
    await stream.begun()
    return Stream(stream.lines(), media_type=NDJSON)


async def _converted(upload: _Upload, documents: DocumentsClient, progress: Progress | None = None) -> ConvertResponse:
    """The document, within its time."""
    started_s = time.monotonic()
    options = upload.options
    deadline = call.deadline()
    if options.document_timeout_s is not None:
        deadline = deadline.capped(options.document_timeout_s)
    try:
        parsed = await documents.parse(
            upload.filename,
            upload.data,
            forms=options.to_formats,
            include=options.include,
            paging=options.paging,
            deadline=deadline,
            progress=progress,
        )
    except DeadlineExceeded as exc:
        raise _too_late(upload.filename, time.monotonic() - started_s) from exc
    if options.from_formats and not options.from_formats.intersection(NAMES_OF.get(parsed.format, (parsed.format,))):
        raise UnsupportedFormat(
            f"files: {upload.filename!r} is {parsed.format}, which from_formats does not allow; add it there",
            param="from_formats",
        )
    return _response(upload.filename, parsed, time.monotonic() - started_s)


async def _upload(request: Request[Any, Any, Any]) -> _Upload:
    """The form: exactly one file, and the options."""
    if request.content_type[0] != "multipart/form-data":
        raise HTTPException(status_code=415, detail="send the file as multipart/form-data in the field `files`")
    form = await read_form(request)
    if not form.files and "files" in form.fields:
        raise InvalidRequest(
            "files: this is a text and no file, as it has no filename; with curl write -F files=@report.md",
            param="files",
        )
    if len(form.files) != 1:
        raise InvalidRequest(f"files: {len(form.files)} files; send exactly one per request", param="files")
    [file] = form.files
    return _Upload(filename=_filename(file.filename), data=file.data, options=convert_options(form.fields))


def _too_late(filename: str, seconds: float) -> DeadlineExceeded:
    """What no other part can say: of which file, and how to allow more."""
    return DeadlineExceeded(
        f"{filename}: no document after {seconds:.3g} s: its time was over, or too short to begin; allow more with "
        "X-Request-Timeout-Ms or document_timeout, or send a smaller file"
    )


def _filename(name: str) -> str:
    """The last part of the name, as the documents service takes no paths."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    if not is_filename(base):
        raise InvalidRequest(
            f"files: the file's name is empty, longer than {MAX_BYTES} bytes or holds control characters; rename it",
            param="files",
        )
    return base


def _response(filename: str, parsed: Parsed, seconds: float) -> ConvertResponse:
    if not parsed.is_complete:
        call.note(partial=True)
    return ConvertResponse(
        document=ExportedDocument(
            filename=filename,
            md_content=parsed.markdown,
            json_content=Raw(parsed.json) if parsed.json is not None else None,
            html_content=parsed.html,
            text_content=parsed.text,
        ),
        status="success" if parsed.is_complete else "partial_success",
        errors=[ConversionError(error_message=error) for error in parsed.errors],
        processing_time=round(seconds, 6),
        timings={},
    )


@route(
    [
        "/v1/convert/{rest:path}",
        "/v1/chunk/{rest:path}",
        "/v1/status/{rest:path}",
        "/v1/result/{rest:path}",
        "/v1alpha/{rest:path}",
    ],
    http_method=["GET", "POST"],
    include_in_schema=False,
    sync_to_thread=False,
)
def not_offered() -> None:
    """What else docling-serve has: 404 with what there is instead."""
    raise NotFoundException("jobs, sources by URL and chunking are not offered yet; POST the file to /v1/convert/file")


router = Router("/", route_handlers=[convert_file, convert_file_stream, not_offered], tags=["docling-serve"])
