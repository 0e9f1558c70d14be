"""The resolver's token: none, or one that Consul gives for the workload's identity."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from services.common.discovery.consul_api import ConsulApi, ConsulFailed, ConsulRefused
from services.common.telemetry.logs import get_logger

_LOGOUT_S = 1.0
"""Longest time that the end of a token may take; Consul forgets it on its own when it expires."""

log = get_logger()


@dataclass(slots=True, kw_only=True, eq=False)
class _Token:
    secret: str
    jwt: str
    """What it was given for."""
    users: int = 0
    """Requests in progress with it."""


class ConsulLogin:
    """One token for all queries, renewed when Consul refuses it or the identity's file changed.

    Args:
        api: the agent.
        auth_method: where to log in; empty asks without a token.
        jwt_file: holds the identity; read anew for every login.
    """

    def __init__(self, api: ConsulApi, *, auth_method: str = "", jwt_file: str = "") -> None:
        self._api = api
        self._auth_method = auth_method
        self._jwt_file = Path(jwt_file)
        self._token: _Token | None = None
        self._retired: list[_Token] = []
        self._lock = asyncio.Lock()
        self._failures = 0
        self._failure = ""

    @contextlib.asynccontextmanager
    async def token(self) -> AsyncIterator[str]:
        """The token for one request; ConsulRefused out of the body makes the next request log in again.

        Raises:
            ConsulFailed: there is none.
        """
        if not self._auth_method:
            yield ""
            return
        token = await self._current()
        token.users += 1
        try:
            yield token.secret
        except ConsulRefused:
            self._retire(token)
            raise
        finally:
            token.users -= 1

    async def aclose(self) -> None:
        """Log out, if Consul answers soon."""
        tokens = [*self._retired, *([self._token] if self._token else [])]
        self._retired, self._token = [], None
        await self._log_out(tokens)

    async def _current(self) -> _Token:
        """The token, logged in where need be; those who wait for the same login share its failure."""
        before = self._failures
        async with self._lock:
            if self._token is None and self._failures != before:
                raise ConsulFailed(self._failure)
            await self._log_out(self._pop_unused())
            if self._token is None:
                self._token = await self._log_in()
            elif self._has_new_identity(self._token):
                await self._replace(self._token)
            return self._token

    async def _log_in(self) -> _Token:
        try:
            jwt = self._read()
            return _Token(secret=await self._api.login(self._auth_method, jwt), jwt=jwt)
        except ConsulFailed as exc:
            self._failures, self._failure = self._failures + 1, str(exc)
            raise

    async def _replace(self, old: _Token) -> None:
        """Log in with the new identity; the old token lives on where that fails, and while queries use it."""
        try:
            fresh = await self._log_in()
        except ConsulFailed as exc:
            log.warning("consul_login_failed", reason=str(exc))
            return
        self._retire(old)
        self._token = fresh

    def _has_new_identity(self, token: _Token) -> bool:
        """False also when the file cannot be read just now: the token may well be good for longer."""
        try:
            return self._read() != token.jwt
        except ConsulFailed:
            return False

    def _read(self) -> str:
        """The identity as it is now; a small local file, read in passing."""
        try:
            jwt = self._jwt_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConsulFailed(f"jwt_file {self._jwt_file}: cannot be read ({type(exc).__name__})") from exc
        if not jwt:
            raise ConsulFailed(f"jwt_file {self._jwt_file}: is empty")
        return jwt

    def _retire(self, token: _Token) -> None:
        if token is self._token:
            self._token = None
        if token not in self._retired:
            self._retired.append(token)

    def _pop_unused(self) -> list[_Token]:
        unused = [token for token in self._retired if not token.users]
        self._retired = [token for token in self._retired if token.users]
        return unused

    async def _log_out(self, tokens: list[_Token]) -> None:
        """End tokens, as far as Consul lets us in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOGOUT_S):
                await asyncio.gather(*(self._end(token) for token in tokens))

    async def _end(self, token: _Token) -> None:
        try:
            await self._api.logout(token.secret)
        except ConsulFailed as exc:
            log.debug("consul_logout_failed", reason=str(exc))
