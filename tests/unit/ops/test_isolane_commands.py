from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from gateway.schemas.convert import INCLUDES
from ops.cli import cli
from ops.commands.inference import parse
from ops.local.state import StateFolder
from ops.settings import OpsSettings

MODELS = {"data": [{"id": "cross", "service": "reranking"}, {"id": "mini", "service": "embedding"}]}
VECTORS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25, *[0.0] * 382]}],
    "model": "mini",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
SCORES = {"results": [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.9}]}
DOCUMENT = {"document": {"md_content": "# Title", "json_content": {"name": "p"}, "html_content": None}}
NOT_READY = {
    "title": "Service unavailable",
    "ready": False,
    "services": {
        "embedding": {"healthy": True, "required": True, "instances": [{"address": "a:1", "reason": ""}]},
        "reranking": {"healthy": False, "required": True, "instances": [{"address": "a:2", "reason": "not reachable"}]},
        "gpu": {"healthy": False, "required": False, "instances": []},
    },
}

Handler = Callable[[httpx.Request], httpx.Response]


def answers(**bodies: Any) -> Handler:
    """A gateway that answers each path's last word with a body."""

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"models": MODELS, **bodies}[request.url.path.rsplit("/", 1)[1]])

    return handle


@pytest.fixture
def isolane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("ISOLANE_OPS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLANE_OPS_MESH_DIR", str(tmp_path / "mesh"))
    monkeypatch.delenv("ISOLANE_URL", raising=False)

    def run(handler: Handler, *arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, obj=httpx.MockTransport(handler))

    return run


Isolane = Callable[..., Result]


def test_embed_prints_length_and_beginning_of_each_vector(isolane: Isolane) -> None:
    result = isolane(answers(embeddings=VECTORS), "embed", "some text")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "some text: 384 dimensions: +0.5000 -0.2500 +0.0000 +0.0000 +0.0000 +0.0000 …",
        "model mini, 3 tokens",
    ]


def test_embed_asks_for_the_served_embedding_model(isolane: Isolane) -> None:
    seen: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/embeddings":
            seen.append(json.loads(request.content))
        return answers(embeddings=VECTORS)(request)

    isolane(handle, "embed", "a", "b")

    assert seen == [{"model": "mini", "input": ["a", "b"]}]


def test_embed_json_is_the_answer_itself(isolane: Isolane) -> None:
    result = isolane(answers(embeddings=VECTORS), "embed", "text", "--json")

    assert json.loads(result.stdout) == VECTORS


@pytest.mark.parametrize("command", [("embed", "--input-type", "query", "text"), ("rerank", "query", "document")])
def test_options_of_a_request_reach_the_gateway(isolane: Isolane, command: tuple[str, ...]) -> None:
    seen: list[tuple[str | None, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            seen.append((request.headers.get("x-isolane-priority"), json.loads(request.content).get("input_type")))
        return answers(embeddings=VECTORS, rerank=SCORES)(request)

    isolane(handle, *command, "--priority", "bulk")

    assert seen == [("bulk", "query" if command[0] == "embed" else None)]


def test_rerank_prints_the_best_first(isolane: Isolane) -> None:
    result = isolane(answers(rerank=SCORES), "rerank", "query", "bad", "good")

    assert result.stdout.splitlines() == ["0.9000  1  good", "0.1000  0  bad"]


def streamed(document: dict[str, Any]) -> httpx.Response:
    """The gateway's stream of a file with two pages."""
    pages: list[dict[str, Any]] = [
        {"event": "page", "number": n, "done": n, "total": 2, "text": "", "errors": []} for n in (1, 2)
    ]
    lines = [*pages, {"event": "document", "result": document}]
    return httpx.Response(200, text="".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(("options", "printed"), [((), "# Title\n"), (("--to", "json"), '{\n  "name": "p"\n}\n')])
def test_parse_prints_the_chosen_format(isolane: Isolane, tmp_path: Path, options: tuple[str], printed: str) -> None:
    page = tmp_path / "page.html"
    page.write_text("<h1>Title</h1>")

    result = isolane(lambda _: streamed(DOCUMENT), "parse", str(page), *options)

    assert result.stdout == printed


def test_parse_asks_for_pages_and_ocr_as_it_is_told(isolane: Isolane, tmp_path: Path) -> None:
    page = tmp_path / "scan.pdf"
    page.write_bytes(b"%PDF-")
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.read())
        return streamed(DOCUMENT)

    isolane(handle, "parse", str(page), "--pages", "7", "--no-ocr", "--ocr-lang", "de", "--ocr-lang", "fr")

    fields = dict(re.findall(rb'name="(\w+)"\r\n\r\n(.*?)\r\n', seen[0]))
    assert fields[b"page_range"] == b"7-7"
    assert (fields[b"do_ocr"], fields[b"force_ocr"]) == (b"false", b"false")
    assert re.findall(rb'name="ocr_lang"\r\n\r\n(.*?)\r\n', seen[0]) == [b"de", b"fr"]


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (
            {"event": "error", "status": 504, "detail": "scan.pdf: too slow", "request_id": "r-1"},
            "isolane: scan.pdf: too slow (HTTP 504, request r-1)",
        ),
        ({"event": "page", "done": 2, "total": 2}, "the answer ends without a document"),
    ],
)
def test_parse_tells_of_a_stream_that_ends_without_a_document(
    isolane: Isolane, tmp_path: Path, last: dict[str, Any], says: str
) -> None:
    page = tmp_path / "scan.pdf"
    page.write_bytes(b"%PDF-")
    lines = [{"event": "page", "done": 1, "total": 2}, last]
    content = "".join(json.dumps(line) + "\n" for line in lines)

    result = isolane(lambda _: httpx.Response(200, text=content), "parse", str(page))

    assert result.exit_code == 1
    assert says in result.stderr


def test_parse_takes_separators_of_unicode_in_a_text_for_no_end_of_a_line(isolane: Isolane, tmp_path: Path) -> None:
    page = tmp_path / "scan.pdf"
    page.write_bytes(b"%PDF-")
    text = "one\u2028two\u2029three\x85four"
    lines = [
        {"event": "page", "done": 1, "total": 1, "text": text},
        {"event": "document", "result": {**DOCUMENT, "document": {**DOCUMENT["document"], "md_content": text}}},
    ]
    content = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)

    result = isolane(lambda _: httpx.Response(200, content=content), "parse", str(page))

    assert result.stdout == text + "\n"


def test_parse_of_several_files_names_each_and_passes_those_over_that_fail(isolane: Isolane, tmp_path: Path) -> None:
    pages = [tmp_path / name for name in ("a.html", "bad.html", "c.html")]
    for page in pages:
        page.write_text("<h1>Title</h1>")

    def handle(request: httpx.Request) -> httpx.Response:
        if b"bad.html" in request.read():
            return httpx.Response(422, json={"detail": "bad.html: damaged"})
        return streamed({**DOCUMENT, "status": "partial_success", "errors": [{"error_message": "cut"}]})

    result = isolane(handle, "parse", *map(str, pages))

    assert result.exit_code == 1
    assert result.stdout == f"==> {pages[0]} <==\n# Title\n==> {pages[2]} <==\n# Title\n"
    assert result.stderr == (
        f"warning: {pages[0]}: cut\nwarning: {pages[2]}: cut\nisolane: {pages[1]}: damaged (HTTP 422)\n"
    )


@pytest.mark.parametrize(("options", "waits_ms"), [([], b"600000"), (["--timeout", "2.5"], b"2500")])
def test_parse_asks_for_as_much_time_as_it_is_given(
    isolane: Isolane, tmp_path: Path, options: list[str], waits_ms: bytes
) -> None:
    page = tmp_path / "page.html"
    page.write_text("<h1>Title</h1>")
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-request-timeout-ms"].encode())
        return streamed(DOCUMENT)

    isolane(handle, "parse", str(page), *options)

    assert seen == [waits_ms]


def test_parse_refuses_options_that_exclude_each_other(isolane: Isolane, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<h1>Title</h1>")

    result = isolane(lambda _: streamed(DOCUMENT), "parse", str(page), "--no-ocr", "--force-ocr")

    assert result.exit_code == 2
    assert "exclude each other" in result.output


def test_parse_asks_for_what_is_beside_the_text(isolane: Isolane, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<h1>Title</h1>")
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.read())
        return streamed(DOCUMENT)

    isolane(handle, "parse", str(page), "--include", "footnotes", "--include", "comments")

    assert [seen[0].count(word) for word in (b'name="include"', b"footnotes", b"comments", b"headers")] == [2, 1, 1, 0]


def test_parse_offers_to_include_what_the_gateway_takes() -> None:
    [option] = [option for option in parse.params if option.name == "include"]

    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == INCLUDES


def test_parse_of_a_missing_file_is_a_usage_error(isolane: Isolane) -> None:
    result = isolane(answers(), "parse", "missing.html")

    assert result.exit_code == 2
    assert "missing.html" in result.stderr


def test_health_says_why_and_exits_1_when_not_ready(isolane: Isolane) -> None:
    result = isolane(lambda request: httpx.Response(503, json=NOT_READY), "health")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "http://127.0.0.1:8080 is not ready",
        "SERVICE    HEALTH           INSTANCE  WHY NOT",
        "embedding  healthy          a:1",
        "reranking  down             a:2       not reachable",
        "gpu        down (optional)  -         no instance is known",
    ]


def test_health_warns_of_a_model_that_instances_compute_differently_and_exits_0(isolane: Isolane) -> None:
    service = {"instances": [{"address": "a:1", "reason": ""}], "differences": [{"model": "mini", "reason": "why"}]}
    body = {"ready": True, "services": {"embedding": service}}

    result = isolane(lambda request: httpx.Response(200, json=body), "health")

    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "SERVICE    HEALTH   INSTANCE  WHY NOT",
        "embedding  healthy  a:1",
        "warning: embedding: mini: why",
    ]


def test_health_json_is_the_answer_itself_with_the_same_exit_status(isolane: Isolane) -> None:
    result = isolane(lambda request: httpx.Response(503, json=NOT_READY), "health", "--json")

    assert json.loads(result.stdout) == NOT_READY
    assert result.exit_code == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "it is too long", "type": "invalid_request_error"}},
        {"message": "it is too long"},
        {"error": "it is too long", "error_type": "validation"},
        {"detail": "it is too long"},
        {"title": "Too large", "detail": "it is too long", "status": 413},
    ],
    ids=["openai", "cohere", "tei", "docling-serve", "problem"],
)
def test_error_of_every_api_family_is_one_line_with_the_request_id(isolane: Isolane, body: dict[str, Any]) -> None:
    reply = httpx.Response(413, json=body, headers={"x-request-id": "abc"})

    result = isolane(lambda request: reply, "embed", "text", "--model", "mini")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "isolane: it is too long (HTTP 413, request abc)\n"


def test_answer_of_another_server_is_a_clear_error(isolane: Isolane) -> None:
    result = isolane(lambda request: httpx.Response(404, text="<html>"), "embed", "text", "--model", "mini")

    assert "is it an Isolane gateway?" in result.stderr


def test_gateway_that_is_not_running_says_how_to_start_one(isolane: Isolane) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    result = isolane(refuse, "embed", "text")

    assert result.exit_code == 1
    assert "no gateway at http://127.0.0.1:8080; start one with `just local`" in result.stderr


def test_url_option_names_the_gateway(isolane: Isolane) -> None:
    hosts: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(200, json={"ready": True})

    isolane(handle, "health", "--url", "http://vectors.example:1/")

    assert hosts == ["vectors.example"]


def test_no_served_model_is_a_clear_error(isolane: Isolane) -> None:
    result = isolane(lambda request: httpx.Response(200, json={"data": []}), "rerank", "query", "document")

    assert "no reranking model is served at the moment" in result.stderr


def test_wrong_setting_exits_2(isolane: Isolane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_OPS_GATEWAY_PORT", "many")

    result = isolane(answers(), "status")

    assert result.exit_code == 2
    assert "ISOLANE_OPS_GATEWAY_PORT" in result.stderr


def test_version_json_names_isolane_and_python(isolane: Isolane) -> None:
    found = json.loads(isolane(answers(), "version", "--json").stdout)

    assert {"isolane", "python", "grpcio"} <= found.keys()


@pytest.mark.parametrize(
    ("count", "printed"), [("0", []), ("2", ["8998", "8999"]), ("9999", [str(n) for n in range(9000)])]
)
def test_logs_prints_the_last_lines(isolane: Isolane, tmp_path: Path, count: str, printed: list[str]) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    folder.log("gpu").write_text("".join(f"{number}\n" for number in range(9000)))

    result = isolane(answers(), "logs", "gpu", "-n", count)

    assert result.stdout.splitlines() == printed


def test_logs_of_an_unknown_part_names_the_known_ones(isolane: Isolane, tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    folder.log("gpu").write_text("")

    result = isolane(answers(), "logs", "gpus")

    assert result.exit_code == 1
    assert "no log named 'gpus'; there are: gpu" in result.stderr


def test_status_of_nothing_exits_1(isolane: Isolane) -> None:
    result = isolane(answers(), "status", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"running": False, "orphans": [], "mesh": None}


def test_status_json_names_what_a_killed_supervisor_left(isolane: Isolane, tmp_path: Path) -> None:
    marked = {**os.environ, "ISOLANE_STACK": str(tmp_path / "state")}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=marked, stdin=subprocess.PIPE) as orphan:
        result = isolane(answers(), "status", "--json")
        orphan.kill()

    assert json.loads(result.stdout) == {"running": False, "orphans": [orphan.pid], "mesh": None}


def test_logs_of_the_supervisor_are_there_too(isolane: Isolane, tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    (folder.path / "supervisor.log").write_text("everything ended\n")

    result = isolane(answers(), "logs", "supervisor")

    assert result.stdout == "everything ended\n"


def test_second_detached_start_leaves_the_running_stack_its_log(isolane: Isolane, tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    with folder.lock():
        (folder.path / "supervisor.log").write_text("of the running stack\n")

        result = isolane(answers(), "local", "--detach")

    assert result.exit_code == 1
    assert f"a local stack already runs here (supervisor pid {os.getpid()})" in result.stderr
    assert (folder.path / "supervisor.log").read_text() == "of the running stack\n"


def test_detached_start_runs_no_code_of_the_current_folder(
    isolane: Isolane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ops.py").write_text("raise SystemExit('a stranger ran')")
    monkeypatch.chdir(tmp_path)
    settings = OpsSettings.load()
    monkeypatch.setattr(OpsSettings, "load", lambda: settings)
    # Ends the supervisor before it starts anything.
    monkeypatch.setenv("ISOLANE_OPS_GATEWAY_PORT", "many")

    result = isolane(answers(), "local", "--detach")

    said = (tmp_path / "state" / "supervisor.log").read_text()
    assert result.exit_code == 1
    assert "ISOLANE_OPS_GATEWAY_PORT" in said
    assert "a stranger ran" not in said


@pytest.mark.parametrize(
    ("positions", "warning"),
    [("0", "{noun} 0 was cut at the model's limit"), ("0,3-7", "{noun}s 0,3-7 were cut at the model's limit")],
)
@pytest.mark.parametrize(
    ("arguments", "noun"), [(("embed", "long"), "text"), (("rerank", "query", "bad", "good"), "document")]
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_cut_inputs_are_told_on_standard_error(
    isolane: Isolane, positions: str, warning: str, arguments: tuple[str, ...], noun: str, options: tuple[str, ...]
) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        reply = answers(embeddings=VECTORS, rerank=SCORES)(request)
        reply.headers["x-isolane-truncated"] = positions
        return reply

    result = isolane(handle, *arguments, *options)

    assert result.stderr == f"warning: {warning.format(noun=noun)}\n"
    assert result.exit_code == 0


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_could_not_be_converted_is_told_on_standard_error(
    isolane: Isolane, tmp_path: Path, options: tuple[str, ...]
) -> None:
    page = tmp_path / "page.html"
    page.write_text("<h1>Title</h1>")
    partial = {**DOCUMENT, "status": "partial_success", "errors": [{"error_message": "page 2: broken"}]}

    result = isolane(lambda _: streamed(partial), "parse", str(page), *options)

    assert result.stderr == "warning: page 2: broken\n"
    assert result.stdout


@pytest.mark.parametrize("arguments", [("embed", "caf\udce9"), ("parse", "caf\udce9.html")])
def test_argument_that_is_not_utf_8_is_a_usage_error(isolane: Isolane, arguments: tuple[str, ...]) -> None:
    result = isolane(answers(), *arguments)

    assert result.exit_code == 2
    assert "'caf\\udce9" in result.stderr
    assert "is not valid UTF-8" in result.stderr


@pytest.mark.parametrize("content", [b"<html>", b"\xff", b"[]"])
@pytest.mark.parametrize("arguments", [("embed", "text"), ("embed", "text", "--model", "mini", "--json"), ("health",)])
def test_success_of_another_server_is_a_clear_error(
    isolane: Isolane, arguments: tuple[str, ...], content: bytes
) -> None:
    result = isolane(lambda request: httpx.Response(200, content=content), *arguments)

    assert result.exit_code == 1
    assert "the answer is not a JSON object (HTTP 200); is it an Isolane gateway?" in result.stderr


def test_system_error_is_one_clear_line(isolane: Isolane, tmp_path: Path) -> None:
    (tmp_path / "state" / "logs" / "gpu.log").mkdir(parents=True)

    result = isolane(answers(), "logs", "gpu")

    assert result.exit_code == 1
    assert result.stderr == f"isolane: {tmp_path / 'state' / 'logs' / 'gpu.log'}: Is a directory\n"
