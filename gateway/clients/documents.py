"""The documents service as the gateway calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from isolane.documents.v1 import documents_service_pb2 as pb
from isolane.documents.v1.documents_service_pb2_grpc import DocumentsServiceStub

from gateway.clients.items import Timings, timings
from gateway.schemas.convert import ALL_PAGES, Form, Include, Paging
from services.common import call
from services.common.deadline import Deadline
from services.common.errors import BackendFailed
from services.common.rpc.client import RpcClient
from services.common.rpc.pool import Pools

SERVICE = "documents"
HEALTH_SERVICE = pb.DESCRIPTOR.services_by_name["DocumentsService"].full_name

_OUTPUTS: Mapping[Form, pb.Output.ValueType] = MappingProxyType(
    {
        "markdown": pb.OUTPUT_MARKDOWN,
        "json": pb.OUTPUT_JSON,
        "html": pb.OUTPUT_HTML,
        "text": pb.OUTPUT_TEXT,
    }
)

_INCLUDES: Mapping[Include, pb.Include.ValueType] = MappingProxyType(
    {
        "footnotes": pb.INCLUDE_FOOTNOTES,
        "headers": pb.INCLUDE_HEADERS,
        "comments": pb.INCLUDE_COMMENTS,
        "speaker_notes": pb.INCLUDE_SPEAKER_NOTES,
        "hidden": pb.INCLUDE_HIDDEN,
        "changes": pb.INCLUDE_CHANGES,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A document in the forms that were asked for; the others are None."""

    format: str
    """What the file was found to be, for example "html"."""
    is_complete: bool
    """False when parts could not be parsed; `errors` says which."""
    errors: tuple[str, ...]
    markdown: str | None
    json: bytes | None
    """A JSON object in UTF-8."""
    html: str | None
    text: str | None
    timings: Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class PageDone:
    """A page was read, or could not be."""

    number: int
    """From 1 on."""
    done: int
    """Pages that were read until now."""
    total: int
    """Pages that are wanted."""
    text: str
    """Provisional."""
    errors: tuple[str, ...]


Progress = Callable[[PageDone], None]


@dataclass(frozen=True, slots=True)
class _Following:
    """`ParsePages` as a method with one answer, the document; pages are told of on the way."""

    stub: DocumentsServiceStub
    progress: Progress

    async def __call__(
        self,
        request: pb.ParseRequest,
        *,
        timeout: float,  # noqa: ASYNC109 - gRPC's name
        metadata: Any,
    ) -> pb.ParseResponse:
        asked = pb.ParsePagesRequest(request=request)
        async for message in self.stub.ParsePages(asked, timeout=timeout, metadata=metadata):
            if message.HasField("document"):
                return message.document
            page = message.page
            self.progress(
                PageDone(
                    number=page.number, done=page.done, total=page.total, text=page.text, errors=tuple(page.errors)
                )
            )
        raise BackendFailed("documents: the document did not come; the service's log has the cause")


class DocumentsClient:
    """Calls the documents service.

    Args:
        pools: makes the pool of its instances.
        attempt_timeout_s: see `RpcClient`.
    """

    def __init__(self, pools: Pools, *, attempt_timeout_s: float | None = None) -> None:
        self.pool = pools.open(SERVICE, DocumentsServiceStub, health_service=HEALTH_SERVICE)
        self._rpc = RpcClient(self.pool, attempt_timeout_s=attempt_timeout_s)

    async def parse(
        self,
        filename: str,
        data: bytes,
        *,
        forms: Sequence[Form],
        deadline: Deadline,
        include: Sequence[Include] = (),
        paging: Paging = ALL_PAGES,
        progress: Progress | None = None,
    ) -> Parsed:
        """Parse one file.

        Args:
            filename: its name; the extension helps to tell the format.
            data: its content.
            forms: what to return.
            deadline: when the caller stops waiting; the parser is ended then.
            include: what to return beside the text.
            paging: how a file in pages is read.
            progress: told of each page; where another instance has to begin anew, of the first ones again.

        Raises:
            UnsupportedFormat: the format is not parsed.
            UnprocessableFile: the file is damaged.
            RequestError: see `RpcClient.call`.
        """
        request = pb.ParseRequest(
            filename=filename,
            data=data,
            outputs=[_OUTPUTS[form] for form in forms],
            include=[_INCLUDES[part] for part in include],
            paging=pb.Paging(
                first=paging.first,
                last=paging.last or 0,
                skip_ocr=not paging.do_ocr,
                force_ocr=paging.force_ocr,
                ocr_languages=paging.ocr_languages,
            ),
        )
        if progress is None:
            reply = await self._rpc.call("Parse", lambda stub: stub.Parse, request, deadline=deadline)
        else:
            # To whoever calls, it is a method with one answer.
            following = cast(Any, partial(_Following, progress=progress))
            reply = await self._rpc.call("ParsePages", following, request, deadline=deadline)
        call.note(format=reply.format, bytes=len(data), compute_us=reply.timings.compute_us)
        return Parsed(
            format=reply.format,
            is_complete=reply.status == pb.PARSE_STATUS_SUCCESS,
            errors=tuple(reply.errors),
            markdown=reply.markdown if reply.HasField("markdown") else None,
            json=reply.json if reply.HasField("json") else None,
            html=reply.html if reply.HasField("html") else None,
            text=reply.text if reply.HasField("text") else None,
            timings=timings(reply.timings),
        )
