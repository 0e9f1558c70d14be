"""Single HTTP calls, outside of a load."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_LIMIT_S = 120.0


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Any:
    """One JSON call.

    Raises:
        SystemExit: the answer is no 200.
        OSError: there is none.
    """
    return json.loads(_call("POST", url, body, {"Content-Type": "application/json", **(headers or {})}))


def get(url: str) -> str:
    """The text of a page; raises as `post` does."""
    return _call("GET", url, b"", {}).decode()


def _call(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_LIMIT_S)
    try:
        connection.request(method, parts.path, body, dict(headers))
        reply = connection.getresponse()
        text = reply.read()
    finally:
        connection.close()
    if reply.status != http.client.OK:
        raise SystemExit(f"{url} answered {reply.status}: {text[:300].decode(errors='replace')}")
    return text
