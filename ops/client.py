"""The gateway as the command line sees it: HTTP calls, and failures as one clear line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from services.common.errors import IsolaneError

_GRACE_S = 30.0
"""For which an answer is waited beyond the time that the gateway was given."""
_LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}

OnPage = Callable[[int, int], None]
"""Told how many pages were read, of how many."""


class GatewayFailed(IsolaneError):
    """The gateway cannot be reached or answered with an error; the message says what to do."""


class Gateway:
    """Calls the gateway's public API. Use `with`.

    Args:
        url: of the gateway, for example http://127.0.0.1:8080.
        transport: used instead of the network, in tests.
        timeout_s: longest wait for an answer.
    """

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None, timeout_s: float = 300.0) -> None:
        self.url = url.rstrip("/")
        # A proxy from the environment cannot reach this machine's loopback.
        is_local = httpx.URL(self.url).host in _LOCAL_HOSTS
        self._client = httpx.Client(transport=transport, timeout=timeout_s, trust_env=not is_local)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.close()

    def embeddings(self, body: dict[str, Any], *, priority: str | None = None) -> httpx.Response:
        """POST /v1/embeddings in OpenAI's shape."""
        return self._ok("POST", "/v1/embeddings", json=body, headers=_priority(priority))

    def rerank(self, body: dict[str, Any], *, priority: str | None = None) -> httpx.Response:
        """POST /v1/rerank in Cohere's shape."""
        return self._ok("POST", "/v1/rerank", json=body, headers=_priority(priority))

    def convert(
        self,
        file: Path,
        to: str,
        *,
        on_page: OnPage,
        include: Sequence[str] = (),
        paging: Mapping[str, Any] | None = None,
        timeout_s: float = 600.0,
    ) -> dict[str, Any]:
        """POST /v1/convert/file/stream; returns what /v1/convert/file answers.

        Args:
            file: to convert.
            to: form of the document.
            on_page: told of each page that was read.
            include: what to add to the text.
            paging: `page_range`, `do_ocr`, `force_ocr` and `ocr_lang`, as docling-serve names them.
            timeout_s: longest time for the file, as far as the gateway allows it.
        """
        fields = {"to_formats": to, "include": list(include), **(paging or {})}
        with file.open("rb") as content, self._translated("/v1/convert/file/stream") as url:
            files = {"files": (file.name, content)}
            headers = {"x-request-timeout-ms": str(round(timeout_s * 1000))}
            waits_s = timeout_s + _GRACE_S
            with self._client.stream("POST", url, files=files, data=fields, headers=headers, timeout=waits_s) as reply:
                if not reply.is_success:
                    reply.read()
                    raise GatewayFailed(_explain(reply))
                return _document(reply, on_page)

    def ready(self) -> httpx.Response:
        """GET /health/ready; 200 when ready, 503 when not."""
        reply = self._send("GET", "/health/ready")
        if reply.status_code not in {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}:
            raise GatewayFailed(_explain(reply))
        return _checked(reply)

    def default_model(self, service: str) -> str:
        """Id of the first model that a service serves.

        Raises:
            GatewayFailed: none is served at the moment.
        """
        cards = self._ok("GET", "/v1/models").json()["data"]
        model: str | None = next((card["id"] for card in cards if card.get("service") == service), None)
        if model is None:
            raise GatewayFailed(f"{self.url}: no {service} model is served at the moment; see `isolane health`")
        return model

    def _ok(self, method: str, path: str, **content: Any) -> httpx.Response:
        reply = self._send(method, path, **content)
        if not reply.is_success:
            raise GatewayFailed(_explain(reply))
        return _checked(reply)

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        with self._translated(path) as url:
            return self._client.request(method, url, **content)

    @contextmanager
    def _translated(self, path: str) -> Iterator[str]:
        """The whole address of a path; whatever hinders the call becomes one clear line."""
        try:
            yield self.url + path
        except httpx.ConnectError as exc:
            raise GatewayFailed(
                f"no gateway at {self.url}; start one with `just local`, or name one with --url"
            ) from exc
        except httpx.TimeoutException as exc:
            raise GatewayFailed(
                f"{self.url}{path}: no answer within {self._timeout_s:g} s; see `isolane health`"
            ) from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise GatewayFailed(f"{self.url}{path}: {str(exc) or type(exc).__name__}; check the address") from exc


def _document(reply: httpx.Response, on_page: OnPage) -> dict[str, Any]:
    """The document at the end of a stream of pages."""
    for line in _lines(reply):
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, KeyError, TypeError):
            break
        if kind == "page":
            on_page(event["done"], event["total"])
        elif kind == "document":
            result: dict[str, Any] = event["result"]
            return result
        elif kind == "error":
            raise GatewayFailed(f"{event['detail']} (HTTP {event['status']}, request {event.get('request_id', '-')})")
    raise GatewayFailed(f"{reply.url}: the answer ends without a document; is it an Isolane gateway, and still there?")


def _lines(reply: httpx.Response) -> Iterator[bytes]:
    """The lines of a stream. httpx ends one at U+2028 and U+0085 too, which JSON may have within a text."""
    rest: list[bytes] = []
    for chunk in reply.iter_bytes():
        *ends, last = chunk.split(b"\n")
        for end in ends:
            yield b"".join([*rest, end])
            rest.clear()
        rest.append(last)
    yield b"".join(rest)


def _priority(priority: str | None) -> dict[str, str]:
    return {"x-isolane-priority": priority} if priority else {}


def _checked(reply: httpx.Response) -> httpx.Response:
    """The answer, which is a JSON object."""
    try:
        is_object = isinstance(reply.json(), dict)
    except ValueError:
        is_object = False
    if not is_object:
        raise GatewayFailed(
            f"{reply.url}: the answer is not a JSON object (HTTP {reply.status_code}); is it an Isolane gateway?"
        )
    return reply


def _explain(reply: httpx.Response) -> str:
    """An error answer as one line: what happened, the status, the request id."""
    request_id = reply.headers.get("x-request-id")
    suffix = f", request {request_id}" if request_id else ""
    return f"{_message(reply)} (HTTP {reply.status_code}{suffix})"


def _message(reply: httpx.Response) -> str:
    """The text of an error in OpenAI's, Cohere's, TEI's or docling-serve's shape, or in problem+json."""
    try:
        body = reply.json()
    except ValueError:
        return f"{reply.url}: {reply.reason_phrase}; is it an Isolane gateway?"
    if isinstance(body, dict):
        error = body.get("error")
        inner = error.get("message") if isinstance(error, dict) else error
        for text in (inner, body.get("message"), body.get("detail"), body.get("title")):
            if text:
                return text if isinstance(text, str) else json.dumps(text)
    return f"{reply.url}: {reply.reason_phrase}"
