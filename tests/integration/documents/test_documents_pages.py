"""Files in pages through a running service: its workers and the models that look at pages."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc import StatusCode
from isolane.documents.v1 import documents_service_pb2 as pb

from tests.integration.documents.conftest import wait_for
from tests.pdfs import text_pdf

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


def page(number: int, of: int) -> list[str]:
    """Lines of running text."""
    first = f"Page {number} of {of} is about apples and about the trees on which they"
    return [
        first,
        *[f"grow in row {number * 100 + row} of the garden, where the tilt of the axis gives" for row in range(20)],
    ]


THREE = text_pdf(*[page(number, 3) for number in (1, 2, 3)])
LONG = text_pdf(*[page(number, 300) for number in range(1, 301)])
LONG_REQUEST = pb.ParsePagesRequest(request=pb.ParseRequest(filename="long.pdf", data=LONG))


def engines_of(service: Any) -> int:
    """Pid of the process of the models."""
    pids: list[int] = wait_for(lambda: [line["pid"] for line in service.lines("engines_ready")])
    return pids[-1]


def stream(service: Any, data: bytes, **fields: Any) -> list[Any]:
    request = pb.ParseRequest(filename="a.pdf", data=data, **fields)
    return list(service.stub.ParsePages(pb.ParsePagesRequest(request=request), timeout=120))


def test_a_pdf_becomes_markdown(service: Any) -> None:
    reply = service.parse("three.pdf", THREE, pb.OUTPUT_MARKDOWN, pb.OUTPUT_JSON)

    assert (reply.format, reply.status, list(reply.errors)) == ("pdf", pb.PARSE_STATUS_SUCCESS, [])
    places = [reply.markdown.index(f"Page {number} of 3 is about apples") for number in (1, 2, 3)]
    assert places == sorted(places)
    assert reply.markdown.count("garden") == 60
    assert reply.timings.compute_us > 0


def test_pages_are_told_of_as_they_are_read(service: Any) -> None:
    *pages, last = stream(service, THREE)

    assert [(message.page.done, message.page.total) for message in pages] == [(1, 3), (2, 3), (3, 3)]
    assert {message.page.number: f"Page {message.page.number} of 3" in message.page.text for message in pages} == {
        1: True,
        2: True,
        3: True,
    }
    assert "apples" in last.document.markdown


def test_only_the_pages_that_are_asked_for_are_in_the_answer(service: Any) -> None:
    *pages, last = stream(service, THREE, paging=pb.Paging(first=2, last=2))

    assert [message.page.number for message in pages] == [2]
    assert "Page 2" in last.document.markdown
    assert "Page 1" not in last.document.markdown


def test_pages_that_are_not_there_are_an_error(service: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stream(service, THREE, paging=pb.Paging(first=7))

    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "page_range: it begins at page 7, and a.pdf has 3 pages; correct it"


def test_models_that_end_are_started_again(service: Any) -> None:
    pid = engines_of(service)
    os.kill(pid, signal.SIGKILL)
    service.wait_for_end(pid)

    reply = service.parse("three.pdf", THREE)

    assert reply.status == pb.PARSE_STATUS_SUCCESS
    assert engines_of(service) != pid


def test_a_worker_that_ends_on_a_page_loses_that_page_alone(launch: Any) -> None:
    with launch(workers="1") as service:
        service.wait_for_workers(2)
        engines_of(service)
        pages = service.stub.ParsePages(LONG_REQUEST, timeout=120)
        next(pages)
        os.kill(service.wait_until_parsing(), signal.SIGKILL)
        *_, last = pages

    [error] = last.document.errors
    assert error.startswith("page ")
    assert "the parser crashed on it" in error
    assert last.document.status == pb.PARSE_STATUS_PARTIAL_SUCCESS
    assert sum(f"Page {number} of 300" in last.document.markdown for number in range(1, 301)) >= 298


def test_a_caller_who_leaves_ends_the_reading(launch: Any) -> None:
    with launch(workers="1") as service:
        service.wait_for_workers(2)
        engines_of(service)
        pages = service.stub.ParsePages(LONG_REQUEST, timeout=120)
        next(pages)
        pages.cancel()
        [line] = wait_for(lambda: service.lines("rpc"))
        used = {pid: psutil.Process(pid).cpu_times().user for pid in service.workers()}
        service.parse("a.md", b"# next")
        spent = [psutil.Process(pid).cpu_times().user - at for pid, at in used.items() if psutil.pid_exists(pid)]

    assert (line["method"], line["code"]) == ("ParsePages", "cancelled")
    assert max(spent, default=0.0) < 1.0


def test_a_file_that_needs_no_models_is_parsed_without_them(launch: Any) -> None:
    with launch(workers="1") as service:
        assert service.parse("a.md", b"# Head").status == pb.PARSE_STATUS_SUCCESS


@pytest.mark.parametrize("data", [b"%PDF-1.7 and nothing more", THREE[: len(THREE) // 3]], ids=["empty", "cut"])
def test_a_pdf_that_is_damaged_is_refused_or_read_as_far_as_it_goes(service: Any, data: bytes) -> None:
    call = service.stub.Parse.future(pb.ParseRequest(filename="bad.pdf", data=data), timeout=40)

    assert call.code() in {StatusCode.OK, StatusCode.FAILED_PRECONDITION}
    assert "bad.pdf" in call.details() if call.exception() else "apples" in call.result().markdown


def test_the_references_are_read(service: Any) -> None:
    folder = Path("../shared/data/docling/pdf")
    if not folder.is_dir():
        pytest.skip("the documents with known results are not here")
    for path in sorted(folder.glob("*.pdf")):
        assert service.parse(path.name, path.read_bytes()).markdown
