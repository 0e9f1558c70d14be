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
