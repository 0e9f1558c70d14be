"""Who asks: the id that a client gives itself, or one that is made of its key or its address."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from services.common import caller
from services.common.caller import Caller


def caller_of(headers: Mapping[str, str], peer: tuple[str, int] | None) -> Caller:
    """The caller of a request. Nobody proves anything: the header is believed.

    Args:
        headers: of the request, names in lower case.
        peer: address and port of the connection's other end; None for a socket without addresses.

    Raises:
        InvalidRequest: the id or the priority is not as it must be.
    """
    client = headers.get(caller.CLIENT_KEY) or _made_id(headers.get("authorization"), peer)
    return caller.accept(client, headers.get(caller.PRIORITY_KEY))


def _made_id(authorization: str | None, peer: tuple[str, int] | None) -> str | None:
    """An id for fairness alone; the logs leave it out (see `call.identify`)."""
    if authorization:
        return f"key-{hashlib.sha256(authorization.encode('latin-1')).hexdigest()[:16]}"
    # Behind a % stands the name of a network interface of ours.
    return f"ip-{peer[0].partition('%')[0]}" if peer else None
