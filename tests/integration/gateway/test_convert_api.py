"""docling-serve's conversion API as its users see it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration

CONTENT = b"<html><body><h1>Title</h1></body></html>"


def convert(gateway: Any, *, name: str = "page.html", content: bytes = CONTENT, **fields: Any) -> httpx.Response:
    files = {"files": (name, content, "text/html")}
    return httpx.post(f"{gateway.url}/v1/convert/file", files=files, data=fields, timeout=60)


def stream(gateway: Any, *, content: bytes, **fields: Any) -> list[dict[str, Any]]:
    """The lines of a stream; the fake's pages end with form feeds."""
    files = {"files": ("a.pdf", content, "application/pdf")}
    reply = httpx.post(f"{gateway.url}/v1/convert/file/stream", files=files, data=fields, timeout=60)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in reply.text.splitlines()]


def test_pages_are_lines_of_a_stream_and_the_document_is_the_last(gateway: Any) -> None:
    *pages, last = stream(gateway, content=b"%PDF-one\fdamaged\fthree", to_formats="text")

    assert [(page["event"], page["done"], page["total"]) for page in pages] == [("page", n, 3) for n in (1, 2, 3)]
    assert {page["number"]: page["text"] for page in pages} == {1: "%PDF-one", 2: "", 3: "three"}
    assert last["event"] == "document"
    assert last["result"]["document"]["text_content"] == "2 pages"
    assert last["result"]["status"] == "partial_success"
    assert last["result"]["errors"][0]["error_message"] == "page 2: it cannot be read; it is damaged"


def test_a_range_of_pages_is_read_alone(gateway: Any) -> None:
    pages = stream(gateway, content=b"%PDF-" + b"\f" * 9, page_range=["2", "4"])[:-1]

    assert sorted(page["number"] for page in pages) == [2, 3, 4]


def test_a_stream_that_fails_before_its_first_page_has_an_answer_of_its_own(gateway: Any) -> None:
    files = {"files": ("a.pdf", b"%PDF-damaged", "application/pdf")}

    reply = httpx.post(f"{gateway.url}/v1/convert/file/stream", files={"files": ("a.rtf", b"{\\rtf1")}, timeout=60)
    late_request = httpx.post(f"{gateway.url}/v1/convert/file/stream", files=files, timeout=60)
    late = late_request.text.splitlines()

    assert reply.status_code == 415
    assert "RTF: save it as docx" in reply.json()["detail"]
    assert json.loads(late[-1]) == {
        "event": "error",
        "status": 422,
        "detail": "a.pdf: no page could be read; page 1: it cannot be read; it is damaged",
        "request_id": late_request.headers["x-request-id"],
    }


def test_pages_of_a_file_that_has_none_are_refused(gateway: Any) -> None:
    reply = convert(gateway, page_range=["2", "3"])

    assert reply.status_code == 400
    assert reply.json()["detail"] == "page_range: page.html has no pages; leave it out"


def test_markdown_is_the_default_form(gateway: Any) -> None:
    answer = convert(gateway).json()

    assert set(answer) == {"document", "status", "errors", "processing_time", "timings"}
    assert answer["status"] == "success"
    assert answer["errors"] == []
    assert answer["processing_time"] > 0
    document = answer["document"]
    assert document["filename"] == "page.html"
    assert document["md_content"].startswith("# page.html")
    assert [document[key] for key in ("json_content", "html_content", "text_content", "doctags_content")] == [None] * 4


def test_every_form_that_is_asked_for_is_returned(gateway: Any) -> None:
    document = convert(gateway, to_formats=["md", "json", "html", "text", "md"]).json()["document"]

    assert document["json_content"]["name"] == "page.html"
    assert document["html_content"].startswith("<h1>")
    assert document["text_content"].startswith("page.html")


def test_options_of_docling_serve_that_change_nothing_are_taken(gateway: Any) -> None:
    answer = convert(
        gateway,
        from_formats=["html", "docx"],
        do_ocr="true",
        force_ocr="false",
        ocr_engine="easyocr",
        ocr_lang=["en", "pl"],
        pdf_backend="dlparse_v2",
        table_mode="fast",
        abort_on_error="false",
        return_as_file="false",
        image_export_mode="embedded",
        document_timeout="30",
        pipeline="standard",
        target_type="inbody",
        page_range=["1", "9223372036854775807"],
        include_page_images="false",
        layout_preset="fast",
        md_page_break_placeholder="\f",
        vlm_pipeline_model="null",
    )

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "option", [{"page_range": ["2", "3"]}, {"do_picture_description": "true"}, {"image_export_mode": "referenced"}]
)
def test_options_that_would_change_the_result_are_refused_by_name(gateway: Any, option: dict[str, Any]) -> None:
    answer = convert(gateway, **option)

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"{next(iter(option))}: ")


def test_a_file_whose_name_is_sent_as_dotnet_and_urllib3_do_is_converted_under_that_name(gateway: Any) -> None:
    names = []
    for disposition in (
        "name=files; filename=\"=?utf-8?B?w5xiZXIubWQ=?=\"; filename*=utf-8''%C3%9Cber.md",
        "name=files; filename*=utf-8''%C3%9Cber.md",
    ):
        body = f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n# hi\r\n--b--\r\n".encode()
        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = httpx.post(f"{gateway.url}/v1/convert/file", content=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        names.append(answer.json()["document"]["filename"])

    assert names == ["Über.md"] * 2


def post_form(gateway: Any, *parts: bytes) -> httpx.Response:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    return httpx.post(f"{gateway.url}/v1/convert/file", content=body, headers=headers, timeout=60)


def test_a_name_in_the_bytes_of_old_browsers_is_read(gateway: Any) -> None:
    answer = post_form(gateway, b'Content-Disposition: form-data; name="files"; filename="M\xfcller.md"\r\n\r\n# hi')

    assert answer.status_code == 200, answer.text
    assert answer.json()["document"]["filename"] == "Müller.md"


def test_a_text_in_place_of_the_file_is_told_so(gateway: Any) -> None:
    answer = post_form(gateway, b'Content-Disposition: form-data; name="files"\r\n\r\nreport.md')

    assert answer.status_code == 400
    assert answer.json()["detail"].endswith("with curl write -F files=@report.md")


@pytest.mark.parametrize(
    "name",
    ["M\u202fM.html", "全角\u3000.html", "a\xa0b.html", "می\u200cروم.html", "\U0001f468\u200d\U0001f469.html"],
)
def test_every_character_that_shows_may_be_in_a_name(gateway: Any, name: str) -> None:
    assert convert(gateway, name=name).json()["document"]["filename"] == name


def test_plain_text_may_be_sent_where_markdown_is_allowed(gateway: Any) -> None:
    assert convert(gateway, name="a.txt", content=b"hi", from_formats=["pdf", "md"]).status_code == 200
    assert convert(gateway, name="a.txt", content=b"hi", from_formats=["pdf", "docx"]).status_code == 415
    assert convert(gateway, name="a.md", content=b"hi", from_formats="txt").status_code == 415


@pytest.mark.parametrize("include", [["footnotes"], ["headers", "comments"], ["speaker_notes", "hidden", "changes"]])
def test_what_is_beside_the_text_can_be_asked_for(gateway: Any, include: list[str]) -> None:
    assert convert(gateway, include=include).status_code == 200


def test_what_is_no_part_of_a_document_is_refused_by_name(gateway: Any) -> None:
    answer = convert(gateway, include="everything")

    assert answer.status_code == 400
    assert "'everything'" in answer.json()["detail"]
    assert "footnotes" in answer.json()["detail"]


def test_a_file_that_takes_too_long_is_named_with_the_time_that_it_had(gateway: Any) -> None:
    answer = convert(gateway, name="long.html", document_timeout="0.000001")

    assert answer.status_code == 504
    assert answer.json()["detail"].startswith("long.html: no document after ")
    assert "allow more with X-Request-Timeout-Ms or document_timeout" in answer.json()["detail"]
    assert "Parse" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/convert/source"),
        ("POST", "/v1/convert/source/async"),
        ("POST", "/v1/convert/file/async"),
        ("POST", "/v1/chunk/hybrid/file"),
        ("POST", "/v1/chunk/hierarchical/source/async"),
        ("POST", "/v1alpha/convert/file"),
        ("GET", "/v1/status/poll/1"),
        ("GET", "/v1/result/1"),
    ],
)
def test_what_else_docling_serve_has_is_answered_with_what_there_is(gateway: Any, method: str, path: str) -> None:
    content = CONTENT * 5000 if method == "POST" else b""

    answer = httpx.request(method, f"{gateway.url}{path}", content=content)

    assert answer.status_code == 404
    assert answer.json() == {
        "detail": "jobs, sources by URL and chunking are not offered yet; POST the file to /v1/convert/file"
    }


def test_the_wrong_method_is_told_so(gateway: Any) -> None:
    assert httpx.get(f"{gateway.url}/v1/convert/file").status_code == 405


def test_large_file_is_converted_and_a_larger_one_refused(gateway: Any) -> None:
    filler = b"<p>" + b"x" * (20 * 1024 * 1024) + b"</p>"

    large = convert(gateway, content=CONTENT + filler)
    too_large = convert(gateway, content=CONTENT + filler * 3)

    assert large.status_code == 200
    assert "bytes, SHA-256" in large.json()["document"]["md_content"]
    assert too_large.status_code == 413
    assert "larger than the limit" in too_large.json()["detail"]


def test_folders_in_the_file_name_are_dropped(gateway: Any) -> None:
    answer = convert(gateway, name="..\\..\\etc/Übersicht 1.html")

    assert answer.json()["document"]["filename"] == "Übersicht 1.html"
