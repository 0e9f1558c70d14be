"""Docling behind gRPC: what a file becomes, and what a bad one gets."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from docling_core.types.doc.document import DoclingDocument
from grpc import StatusCode
from isolane.documents.v1 import documents_service_pb2 as pb

from services.common.errors import RequestError
from services.common.status import decode
from tests.integration.documents.packages import changed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

ENTITIES = (
    '<!ENTITY a "'
    + "ha" * 500
    + '">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))
)


def refused(service: Any, filename: str, data: bytes) -> RequestError:
    return decode(service.refusal(filename, data), "documents")


@pytest.mark.parametrize(
    ("extension", "name"),
    [
        ("adoc", "asciidoc"),
        ("csv", "csv"),
        ("docx", "docx"),
        ("epub", "epub"),
        ("html", "html"),
        ("md", "md"),
        ("nxml", "xml_jats"),
        ("odp", "odp"),
        ("ods", "ods"),
        ("odt", "odt"),
        ("pptx", "pptx"),
        ("tex", "latex"),
        ("txt", "txt"),
        ("vtt", "vtt"),
        ("xlsx", "xlsx"),
    ],
)
def test_every_format_becomes_all_forms(service: Any, samples: dict[str, bytes], extension: str, name: str) -> None:
    filename = f"a.{extension}"

    reply = service.parse(filename, samples[filename], *pb.Output.values()[1:])

    assert (reply.format, reply.status, list(reply.errors)) == (name, pb.PARSE_STATUS_SUCCESS, [])
    for content in (reply.markdown, reply.json.decode(), reply.html, reply.text):
        assert "wombat" in content


def test_the_list_of_formats_is_what_is_parsed(service: Any, samples: dict[str, bytes]) -> None:
    listed = service.stub.ListFormats(pb.ListFormatsRequest(), timeout=10).formats

    assert {extension for item in listed for extension in item.extensions} >= {name[2:] for name in samples}
    assert len(listed) == len(samples) + len(("image", "pdf"))


def test_a_word_file_keeps_headings_list_and_table(service: Any, samples: dict[str, bytes]) -> None:
    reply = service.parse("report.docx", samples["a.docx"])

    assert reply.markdown == (
        "## Yearly report\n\nA wombat grew by 12 percent.\n\n### Costs\n\n- Rent\n- Staff\n\nThe sums:\n\n"
        "| Item   |   Sum |\n|--------|-------|\n| Rent   |   100 |"
    )


def test_a_web_page_keeps_headings_list_and_table(service: Any, samples: dict[str, bytes]) -> None:
    reply = service.parse("page.html", samples["a.html"])

    assert reply.markdown == ("# Head\n\nA **wombat**.\n\n- one\n- two\n\n|   a |   b |\n|-----|-----|\n|   1 |   2 |")


def test_plain_text_keeps_what_looks_like_markup(service: Any, samples: dict[str, bytes]) -> None:
    reply = service.parse("notes.txt", samples["a.txt"], pb.OUTPUT_TEXT)

    assert reply.text == "A wombat.\n\nAnother <paragraph> of snake_case."


def test_the_json_form_is_a_docling_document(service: Any, samples: dict[str, bytes]) -> None:
    reply = service.parse("report.docx", samples["a.docx"], pb.OUTPUT_JSON)

    document = DoclingDocument.model_validate_json(reply.json)
    assert len(document.tables) == 1
    assert "Revenue" not in document.export_to_markdown()


def test_the_content_decides_and_not_the_extension(service: Any, samples: dict[str, bytes]) -> None:
    reply = service.parse("report.txt", samples["a.docx"])

    assert reply.format == "docx"


def test_a_file_near_the_limit_comes_through(service: Any) -> None:
    data = b"<!-- " + b"x" * (49 * 1024 * 1024) + b" --><!doctype html><p>the end"

    reply = service.parse("large.html", data)

    assert reply.markdown == "the end"


def test_pictures_of_other_kinds_say_what_to_do(service: Any) -> None:
    for data in (b"8BPS\0\1", b"\0\0\0\x0cjP  \r\n\x87\n"):
        error = refused(service, "a.docx", data)

        assert error.code == "unsupported_format"
        assert "save it as PNG, JPEG or TIFF" in error.message
        assert "docx" in error.message


@pytest.mark.parametrize("extension", ["docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"])
def test_a_damaged_file_is_refused(service: Any, samples: dict[str, bytes], extension: str) -> None:
    data = samples[f"a.{extension}"]
    half = data[: len(data) // 2]

    error = refused(service, f"a.{extension}", half)

    assert error.code == "unprocessable_file"


def test_an_archive_with_the_parts_of_a_word_file_but_no_sense_is_refused(service: Any) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("word/document.xml", "nonsense")

    error = refused(service, "a.docx", target.getvalue())

    assert (error.code, error.message) == (
        "unprocessable_file",
        "a.docx: [Content_Types].xml: it is missing from the file",
    )


def test_a_zip_bomb_is_refused_before_it_is_unpacked(service: Any) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (300 * 1024 * 1024))

    error = refused(service, "bomb.docx", target.getvalue())

    assert error.code == "too_large"
    assert "unpacked it is 1 parts and 314572800 bytes" in error.message


@pytest.mark.parametrize(
    ("extension", "member", "old"),
    [
        ("docx", "word/document.xml", "wombat"),
        ("pptx", "ppt/slides/slide1.xml", "wombat"),
        ("odt", "content.xml", "wombat"),
    ],
)
def test_an_entity_bomb_in_an_archive_is_refused(
    service: Any, samples: dict[str, bytes], extension: str, member: str, old: str
) -> None:
    data = changed(samples[f"a.{extension}"], member, old, "&i;")
    data = changed(data, member, "?>", f"?><!DOCTYPE x [{ENTITIES}]>")

    error = refused(service, f"a.{extension}", data)

    assert error.code == "unprocessable_file"


def test_an_entity_bomb_in_an_article_is_refused(service: Any, samples: dict[str, bytes]) -> None:
    data = samples["a.nxml"].decode().replace("[]", f"[{ENTITIES}]").replace("wombat", "&i;")

    error = refused(service, "a.nxml", data.encode())

    assert error.code == "unprocessable_file"


def test_nesting_that_no_page_has_is_refused(service: Any) -> None:
    error = refused(service, "deep.html", b"<html><body>" + b"<div>" * 700 + b"x")

    assert error.code == "unprocessable_file"
    assert error.message == "deep.html: nested more than 500 levels deep; flatten it"


def test_nesting_that_pages_have_is_parsed(service: Any) -> None:
    reply = service.parse("deep.html", b"<html><body>" + b"<div>" * 100 + b"x")

    assert reply.markdown == "x"


def test_a_file_that_takes_too_much_memory_fails_alone(service: Any) -> None:
    error = refused(service, "long.txt", b"x\n\n" * 2_000_000)
    good = service.parse("a.md", b"# Still here")

    assert (error.code, error.message) == (
        "unprocessable_file",
        "long.txt: parsing takes too much memory; split the file",
    )
    assert good.markdown == "# Still here"


@contextmanager
def canary() -> Iterator[tuple[int, list[Any]]]:
    """A port of loopback, and the connections that it saw."""
    seen: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stopped = threading.Event()

        def watch() -> None:
            while not stopped.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                connection.close()
                seen.append(address)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield server.getsockname()[1], seen
            time.sleep(0.2)
        finally:
            stopped.set()
            thread.join()


def test_the_canary_sees_connections() -> None:
    with canary() as (port, seen):
        socket.create_connection(("127.0.0.1", port)).close()

    assert len(seen) == 1


def test_nothing_that_a_document_names_is_fetched(service: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("quokka")
    with canary() as (port, seen):
        url = f"http://127.0.0.1:{port}/x"
        documents = {
            "a.html": f"<html><link rel=stylesheet href={url}.css><p>kept<img src={url}.png><img src=file://{secret}>"
            f"<iframe src={url}></iframe><object data=file://{secret}></object><img src={secret}>",
            "a.md": f"kept ![a]({url}.png) ![b](file://{secret}) <img src='{url}.png'>",
            "a.adoc": f"= kept\n\nimage::{url}.png[]\n\ninclude::{secret}[]\n\ninclude::{url}[]\n",
            "a.tex": f"\\documentclass{{article}}\\begin{{document}}kept\\input{{{secret}}}\\include{{{secret}}}"
            f"\\includegraphics{{{url}.png}}\\end{{document}}",
        }
        replies = {
            name: service.parse(name, text.encode(), *pb.Output.values()[1:]) for name, text in documents.items()
        }

    assert seen == []
    for name, reply in replies.items():
        assert "kept" in reply.markdown, name
        assert "quokka" not in f"{reply.markdown}{reply.json!r}{reply.html}{reply.text}", name


def test_an_external_declaration_is_not_fetched(service: Any, samples: dict[str, bytes]) -> None:
    with canary() as (port, seen):
        declaration = f'<!ENTITY % more SYSTEM "http://127.0.0.1:{port}/x.ent"> %more;'
        remote = f"http://127.0.0.1:{port}/JATS-journalpublishing1.dtd"
        article = samples["a.nxml"].decode().replace("JATS-journalpublishing1.dtd", remote)
        reply = service.parse("a.nxml", article.replace("[]", f"[{declaration}]").encode())

    assert seen == []
    assert "wombat" in reply.markdown


def test_an_external_entity_shows_no_file(service: Any, samples: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("quokka")
    doctype = f'<!ENTITY x SYSTEM "file://{tmp_path}/secret">'
    files = {
        "a.nxml": samples["a.nxml"].decode().replace("[]", f"[{doctype}]").replace("wombat", "&x;").encode(),
        "a.html": b"<!DOCTYPE html [" + doctype.encode() + b"]><html><p>&x;",
    }
    for extension, member in (("docx", "word/document.xml"), ("pptx", "ppt/slides/slide1.xml"), ("odt", "content.xml")):
        data = changed(samples[f"a.{extension}"], member, "wombat", "&x;")
        files[f"a.{extension}"] = changed(data, member, "?>", f"?><!DOCTYPE x [{doctype}]>")

    for name, data in files.items():
        try:
            shown = service.parse(name, data, *pb.Output.values()[1:])
        except grpc.RpcError as error:
            shown = error

        assert "quokka" not in str(shown), name


def test_the_log_line_of_a_call_has_its_fields_and_ids(service: Any) -> None:
    service.parse("a.md", b"# Head", **{"x-request-id": "documents-1"})

    line = next(line for line in service.lines("rpc") if line["request_id"] == "documents-1")
    assert (line["method"], line["code"], line["format"], line["bytes"]) == ("Parse", "ok", "md", 6)
    assert line["compute_us"] > 0
    assert line["trace_id"]


def test_the_worker_logs_under_the_request_id_why_it_refused_a_file(service: Any, samples: dict[str, bytes]) -> None:
    data = samples["a.nxml"].replace(b"</p>", b"</q>")
    with pytest.raises(grpc.RpcError):
        service.parse("a.nxml", data, **{"x-request-id": "documents-2"})

    (line,) = service.lines("file_refused")[-1:]
    assert (line["request_id"], line["format"]) == ("documents-2", "xml_jats")
    assert "XMLSyntaxError" in line["exception"]


def test_metrics_count_files_by_format_and_outcome(service: Any, samples: dict[str, bytes]) -> None:
    port = service.lines("serving")[0]["metrics_port"]

    def value(series: str) -> float:
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        return next((float(line.split()[-1]) for line in page.splitlines() if line.startswith(series)), 0.0)

    ok = 'isolane_documents_files_total{format="csv",outcome="ok"}'
    refused_ = 'isolane_documents_files_total{format="unknown",outcome="unsupported_format"}'
    partial = 'isolane_documents_files_total{format="csv",outcome="partial"}'
    empty = 'isolane_documents_files_total{format="md",outcome="invalid_request"}'
    before = [value(series) for series in (ok, refused_, partial, empty)]
    service.parse("a.csv", samples["a.csv"])
    service.refusal("a.rtf", b"{\\rtf1")
    service.parse("a.csv", "Größe,1".encode("cp1252"))
    service.refusal("a.md", b"")

    assert [value(series) - was for series, was in zip((ok, refused_, partial, empty), before, strict=True)] == [1] * 4


def test_a_bad_request_is_told_apart_from_a_bad_file(service: Any) -> None:
    empty = service.refusal("a.md", b"")
    damaged = service.refusal("a.docx", b"text")

    assert (empty.code(), damaged.code()) == (StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION)


def test_no_temporary_file_is_left_or_made(service: Any) -> None:
    assert list(service.temporary.iterdir()) == []
    assert json.dumps(service.lines("call_crashed")) == "[]"
