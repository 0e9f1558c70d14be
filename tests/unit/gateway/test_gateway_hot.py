"""Which requests a hot route takes, and which are Litestar's."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.protocol import BoundedProtocol
from gateway.routes.hot import HotRoute, HotRoutes
from gateway.routes.json_answer import JsonAnswer
from gateway.schemas.openai import ErrorDetail, OpenAIError
from services.common.errors import InvalidRequest

JSON = (b"content-type", b"application/json")
ANSWER = OpenAIError(error=ErrorDetail(message="", type="", param=None, code=""))


class World:
    """A hot route, and in place of Litestar a list of what came to it."""

    def __init__(self) -> None:
        self.litestars: list[Any] = []
        self.bodies: list[Any] = []
        self.sent: list[Any] = []
        self.app: Any = HotRoutes(self._litestar, {"/hot": HotRoute(struct=OpenAIError, answer=self._answer)})

    async def ask(self, *parts: bytes, **scope: Any) -> dict[str, Any]:
        messages = iter([*parts])
        left = len(parts)

        async def receive() -> Any:
            nonlocal left
            left -= 1
            return {"type": "http.request", "body": next(messages), "more_body": left > 0}

        async def send(message: Any) -> None:
            self.sent.append(message)

        whole = {"type": "http", "method": "POST", "path": "/hot", "headers": [JSON], **scope}
        await self.app(whole, receive, send)
        return whole

    async def _litestar(self, scope: Any, _receive: Any, _send: Any) -> None:
        self.litestars.append(scope)

    async def _answer(self, data: Any) -> JsonAnswer[Any]:
        self.bodies.append(data)
        return JsonAnswer(ANSWER, headers={})


BODY = b'{"error": {"message": "", "type": "", "param": null, "code": ""}}'


async def test_a_usual_request_is_answered_without_litestar() -> None:
    world = World()

    scope = await world.ask(BODY[:10], BODY[10:])

    assert world.litestars == []
    assert world.bodies == [ANSWER]
    assert [message["type"] for message in world.sent] == ["http.response.start", "http.response.body"]
    assert scope["path_template"] == "/hot"


@pytest.mark.parametrize(
    "odd",
    [
        {"path": "/hot/"},
        {"path": "/other"},
        {"method": "GET"},
        {"method": "OPTIONS"},
        {"headers": []},
        {"headers": [(b"content-type", b"text/plain")]},
        {"headers": [(b"content-type", b"application/json; charset=utf-8")]},
        {"type": "websocket"},
    ],
)
async def test_what_is_unusual_is_litestars(odd: dict[str, Any]) -> None:
    world = World()

    await world.ask(BODY, **odd)

    assert len(world.litestars) == 1
    assert world.bodies == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
async def test_a_wrong_body_is_the_edges_to_answer(body: bytes) -> None:
    world = World()

    with pytest.raises(InvalidRequest):
        await world.ask(body)

    assert (world.litestars, world.sent) == ([], [])


class Cycle:
    """As uvicorn's of a request that waits for its answer."""

    keep_alive, response_started, response_complete, disconnected = True, False, False, False
    waiting_for_100_continue = True

    def __init__(self) -> None:
        self.scope = {"method": "POST"}
        self.message_event = self
        self.ended: list[str] = []

    def set(self) -> None:
        self.ended.append("told")

    def on_response(self) -> None:
        self.ended.append("over")


class Line:
    """What a protocol's `answer` touches."""

    def __init__(self, **cycle: Any) -> None:
        self.cycle = Cycle()
        for name, value in cycle.items():
            setattr(self.cycle, name, value)
        self.pipeline: list[Any] = []
        self.written: list[bytes] = []
        self.flow = self.transport = self.server_state = self
        self.write_paused = False
        self.default_headers = [(b"date", b"today")]

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def answer(self, *headers: tuple[bytes, bytes], body: bytes = b"{}") -> bool:
        line: Any = self
        return BoundedProtocol.answer(line, 200, headers, body)


LENGTH = (b"content-length", b"2")


def test_a_whole_answer_is_written_at_once() -> None:
    line = Line()

    assert line.answer(LENGTH, (b"x-a", b"b"))

    assert line.written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\nx-a: b\r\n\r\n{}"]
    assert line.cycle.ended == ["told", "over"]
    assert line.cycle.response_complete
    assert not line.cycle.waiting_for_100_continue


@pytest.mark.parametrize(
    "line",
    [
        Line(keep_alive=False),
        Line(response_started=True),
        Line(disconnected=True),
        Line(scope={"method": "HEAD"}),
    ],
)
def test_what_uvicorn_has_to_look_at_is_left_to_it(line: Line) -> None:
    assert not line.answer(LENGTH)

    assert line.written == []
    assert line.cycle.ended == []


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-length", b"3")],
        [LENGTH, (b"connection", b"close")],
        [LENGTH, (b"x-a", b"b\r\nx-forged: c")],
        [LENGTH, (b"x-a", b"b\nx-forged: c")],
        [LENGTH, (b"x-a", b"b\rc")],
    ],
)
def test_an_unsound_head_is_left_to_uvicorn(headers: list[tuple[bytes, bytes]]) -> None:
    line = Line()

    assert not line.answer(*headers)

    assert line.written == []


def test_answers_wait_for_those_before_them_and_for_the_caller_to_read() -> None:
    queued, slow = Line(), Line()
    queued.pipeline.append("a request")
    slow.write_paused = True

    assert not queued.answer(LENGTH)
    assert not slow.answer(LENGTH)

    assert queued.written == slow.written == []
