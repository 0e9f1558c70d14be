"""The composition root."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app import build
from gateway.settings import Consul, GatewaySettings
from services.common.discovery.consul import ConsulResolver
from services.common.discovery.static import StaticResolver
from services.common.errors import StartupError


def test_built_gateway_has_a_task_per_service_and_dials_nothing() -> None:
    gateway = build(GatewaySettings())

    assert len(gateway.background) == 4
    assert set(gateway.readiness.states()) == {"embedding", "reranking", "documents", "gpu"}
    assert all(state.instances == () for state in gateway.readiness.states().values())


def test_given_resolver_is_used_instead_of_the_settings() -> None:
    resolver = StaticResolver({})

    gateway = build(GatewaySettings(), resolver=resolver)

    assert gateway.resolver is resolver


async def test_with_consul_calls_go_to_the_listeners_and_instances_come_from_consul() -> None:
    gateway = build(GatewaySettings(discovery="consul"))

    states = gateway.readiness.states()
    await gateway.resolver.aclose()

    assert isinstance(gateway.resolver, ConsulResolver)
    assert {state.problem.partition(",")[0] for state in states.values()} == {"Consul has not answered yet"}


def test_a_file_of_authorities_that_is_missing_ends_the_start(tmp_path: Path) -> None:
    consul = Consul(address="https://127.0.0.1:8501", ca_file=str(tmp_path / "ca.pem"))

    with pytest.raises(StartupError, match=r"ca\.pem"):
        build(GatewaySettings(discovery="consul", consul=consul))
