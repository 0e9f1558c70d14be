from __future__ import annotations

import io
import os
import shutil
import socket
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ops import ports
from ops.mesh import machine, preflight
from ops.mesh.folder import MeshFolder
from ops.progress import Progress
from services.common.errors import StartupError

Usage = namedtuple("Usage", "total used free")
GIB = 1 << 30


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def free_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where no agent's port is taken and no bridge is there, whatever really runs."""
    monkeypatch.setattr(preflight, "AGENT_PORTS", {"Nomad": ports.free_ports(1)})
    monkeypatch.setattr(machine, "has_bridge", lambda: False)


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with iproute2 alone; returns the folder of its programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    stand_in(folder, "ip", "exit 0")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(preflight, "_CNI_PATHS", (tmp_path / "opt", tmp_path / "cni"))
    return folder


def stand_in(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def put_plugins(folder: Path, *, leave_out: str = "") -> None:
    folder.mkdir()
    for plugin in ("bridge", "firewall", "host-local", "loopback", "portmap"):
        if plugin != leave_out:
            (folder / plugin).touch()


def test_user_who_is_not_root_is_told_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(StartupError, match=r"needs root .*; run it with sudo, or use `just local`"):
        preflight.check_machine()


def test_other_system_than_linux_is_told_what_runs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(StartupError, match="needs Linux, this is darwin; `just local` runs everywhere"):
        preflight.check_machine()


@pytest.mark.usefixtures("free_machine")
def test_free_machine_passes() -> None:
    preflight.check_free(ports.free_ports(1)[0])


@pytest.mark.usefixtures("free_machine")
def test_everything_that_is_taken_is_told_at_once_with_its_holder(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    monkeypatch.setattr(preflight, "AGENT_PORTS", {"Consul": (taken,)})
    monkeypatch.setattr(machine, "has_bridge", lambda: True)

    with pytest.raises(StartupError) as caught:
        preflight.check_free(taken)

    agent, gateway, bridge = str(caught.value).splitlines()
    assert agent.startswith(f"port {taken}, which Consul needs, is taken by pid {os.getpid()} (")
    assert "ISOLANE_OPS_MESH_GATEWAY_PORT" in gateway
    assert "another Nomad runs here, or ran; end it, then: ip link delete nomad" in bridge


def test_little_memory_is_told_in_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2 * GIB))

    with pytest.raises(
        StartupError, match=r"2\.0 GiB of memory is available .* about 4 GiB.*just local --backend fake"
    ):
        preflight.check_space(MeshFolder(tmp_path))


def test_full_disk_is_told_in_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8 * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, GIB))

    with pytest.raises(StartupError, match=r"1\.0 GiB free on its disk, at least 3 GiB.*ISOLANE_OPS_MESH_DIR"):
        preflight.check_space(MeshFolder(tmp_path))


def test_machine_with_room_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8 * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 0, 8 * GIB))

    preflight.check_space(MeshFolder(tmp_path))


def test_missing_packages_are_named_where_there_is_no_apt(bare_machine: Path) -> None:
    with pytest.raises(StartupError) as caught:
        preflight.ensure_packages(Progress(io.StringIO()))

    assert "there is no apt-get" in str(caught.value)
    assert "apt-get install iptables containernetworking-plugins)" in str(caught.value)


def test_only_what_is_missing_is_installed(bare_machine: Path, tmp_path: Path) -> None:
    put_plugins(tmp_path / "cni")
    calls, said = tmp_path / "calls", io.StringIO()
    stand_in(bare_machine, "apt-get", f'echo "$DEBIAN_FRONTEND $*" >>"{calls}"')

    found = preflight.ensure_packages(Progress(said))

    assert found == tmp_path / "cni"
    assert calls.read_text().splitlines() == [
        "noninteractive update -qq",
        "noninteractive install -y -qq --no-install-recommends iptables",
    ]
    assert "installing Debian's iptables" in said.getvalue()


def test_failed_installation_is_told_with_its_words_and_by_hand(bare_machine: Path) -> None:
    stand_in(bare_machine, "apt-get", "echo 'Temporary failure resolving' >&2; exit 100")

    with pytest.raises(
        StartupError, match=r"(?s)Temporary failure resolving.*install iptables, container.*apt-get install"
    ):
        preflight.ensure_packages(Progress(io.StringIO()))


def test_package_without_the_plugins_is_told_with_the_folders(bare_machine: Path, tmp_path: Path) -> None:
    put_plugins(tmp_path / "opt", leave_out="portmap")
    stand_in(bare_machine, "apt-get", "exit 0")

    with pytest.raises(StartupError, match=rf"no folder of {tmp_path}/opt, {tmp_path}/cni has the CNI plugins bridge,"):
        preflight.ensure_packages(Progress(io.StringIO()))


def test_complete_machine_installs_nothing(bare_machine: Path, tmp_path: Path) -> None:
    put_plugins(tmp_path / "opt")
    for name in ("iptables", "apt-get"):
        stand_in(bare_machine, name, "exit 1")

    assert preflight.ensure_packages(Progress(io.StringIO())) == tmp_path / "opt"
