from __future__ import annotations

import json
import shlex
from typing import Any

import httpx

from ops.client import Gateway
from ops.example import EXAMPLE_TEXT, example_line
from ops.local.report import welcome
from ops.local.state import PartState, StackState

STATE = StackState(
    pid=1,
    url="http://127.0.0.1:8080",
    backend="fake",
    ready=True,
    parts=(
        PartState(name="gateway", pid=11, url="http://127.0.0.1:8080", log="/logs/g.log", healthy=True, restarts=0),
        PartState(name="gpu", pid=0, url="grpc://127.0.0.1:50054", log="/logs/gpu.log", healthy=False, restarts=1),
    ),
)


class Recorder:
    """A gateway that keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "it's", "service": "embedding"}]})
        vector = [0.123456789] * 384
        return httpx.Response(200, json={"data": [{"index": 0, "embedding": vector}], "model": "m"})


def shown() -> tuple[str, Recorder]:
    recorder = Recorder()
    with Gateway(STATE.url, transport=httpx.MockTransport(recorder)) as gateway:
        return welcome(STATE, gateway), recorder


def test_welcome_lists_what_runs_where() -> None:
    text, _ = shown()

    assert "gateway  11   http://127.0.0.1:8080   /logs/g.log" in text
    assert "gpu      -    grpc://127.0.0.1:50054  /logs/gpu.log" in text


def test_welcome_shows_the_answer_with_a_shortened_vector() -> None:
    text, _ = shown()

    assert '"embedding": [0.123457, 0.123457, 0.123457, 0.123457, … 380 more]' in text


def test_shown_line_sends_exactly_what_was_asked() -> None:
    text, recorder = shown()

    line = next(line for line in text.splitlines() if line.startswith("  curl"))
    words = shlex.split(line)
    asked = recorder.requests[-1]
    assert str(asked.url) in words
    assert json.loads(words[-1]) == json.loads(asked.content) == {"model": "it's", "input": EXAMPLE_TEXT}


def test_example_line_survives_a_shell() -> None:
    body: dict[str, Any] = {"input": 'it\'s $HOME `x` "y"'}

    assert json.loads(shlex.split(example_line("http://h", body))[-1]) == body
