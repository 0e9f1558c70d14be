"""Messages to the engine and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from isolane.documents.v1 import documents_service_pb2 as pb

from services.common import call
from services.common.deadline import Deadline
from services.common.errors import InvalidRequest
from services.common.testing.clock import FakeClock
from services.documents.backends.base import Document, Output, Parsed
from services.documents.backends.fake import FakeDocumentBackend
from services.documents.backends.formats import FORMATS
from services.documents.engine import DocumentsEngine
from services.documents.servicer import DocumentsServicer
from services.documents.settings import DocumentsSettings

CONTEXT = cast(Any, None)


class PartialBackend(FakeDocumentBackend):
    """Finds something wrong in every file."""

    async def parse(self, document: Document, begun: Callable[[], None]) -> Parsed:
        begun()
        return Parsed(
            format="txt", outputs={Output.TEXT: b"half"}, errors=["page 2 is damaged"], queue_us=3, compute_us=5
        )


def servicer(backend: type[FakeDocumentBackend] = FakeDocumentBackend) -> DocumentsServicer:
    call.begin(Deadline.after(30))
    return DocumentsServicer(DocumentsEngine(DocumentsSettings(), backend(workers=1, max_unpacked_bytes=1000)))


async def test_markdown_is_the_default() -> None:
    reply = await servicer().Parse(pb.ParseRequest(filename="a.md", data=b"x"), CONTEXT)

    assert reply.markdown.startswith("# a.md")
    assert not any(reply.HasField(name) for name in ("json", "html", "text"))
    assert (reply.status, reply.format, reply.usage.items) == (pb.PARSE_STATUS_SUCCESS, "md", 1)


async def test_pages_come_on_the_way_and_the_document_last() -> None:
    request = pb.ParseRequest(filename="a.pdf", data=b"%PDF-one\fdamaged\fthree", outputs=[pb.OUTPUT_TEXT])

    messages = [message async for message in servicer().ParsePages(pb.ParsePagesRequest(request=request), CONTEXT)]

    pages, document = [message.page for message in messages[:-1]], messages[-1].document
    assert sorted((page.number, page.text, len(page.errors)) for page in pages) == [
        (1, "%PDF-one", 0),
        (2, "", 1),
        (3, "three", 0),
    ]
    assert [(page.done, page.total) for page in pages] == [(1, 3), (2, 3), (3, 3)]
    assert (document.text, document.status) == ("2 pages", pb.PARSE_STATUS_PARTIAL_SUCCESS)


async def test_a_file_without_pages_gives_the_document_alone() -> None:
    request = pb.ParseRequest(filename="a.md", data=b"x")

    [message] = [message async for message in servicer().ParsePages(pb.ParsePagesRequest(request=request), CONTEXT)]

    assert message.document.markdown.startswith("# a.md")


async def test_a_stream_that_nobody_reads_on_ends_the_work() -> None:
    engine_servicer = servicer()
    request = pb.ParseRequest(filename="a.pdf", data=b"%PDF-" + b"\f" * 9)
    messages = engine_servicer.ParsePages(pb.ParsePagesRequest(request=request), CONTEXT)

    await anext(messages)
    await messages.aclose()

    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    assert not tasks


@pytest.mark.parametrize(
    ("paging", "says"),
    [({"first": 5, "last": 2}, "the last is before the first"), ({"skip_ocr": True, "force_ocr": True}, "use one")],
)
async def test_paging_that_does_not_go_together_is_refused(paging: dict[str, Any], says: str) -> None:
    request = pb.ParseRequest(filename="a.pdf", data=b"%PDF-", paging=pb.Paging(**paging))

    with pytest.raises(InvalidRequest, match=says) as caught:
        await servicer().Parse(request, CONTEXT)

    assert caught.value.param == "paging"


async def test_only_the_forms_asked_for_are_set() -> None:
    request = pb.ParseRequest(filename="a.md", data=b"x", outputs=[pb.OUTPUT_JSON, pb.OUTPUT_HTML, pb.OUTPUT_TEXT])

    reply = await servicer().Parse(request, CONTEXT)

    assert (reply.json[:1], reply.html[:4], reply.text[:4]) == (b"{", "<h1>", "a.md")
    assert not reply.HasField("markdown")


async def test_a_document_that_came_out_in_part_says_so_with_its_times() -> None:
    fields = call.begin(Deadline.after(30))
    service = DocumentsServicer(
        DocumentsEngine(DocumentsSettings(), PartialBackend(workers=1, max_unpacked_bytes=1000), clock=FakeClock())
    )

    reply = await service.Parse(pb.ParseRequest(filename="a.txt", data=b"xy"), CONTEXT)

    assert (reply.status, list(reply.errors)) == (pb.PARSE_STATUS_PARTIAL_SUCCESS, ["page 2 is damaged"])
    assert (reply.timings.queue_us, reply.timings.compute_us) == (3, 5)
    assert fields == {"bytes": 2, "format": "txt", "queue_us": 3, "compute_us": 5}


@pytest.mark.parametrize("outputs", [[pb.OUTPUT_UNSPECIFIED], [99], [pb.OUTPUT_TEXT, pb.OUTPUT_TEXT]])
async def test_unknown_and_repeated_forms_are_refused(outputs: list[Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await servicer().Parse(pb.ParseRequest(filename="a.md", data=b"x", outputs=outputs), CONTEXT)

    assert caught.value.param == "outputs"


async def test_the_formats_are_listed() -> None:
    reply = await servicer().ListFormats(pb.ListFormatsRequest(), CONTEXT)

    assert [item.name for item in reply.formats] == [item.name for item in FORMATS]
