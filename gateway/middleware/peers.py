"""The check of who connects, for as long as callers do not prove who they are."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from gateway.errors.problems import ForbiddenPeer

Network = IPv4Network | IPv6Network


class PeerCheck:
    """Lets only connections from some networks through.

    Args:
        allowed: networks; none allows any.
    """

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = tuple(allowed)
        self._known: set[str] = set()

    def check(self, peer: tuple[str, int] | None) -> None:
        """Check the address of a connection's other end; a socket without addresses is this machine's own.

        Raises:
            ForbiddenPeer: it lies in none of the networks.
        """
        if self._allowed and peer and peer[0] not in self._known:
            self._check(peer[0])

    def _check(self, host: str) -> None:
        address = ip_address(host)
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address in network for network in self._allowed):
            raise ForbiddenPeer(
                "connections from this address are not served; call through the address on which the gateway is "
                "published, or add the caller's network to ISOLANE_GATEWAY_ALLOWED_PEERS"
            )
        if len(self._known) < 64:
            self._known.add(host)
