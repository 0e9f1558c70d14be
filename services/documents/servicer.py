"""The gRPC face of the documents engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeVar

from grpc import aio
from isolane.common.v1 import reply_pb2
from isolane.documents.v1 import documents_service_pb2 as pb
from isolane.documents.v1 import documents_service_pb2_grpc as pb_grpc

from services.common import call
from services.common.errors import InvalidRequest
from services.common.reply import Timings
from services.common.server import messages
from services.common.server.server import Registration
from services.documents.backends.base import Document, Include, Output, Paging, Parsed
from services.documents.engine import DocumentsEngine
from services.documents.paging import PageDone

NAME = pb.DESCRIPTOR.services_by_name["DocumentsService"].full_name
Context = aio.ServicerContext[Any, Any]
Choice = TypeVar("Choice")

_OUTPUTS: dict[int, Output] = {
    pb.OUTPUT_MARKDOWN: Output.MARKDOWN,
    pb.OUTPUT_JSON: Output.JSON,
    pb.OUTPUT_HTML: Output.HTML,
    pb.OUTPUT_TEXT: Output.TEXT,
}


_INCLUDES: dict[int, Include] = {
    pb.INCLUDE_FOOTNOTES: Include.FOOTNOTES,
    pb.INCLUDE_HEADERS: Include.HEADERS,
    pb.INCLUDE_COMMENTS: Include.COMMENTS,
    pb.INCLUDE_SPEAKER_NOTES: Include.SPEAKER_NOTES,
    pb.INCLUDE_HIDDEN: Include.HIDDEN,
    pb.INCLUDE_CHANGES: Include.CHANGES,
}


class DocumentsServicer(pb_grpc.DocumentsServiceServicer):
    """Checks messages, calls the engine, builds replies."""

    def __init__(self, engine: DocumentsEngine) -> None:
        self._engine = engine

    async def Parse(self, request: pb.ParseRequest, context: Context) -> pb.ParseResponse:
        """See the proto."""
        started_s = time.monotonic()
        parsed = await self._engine.parse(_document(request), call.deadline())
        return self._reply(parsed, started_s)

    async def ParsePages(
        self, request: pb.ParsePagesRequest, context: Context
    ) -> AsyncGenerator[pb.ParsePagesResponse, None]:
        """See the proto."""
        started_s = time.monotonic()
        # Not bounded: its pages are no more than the answer holds, and a caller that reads none has a deadline.
        pages = asyncio.Queue[PageDone | None]()
        parsing = asyncio.create_task(self._engine.parse(_document(request.request), call.deadline(), pages.put_nowait))
        parsing.add_done_callback(lambda _: pages.put_nowait(None))
        try:
            while (done := await pages.get()) is not None:
                yield pb.ParsePagesResponse(page=_page_read(done))
            yield pb.ParsePagesResponse(document=self._reply(await parsing, started_s))
        finally:
            parsing.cancel()
            await asyncio.gather(parsing, return_exceptions=True)

    async def ListFormats(self, request: pb.ListFormatsRequest, context: Context) -> pb.ListFormatsResponse:
        """See the proto."""
        formats = [pb.Format(name=item.name, extensions=item.extensions) for item in self._engine.formats]
        return pb.ListFormatsResponse(formats=formats)

    def _reply(self, parsed: Parsed, started_s: float) -> pb.ParseResponse:
        call.note(format=parsed.format, queue_us=parsed.queue_us, compute_us=parsed.compute_us)
        spent = Timings(tokenize_us=0, queue_us=parsed.queue_us, compute_us=parsed.compute_us)
        reply = pb.ParseResponse(
            status=pb.PARSE_STATUS_PARTIAL_SUCCESS if parsed.errors else pb.PARSE_STATUS_SUCCESS,
            format=parsed.format,
            errors=parsed.errors,
            usage=reply_pb2.Usage(items=1),
            timings=messages.timings(spent, started_s),
            load=messages.load(self._engine.backlog()),
        )
        for output, content in parsed.outputs.items():
            setattr(reply, output.value, content if output is Output.JSON else content.decode())
        return reply


def _document(request: pb.ParseRequest) -> Document:
    """What the request asks for.

    Raises:
        InvalidRequest: it asks for what does not go together.
    """
    call.note(bytes=len(request.data))
    return Document(
        filename=request.filename,
        data=request.data,
        outputs=_chosen(request.outputs, _OUTPUTS, "outputs") or [Output.MARKDOWN],
        include=_chosen(request.include, _INCLUDES, "include"),
        paging=_paging(request.paging),
    )


def _paging(asked: pb.Paging) -> Paging:
    first, last = asked.first or 1, asked.last or None
    if last is not None and last < first:
        raise InvalidRequest(f"paging: pages {first} to {last}: the last is before the first", param="paging")
    if asked.skip_ocr and asked.force_ocr:
        raise InvalidRequest("paging: skip_ocr and force_ocr do not go together; use one of them", param="paging")
    return Paging(
        first=first,
        last=last,
        do_ocr=not asked.skip_ocr,
        force_ocr=asked.force_ocr,
        ocr_languages=tuple(asked.ocr_languages),
    )


def _page_read(done: PageDone) -> pb.PageRead:
    page = done.page
    return pb.PageRead(number=page.number, done=done.done, total=done.total, text=page.text, errors=page.errors)


def registration(engine: DocumentsEngine) -> Registration:
    """What the server needs to serve the engine."""
    return Registration(
        name=NAME, servicer=DocumentsServicer(engine), add=pb_grpc.add_DocumentsServiceServicer_to_server
    )


def _chosen(wanted: Sequence[int], choices: Mapping[int, Choice], param: str) -> list[Choice]:
    """What the numbers stand for.

    Raises:
        InvalidRequest: one is not known, or is there twice.
    """
    chosen = [choices[value] for value in wanted if value in choices]
    if len(chosen) != len(wanted) or len(set(chosen)) != len(chosen):
        raise InvalidRequest(
            f"{param} {list(wanted)}: each of {', '.join(map(str, choices.values()))} at most once, and no other",
            param=param,
        )
    return chosen
