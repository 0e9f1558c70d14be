"""The composition root."""

from __future__ import annotations

from gateway.app import build
from gateway.settings import GatewaySettings
from services.common.discovery.static import StaticResolver


def test_built_gateway_has_a_task_per_service_and_dials_nothing() -> None:
    gateway = build(GatewaySettings())

    assert len(gateway.background) == 4
    assert set(gateway.readiness.states()) == {"embedding", "reranking", "documents", "gpu"}
    assert all(states == () for states in gateway.readiness.states().values())


def test_given_resolver_is_used_instead_of_the_settings() -> None:
    resolver = StaticResolver({})

    gateway = build(GatewaySettings(), resolver=resolver)

    assert gateway.resolver is resolver
