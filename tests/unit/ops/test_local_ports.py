from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import ports
from ops.local.parts import stack_parts, wanted_ports
from ops.settings import OpsSettings
from services.common.errors import StartupError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_taken_port_is_told_with_its_holder_and_its_setting(taken: int) -> None:
    with pytest.raises(StartupError) as caught:
        ports.choose({"gateway_port": taken})

    assert f"port {taken} is taken by pid {os.getpid()} (" in str(caught.value)
    assert "ISOLANE_OPS_GATEWAY_PORT" in str(caught.value)


def test_all_taken_ports_are_told_at_once(taken: int) -> None:
    with pytest.raises(StartupError) as caught:
        ports.choose({"gateway_port": taken, "gpu_port": taken})

    assert len(str(caught.value).splitlines()) == 3  # each is taken, and both are the same


def test_port_listened_on_by_every_address_is_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()

        assert not ports.is_free(listener.getsockname()[1])


def test_zero_becomes_different_free_ports() -> None:
    chosen = ports.choose(dict.fromkeys("abcdefgh", 0))

    assert len(set(chosen.values())) == 8
    assert all(ports.is_free(port) for port in chosen.values())


def test_service_on_a_free_port_has_its_metrics_on_a_free_port_too(tmp_path: Path) -> None:
    wanted = wanted_ports(OpsSettings(state_dir=tmp_path, embedding_port=0))

    assert wanted["embedding_metrics_port"] == 0
    assert wanted["reranking_metrics_port"] == 9152


def test_gateway_is_told_where_the_services_listen(tmp_path: Path) -> None:
    settings = OpsSettings(state_dir=tmp_path, backend="fake")

    gateway, embedding, *_ = stack_parts(settings, wanted_ports(settings))

    assert gateway.environ["ISOLANE_GATEWAY_UPSTREAMS__EMBEDDING"] == embedding.address == "127.0.0.1:50051"
    assert embedding.environ["ISOLANE_EMBEDDING_BACKEND"] == "fake"


def test_who_wants_models_of_the_hub_may_let_them_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    settings = OpsSettings(state_dir=tmp_path)

    assert {part.environ["HF_HUB_OFFLINE"] for part in stack_parts(settings, wanted_ports(settings))} == {"0"}


def test_every_part_is_marked_offline_and_on_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    settings = OpsSettings(state_dir=tmp_path)

    parts = stack_parts(settings, wanted_ports(settings))

    assert {part.environ["ISOLANE_STACK"] for part in parts} == {str(tmp_path)}
    assert {part.environ["HF_HUB_OFFLINE"] for part in parts} == {"1"}
    assert {part.environ[f"ISOLANE_{part.name.upper()}_HOST"] for part in parts} == {"127.0.0.1"}
