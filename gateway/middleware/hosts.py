"""The Host header check against DNS rebinding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gateway.errors.problems import ForbiddenHost

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.IGNORECASE)


class HostCheck:
    """Lets only requests through that name this server.

    Args:
        allowed: host names without ports; `*` allows any.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(name.lower() for name in allowed)
        self._known: set[str] = set()

    def check(self, hosts: Sequence[str]) -> None:
        """Check every Host header of a request; none at all is fine, browsers always send one.

        Raises:
            ForbiddenHost: one names another server.
        """
        for host in hosts:
            if host not in self._known:
                self._check(host)

    def _check(self, host: str) -> None:
        match = _HOST.fullmatch(host)
        name = match[1].lower().removesuffix(".") if match else ""
        if "*" not in self._allowed and name not in self._allowed:
            raise ForbiddenHost(
                f"host {host[:100]!r} is not served here; call the gateway by one of "
                f"{', '.join(sorted(self._allowed))}, or add the name to ISOLANE_GATEWAY_ALLOWED_HOSTS"
            )
        if "*" not in self._allowed and len(self._known) < 64:
            self._known.add(host)
