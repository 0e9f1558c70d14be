"""The few requests of Consul's HTTP API that the resolver makes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from services.common.discovery.base import Endpoint
from services.common.errors import StartupError

T = TypeVar("T")

_CONNECT_S = 2.0
_MARGIN_S = 5.0
"""Time for an answer that Consul does not hold back."""
_HELD_SHARE = 1 / 16
"""Consul adds up to this share to the wait that it was asked for."""
_QUOTED_CHARS = 200

_INDEX = "X-Consul-Index"
_FILTERED = "X-Consul-Results-Filtered-By-ACLs"
_TOKEN = "X-Consul-Token"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """The passing instances of a service."""

    index: int
    """State of Consul that they belong to; a query with it waits for another state."""
    endpoints: tuple[Endpoint, ...]
    """By address."""


class ConsulFailed(Exception):
    """Consul gave no usable answer; the text says why, without secrets.

    Args:
        reason: for people.
        was_silent: nothing came in time, so that nobody knows since when Consul has been gone.
    """

    def __init__(self, reason: str, *, was_silent: bool = False) -> None:
        super().__init__(reason)
        self.was_silent = was_silent


class ConsulRefused(ConsulFailed):
    """The token is not, or no longer, good for what was asked."""


class _Service(BaseModel):
    address: str = Field(alias="Address")
    port: int = Field(alias="Port")
    meta: dict[str, str] | None = Field(default=None, alias="Meta")


class _Node(BaseModel):
    address: str = Field(alias="Address")


class _Entry(BaseModel):
    node: _Node = Field(alias="Node")
    service: _Service = Field(alias="Service")


class _Login(BaseModel):
    secret_id: str = Field(alias="SecretID", min_length=1)


_ENTRIES = TypeAdapter(list[_Entry])
_LOGIN = TypeAdapter(_Login)


class ConsulApi:
    """Requests to one Consul agent. Every method raises ConsulFailed when there is no usable answer.

    Args:
        address: of the agent, http:// or https://.
        ca_file: authorities that may have signed its certificate; empty for the system's.
        transport: used instead of the network.

    Raises:
        StartupError: `ca_file` cannot be used.
    """

    def __init__(self, address: str, *, ca_file: str = "", transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            base_url=address,
            verify=_tls(address, ca_file),
            trust_env=False,
            transport=transport,
        )

    async def passing(self, service: str, *, index: int, wait_s: float, token: str) -> Passing:
        """The instances whose sidecars take calls and whose checks all pass.

        Args:
            service: its name in Consul.
            index: of the answer that is known; Consul waits for a change. 0 answers at once.
            wait_s: longest time to wait for a change. Unit: seconds.
            token: what to ask with; empty for the anonymous one.
        """
        query = {"passing": "true", "wait": f"{round(wait_s * 1000)}ms"} | ({"index": str(index)} if index else {})
        held_s = wait_s * (1 + _HELD_SHARE) if index else 0.0
        path = f"/v1/health/connect/{quote(service, safe='')}"
        response = await self._send("GET", path, params=query, token=token, within_s=held_s + _MARGIN_S)
        endpoints = _endpoints(_parse(response, _ENTRIES))
        # Consul leaves out what the token may not read, rather than refuse: as if there were no instance.
        if not endpoints and response.headers.get(_FILTERED) == "true":
            raise ConsulRefused(f"the token may not read the service {service} and its nodes; extend its policy")
        return Passing(index=_index(response), endpoints=endpoints)

    async def login(self, auth_method: str, jwt: str) -> str:
        """A token for a workload's identity."""
        body = {"AuthMethod": auth_method, "BearerToken": jwt}
        return _parse(await self._send("POST", "/v1/acl/login", json=body, within_s=_MARGIN_S), _LOGIN).secret_id

    async def logout(self, token: str) -> None:
        """End a token that `login` gave."""
        await self._send("POST", "/v1/acl/logout", token=token, within_s=_MARGIN_S)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        within_s: float,
        token: str = "",
        params: Mapping[str, str] | None = None,
        json: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request; whatever is not status 200 is a failure."""
        timeout = httpx.Timeout(within_s, connect=_CONNECT_S)
        headers = {_TOKEN: token} if token else {}
        try:
            async with asyncio.timeout(within_s + _CONNECT_S):  # httpx bounds each read, not their sum
                response = await self._client.request(
                    method, path, params=params, json=json, headers=headers, timeout=timeout
                )
        except (TimeoutError, httpx.TimeoutException) as exc:
            raise ConsulFailed(f"{path}: no answer in time", was_silent=True) from exc
        except httpx.HTTPError as exc:
            raise ConsulFailed(f"{path}: {str(exc) or type(exc).__name__}") from exc
        if response.status_code != HTTPStatus.OK:
            raise _refusal(path, response)
        return response


def _tls(address: str, ca_file: str) -> ssl.SSLContext:
    """Whom to trust."""
    if not address.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; httpx's own would read all authorities for it
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as exc:
        raise StartupError(f"consul: ca_file {ca_file} cannot be used ({exc}); name a file of certificates") from exc


def _refusal(path: str, response: httpx.Response) -> ConsulFailed:
    """Why Consul did not do what was asked."""
    said = " ".join(response.text[:_QUOTED_CHARS].split())
    is_about_token = response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} or "ACL not found" in said
    kind = ConsulRefused if is_about_token else ConsulFailed
    return kind(f"{path}: status {response.status_code} ({said or 'no text'})")


def _parse(response: httpx.Response, kind: TypeAdapter[T]) -> T:
    """The body as what it should be."""
    try:
        return kind.validate_json(response.content)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        raise ConsulFailed(
            f"{response.request.url.path}: not an answer of Consul ({first['msg']} at {_place(first['loc'])})"
        ) from exc


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) or "the start"


def _index(response: httpx.Response) -> int:
    """The answer's index, as it is; 0 or less means that there is none."""
    text = response.headers.get(_INDEX, "")
    try:
        return int(text)
    except ValueError:
        raise ConsulFailed(f"{response.request.url.path}: {_INDEX} {text!r} is not a number") from None


def _endpoints(entries: list[_Entry]) -> tuple[Endpoint, ...]:
    """Each address once, in order, so that equal answers are equal."""
    found = {_address(entry): Endpoint(address=_address(entry), meta=entry.service.meta or {}) for entry in entries}
    return tuple(found[address] for address in sorted(found))


def _address(entry: _Entry) -> str:
    host = entry.service.address or entry.node.address
    return f"[{host}]:{entry.service.port}" if ":" in host else f"{host}:{entry.service.port}"
