"""Who asks: the id that a client gives itself, or one that is made of its key or its address."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from functools import lru_cache

from services.common import caller
from services.common.caller import Caller

_accept = lru_cache(maxsize=1024)(caller.accept)


def caller_of(headers: Mapping[str, str], peer: tuple[str, int] | None) -> Caller:
    """The caller of a request. Nobody proves anything: a name is believed, and shares the part of where it comes from.

    Args:
        headers: of the request, names in lower case.
        peer: address and port of the connection's other end; None for a socket without addresses.

    Raises:
        InvalidRequest: the id or the priority is not as it must be.
    """
    address = _address(peer[0]) if peer else None
    client = headers.get(caller.CLIENT_KEY) or _id_of_key(headers.get("authorization")) or (address and f"ip-{address}")
    return _accept(client, headers.get(caller.PRIORITY_KEY), origin_of(peer))


def origin_of(peer: tuple[str, int] | None) -> str:
    """Where a connection comes from; empty for a socket without addresses."""
    return _origin(_address(peer[0])) if peer else ""


def _id_of_key(authorization: str | None) -> str | None:
    """An id for fairness alone; the logs leave it out (see `call.identify`)."""
    if not authorization:
        return None
    return f"key-{hashlib.sha256(authorization.encode('latin-1')).hexdigest()[:16]}"


def _address(address: str) -> str:
    """Without what stands behind a %: the name of a network interface of ours."""
    return address.partition("%")[0]


@lru_cache(maxsize=1024)
def _origin(address: str) -> str:
    """Where a connection comes from; of an IPv6 address the first half, as whoever has one has all of the second."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return f"net-{found}"
    if found.ipv4_mapped is not None:
        return f"net-{found.ipv4_mapped}"
    return f"net-{ipaddress.IPv6Network((found, 64), strict=False).network_address}"
