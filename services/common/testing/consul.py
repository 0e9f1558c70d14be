"""A Consul agent that plays the answers a test gives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from services.common.testing.clock import FakeClock

LOGIN = "/v1/acl/login"
LOGOUT = "/v1/acl/logout"


def entry(address: str, *, node: str = "10.0.0.1", meta: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A sidecar as Consul lists it.

    Args:
        address: host:port; without a host Consul means the node's.
        node: the node's address.
        meta: what the instance says of itself.
    """
    host, _, port = address.rpartition(":")
    service = {"ID": address, "Service": "x-sidecar-proxy", "Address": host, "Port": int(port), "Meta": meta}
    return {"Node": {"Node": "n", "Address": node}, "Service": service, "Checks": []}


def listing(*entries: str | dict[str, Any], index: int | str = 7, **headers: str) -> httpx.Response:
    """A good answer about a service."""
    body = [entry(each) if isinstance(each, str) else each for each in entries]
    return httpx.Response(200, json=body, headers={"X-Consul-Index": str(index), **headers})


class ScriptedConsul:
    """Answers one query after the other as told, and holds a query back until it is told how; logs in whoever asks.

    Its time is its own: a sleep takes none, and moves the clock.
    """

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.clock = FakeClock()
        self.queries: list[httpx.Request] = []
        """Health queries, in order."""
        self.asked_at_s: list[float] = []
        """When each came."""
        self.sleeps_s: list[float] = []
        self.logins: list[str] = []
        """Identities, in order."""
        self.login_answers: list[httpx.Response | Exception] = []
        """For the next logins, before they succeed."""
        self.may_log_in = asyncio.Event()
        """Logins wait for it."""
        self.may_log_in.set()
        self.logouts: list[str] = []
        """Tokens, in order."""
        self.transport = httpx.MockTransport(self._handle)
        self._answers: asyncio.Queue[httpx.Response | Exception] = asyncio.Queue()
        self._held = 0
        for answer in answers:
            self.answer(answer)

    @property
    def is_holding(self) -> bool:
        """True while a query waits for an answer and none is left."""
        return self._held > 0 and self._answers.empty()

    def answer(self, answer: httpx.Response | Exception) -> None:
        """What the next query gets."""
        self._answers.put_nowait(answer)

    async def sleep(self, seconds: float) -> None:
        """Let that time pass on the clock."""
        self.sleeps_s.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == LOGIN:
            await asyncio.sleep(0)  # others may run meanwhile, as with a real agent
            await self.may_log_in.wait()
            return self._log_in(json.loads(request.content))
        if request.url.path == LOGOUT:
            self.logouts.append(request.headers["X-Consul-Token"])
            return httpx.Response(200)
        self.queries.append(request)
        self.asked_at_s.append(self.clock())
        self._held += 1
        try:
            return _play(await self._answers.get())
        finally:
            self._held -= 1

    def _log_in(self, body: Mapping[str, str]) -> httpx.Response:
        self.logins.append(body["BearerToken"])
        if self.login_answers:
            return _play(self.login_answers.pop(0))
        return httpx.Response(200, json={"SecretID": f"token-{len(self.logins)}", "AccessorID": "a"})


def _play(answer: httpx.Response | Exception) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    return answer
