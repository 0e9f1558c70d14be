"""The listening socket."""

from __future__ import annotations

import socket

import pytest

from gateway.server import listen
from gateway.settings import GatewaySettings
from services.common.errors import StartupError

pytestmark = pytest.mark.integration


def test_answers_are_sent_at_once() -> None:
    with listen(GatewaySettings(port=0)) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_taken_port_is_a_clear_error(host: str) -> None:
    with listen(GatewaySettings(host=host, port=0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(StartupError, match=f"{host}:{port}"):
            listen(GatewaySettings(host=host, port=port))


def test_address_of_another_machine_is_a_clear_error() -> None:
    with pytest.raises(StartupError, match=r"192\.0\.2\.1"):
        listen(GatewaySettings(host="192.0.2.1", port=0))
