"""The gateway's settings from the environment."""

from __future__ import annotations

import pytest

from gateway.settings import GatewaySettings
from services.common.errors import ConfigInvalid


def test_defaults_are_those_of_local_mode() -> None:
    settings = GatewaySettings()

    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.upstreams.model_dump() == {
        "embedding": ("127.0.0.1:50051",),
        "reranking": ("127.0.0.1:50052",),
        "documents": ("127.0.0.1:50053",),
        "gpu": ("127.0.0.1:50054",),
    }
    assert (settings.embedding.timeout_s, settings.reranking.timeout_s, settings.documents.timeout_s) == (30, 30, 120)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_GATEWAY_UPSTREAMS__EMBEDDING", "127.0.0.1:1, [::1]:2")
    monkeypatch.setenv("ISOLANE_GATEWAY_ALLOWED_HOSTS", "api.example,localhost")

    settings = GatewaySettings.load()

    assert settings.upstreams.embedding == ("127.0.0.1:1", "[::1]:2")
    assert settings.upstreams.reranking == ("127.0.0.1:50052",)
    assert settings.allowed_hosts == ("api.example", "localhost")


def test_one_limit_of_a_family_can_be_set_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_GATEWAY_DOCUMENTS__MAX_IN_FLIGHT", "2")

    limits = GatewaySettings.load().documents

    assert limits.max_in_flight == 2
    assert limits.timeout_s == 120


@pytest.mark.parametrize("address", ["nowhere", "host:", ":50051", "host:0", "host:70000", "host:x"])
def test_upstream_that_is_no_address_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_GATEWAY_UPSTREAMS__GPU", address)

    with pytest.raises(ConfigInvalid, match="ISOLANE_GATEWAY_UPSTREAMS__GPU"):
        GatewaySettings.load()


@pytest.mark.parametrize("alone", ["CERT", "KEY"])
def test_one_tls_file_alone_is_refused(alone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ISOLANE_GATEWAY_TLS_{alone}_FILE", "some.pem")

    with pytest.raises(ConfigInvalid, match="set both, or neither"):
        GatewaySettings.load()


@pytest.mark.parametrize("addresses", ["127.0.0.1:9151,127.0.0.1:9152", ""])
def test_in_the_mesh_an_upstream_is_one_listener(addresses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_GATEWAY_DISCOVERY", "consul")
    monkeypatch.setenv("ISOLANE_GATEWAY_UPSTREAMS__EMBEDDING", addresses)

    with pytest.raises(ConfigInvalid, match=r"UPSTREAMS__EMBEDDING \(upstreams.embedding\): .* one address") as caught:
        GatewaySettings.load()

    assert "RERANKING" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ADDRESS", "127.0.0.1:8500", "ISOLANE_GATEWAY_CONSUL__ADDRESS"),
        ("AUTH_METHOD", "nomad-workloads", "need each other"),
        ("JWT_FILE", "/secrets/consul.jwt", "need each other"),
        ("CA_FILE", "/ca.pem", "https"),
    ],
)
def test_settings_of_consul_that_do_not_fit_are_named(
    name: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ISOLANE_GATEWAY_CONSUL__{name}", value)

    with pytest.raises(ConfigInvalid, match=problem):
        GatewaySettings.load()


def test_an_attempt_may_be_given_less_time_than_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_GATEWAY_EMBEDDING__ATTEMPT_TIMEOUT_S", "2.5")

    settings = GatewaySettings.load()

    assert settings.embedding.attempt_timeout_s == 2.5
    assert settings.reranking.attempt_timeout_s is None


def test_allowed_peers_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_GATEWAY_ALLOWED_PEERS", "10.0.0.0/8, 192.0.2.7")

    assert [str(network) for network in GatewaySettings.load().allowed_peers] == ["10.0.0.0/8", "192.0.2.7/32"]


def test_a_peer_that_is_no_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_GATEWAY_ALLOWED_PEERS", "10.0.0.0/8,everybody")

    with pytest.raises(ConfigInvalid, match="'everybody'"):
        GatewaySettings.load()
