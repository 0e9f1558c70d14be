"""What the agents of a mesh are told, and what of it others could see."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from ops.mesh import agents, firewall, jobs, machine
from ops.mesh.agents import Site, site_of
from ops.mesh.folder import MeshFolder
from ops.settings import OpsSettings, project_root
from services.common.errors import StartupError

ADDRESSES = re.compile(r"\d+\.\d+\.\d+\.\d+")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MeshFolder:
    monkeypatch.setattr("ops.mesh.folder._LONGEST", 1000)
    folder = MeshFolder(tmp_path / "mesh")
    folder.make()
    return folder


@pytest.fixture
def site(folder: MeshFolder) -> Site:
    """A mesh whose configuration is written."""
    for name in ("openbao-seal.key", "consul-ca.role-id", "consul-ca.secret-id"):
        folder.write_secret(name, f"secret of {name}")
    site = Site(folder=folder, root=project_root(), cni=Path("/usr/lib/cni"), meta={"isolane_python": 'a "b" \\c'})
    before = os.umask(0)
    try:
        site.write_openbao()
        site.write_consul()
        site.write_nomad()
    finally:
        os.umask(before)
    return site


def test_configuration_that_holds_tokens_is_read_by_its_owner_alone(site: Site) -> None:
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in site.folder.config.iterdir()}

    assert modes == dict.fromkeys(("openbao.json", "consul.json", "nomad.hcl"), "0o600")
    assert stat.S_IMODE((site.folder.path / "openbao").stat().st_mode) == 0o700


def test_no_secret_is_on_a_command_line_or_in_an_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "inherited")
    secrets = [path.read_text() for path in site.folder.secrets.iterdir()]

    seen = json.dumps([[*agent.command, *agent.environ.items()] for agent in site.agents()])

    assert len(secrets) == 6  # three made up when Consul's and Nomad's configuration was written
    assert not [secret for secret in [*secrets, "inherited"] if secret in seen]


def test_agents_start_in_order_with_the_checkouts_configuration_first(site: Site) -> None:
    assert [agent.name for agent in site.agents()] == ["openbao", "consul", "nomad"]
    for agent in site.agents():
        files = [Path(argument.partition("=")[2]) for argument in agent.command[2:]]
        assert [path.is_relative_to(site.root) for path in files] == [True, False]
        assert all(path.exists() for path in files)


def test_mesh_that_is_looked_at_has_the_command_lines_of_the_mesh_that_was_started(site: Site) -> None:
    assert [agent.command for agent in site_of(site.folder).agents()] == [agent.command for agent in site.agents()]


def test_agents_listen_on_loopback_and_consul_also_on_the_bridge(site: Site) -> None:
    found = {path.name: set(ADDRESSES.findall(path.read_text())) for path in site.folder.config.iterdir()}

    assert found == {
        "openbao.json": {"127.0.0.1"},
        "consul.json": {"127.0.0.1", "172.26.64.1"},
        "nomad.hcl": {"127.0.0.1", "172.26.64.0"},  # the subnet of its bridge
    }


def test_gateways_port_is_published_on_loopback_alone(site: Site) -> None:
    text = (site.folder.config / "nomad.hcl").read_text()

    assert re.findall(r'host_network "(\w+)" \{\s+cidr = "(.+)"', text) == [("loopback", "127.0.0.1/32")]
    assert jobs.values("gateway", OpsSettings(mesh_gateway_port=8099)) == {"port": 8099}


def test_nomads_values_are_quoted(site: Site) -> None:
    assert r'isolane_python = "a \"b\" \\c"' in (site.folder.config / "nomad.hcl").read_text()


def test_agents_hold_the_tokens_that_are_kept(site: Site) -> None:
    consul = json.loads((site.folder.config / "consul.json").read_text())
    bao = json.loads((site.folder.config / "openbao.json").read_text())

    assert consul["acl"]["tokens"] == {
        "initial_management": site.folder.secret("consul-bootstrap.token"),
        "agent": site.folder.secret("consul-agent.token"),
    }
    assert bao["seal"]["static"]["current_key"] == f"file://{site.folder.secrets}/openbao-seal.key"
    assert (
        f'token        = "{site.folder.secret("nomad-consul.token")}"' in (site.folder.config / "nomad.hcl").read_text()
    )


@pytest.mark.parametrize(
    ("status", "is_up", "is_unsealed"), [(200, True, True), (503, True, False), (501, True, False), (0, False, False)]
)
def test_openbao_is_up_when_it_answers_and_unsealed_when_it_serves(
    monkeypatch: pytest.MonkeyPatch, status: int, is_up: bool, is_unsealed: bool
) -> None:
    def get(url: str, **options: object) -> httpx.Response:
        if not status:
            raise httpx.ConnectError("refused")
        return httpx.Response(status)

    monkeypatch.setattr(httpx, "get", get)

    assert (agents.is_openbao_up(), agents.is_openbao_unsealed()) == (is_up, is_unsealed)


@pytest.mark.parametrize(
    ("reply", "has_leader"),
    [
        (httpx.Response(200, json="127.0.0.1:8300"), True),
        (httpx.Response(200, json=""), False),
        (httpx.Response(500, text="No cluster leader"), False),
        (httpx.Response(200, text="<html>"), False),
    ],
)
def test_leader_is_whom_consul_and_nomad_name(
    monkeypatch: pytest.MonkeyPatch, reply: httpx.Response, has_leader: bool
) -> None:
    monkeypatch.setattr(httpx, "get", lambda url, **options: reply)

    assert agents.has_consul_leader() is agents.has_nomad_leader() is has_leader


def test_fakes_are_for_the_parts_that_compute_and_one_machine_chooses_its_number_type() -> None:
    settings = OpsSettings(backend="fake")

    values = {part: dict(jobs.values(part, settings)) for part in jobs.PARTS}

    assert values.pop("gateway") == {"port": settings.mesh_gateway_port}
    assert {part: one["backend"] for part, one in values.items()} == dict.fromkeys(values, "fake")
    assert [jobs.values(part, OpsSettings(backend="real")) for part in ("embedding", "documents")] == [
        {"dtype": "auto"},
        {},
    ]


def test_mounts_below_a_folder_are_found_the_deepest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        f"36 35 98:0 / {point} rw,noatime shared:1 - tmpfs tmpfs rw"
        for point in ("/", "/m/nomad", "/m/nomad/alloc/a/secrets", "/mesh", r"/m/with\040space", "/m/nomad/alloc")
    ]
    monkeypatch.setattr(Path, "read_text", lambda path, **options: "\n".join(lines) + "\n")

    assert machine.mounts(Path("/m")) == [
        "/m/nomad/alloc/a/secrets",
        "/m/nomad/alloc",
        "/m/with space",
        "/m/nomad",
    ]


def test_only_namespaces_of_the_meshs_allocations_are_found(
    folder: MeshFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("5b2e", "77aa", "docker"):
        (tmp_path / "netns" / name).mkdir(parents=True)
    for name in ("5b2e", "77aa", "ended"):
        (folder.nomad / "alloc" / name).mkdir(parents=True)
    monkeypatch.setattr(machine, "_NAMESPACES", tmp_path / "netns")

    assert machine.namespaces(folder) == ["5b2e", "77aa"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A machine of files and recorded commands, on which another user of CNI has its state."""
    host = SimpleNamespace(cni=tmp_path / "cni", cgroups=tmp_path / "cgroup", commands=[], refused="")
    (host.cni / "networks" / "podman").mkdir(parents=True)
    (host.cgroups / "cpu" / "user").mkdir(parents=True)
    (tmp_path / "ip_forward").write_text("0\n")

    def run(command: list[str], **options: object) -> str:
        host.commands.append(" ".join(command))
        if host.refused and host.refused in host.commands[-1]:
            raise StartupError("refused")
        return ""

    monkeypatch.setattr(machine, "run", run)
    monkeypatch.setattr(machine, "_CNI", host.cni)
    monkeypatch.setattr(machine, "_ADDRESSES", tmp_path / "run" / "cni" / "nomad")
    monkeypatch.setattr(machine, "_CGROUPS", host.cgroups)
    monkeypatch.setattr(machine, "_FORWARDING", tmp_path / "ip_forward")
    monkeypatch.setattr(machine, "_NAMESPACES", tmp_path / "netns")
    monkeypatch.setattr(machine, "has_bridge", lambda: False)
    monkeypatch.setattr(firewall, "chains", lambda: ["iptables nat CNI-OTHERS"])
    monkeypatch.setattr(firewall, "remove", lambda keep: host.commands.append(f"keep {keep}"))
    return host


def test_machine_is_put_back_as_it_was(folder: MeshFolder, host: SimpleNamespace, tmp_path: Path) -> None:
    folder.note_before(machine.look)
    (tmp_path / "run" / "cni" / "nomad").mkdir(parents=True)
    (host.cni / "results").mkdir()
    (host.cni / "results" / "nomad-5b2e-eth0").touch()
    (host.cgroups / "cpu" / "nomad" / "5b2e.task").mkdir(parents=True)
    (tmp_path / "ip_forward").write_text("1\n")

    left = machine.restore(folder)

    assert left == []
    assert sorted(path.name for path in host.cni.rglob("*")) == ["networks", "podman"]
    assert not (tmp_path / "run" / "cni").exists()
    assert sorted(path.name for path in host.cgroups.rglob("*")) == ["cpu", "user"]
    assert (tmp_path / "ip_forward").read_text() == "0"
    assert "keep ['iptables nat CNI-OTHERS']" in host.commands


def test_after_a_restart_of_the_machine_only_what_outlived_it_is_removed(
    folder: MeshFolder, host: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.note_before(machine.look)
    (host.cni / "results").mkdir()
    (host.cni / "results" / "nomad-5b2e-eth0").touch()
    (host.cgroups / "cpu" / "nomad").mkdir()  # of somebody else's Nomad
    (tmp_path / "ip_forward").write_text("1\n")  # for somebody else's containers
    monkeypatch.setattr(machine, "boot_id", lambda: "another boot")

    left = machine.restore(folder)

    assert (left, host.commands) == ([], [])
    assert not (host.cni / "results").exists()
    assert (host.cgroups / "cpu" / "nomad").exists()
    assert (tmp_path / "ip_forward").read_text() == "1\n"


def test_forwarding_that_is_as_it_was_is_not_written(
    folder: MeshFolder, host: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.note_before(machine.look)
    (tmp_path / "ip_forward").chmod(0o400)
    written = (tmp_path / "ip_forward").stat().st_mtime_ns

    machine.restore(folder)

    assert (tmp_path / "ip_forward").stat().st_mtime_ns == written


def test_what_cannot_be_removed_is_named(
    folder: MeshFolder, host: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netns" / "5b2e").mkdir(parents=True)
    (folder.nomad / "alloc" / "5b2e").mkdir(parents=True)
    monkeypatch.setattr(machine, "mounts", lambda below: [f"{below}/nomad"])
    monkeypatch.setattr(machine, "has_bridge", lambda: True)
    host.refused = " "

    left = machine.restore(folder)

    assert left == [
        f"the mount {folder.path}/nomad",
        "the network namespace 5b2e (refused)",
        "the interface nomad",
    ]


def test_mount_that_is_busy_is_taken_off_lazily(
    folder: MeshFolder, host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "mounts", lambda below: ["/m"])
    host.refused = "umount /m"

    assert machine.restore(folder) == []
    assert host.commands[:2] == ["umount /m", "umount --lazy /m"]


def test_bridge_is_made_once_and_gets_its_address_each_time(
    host: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.make_bridge()
    monkeypatch.setattr(machine, "has_bridge", lambda: True)
    machine.make_bridge()

    address = ["ip address replace 172.26.64.1/20 dev nomad", "ip link set nomad up"]
    assert host.commands == ["ip link add nomad type bridge", *address, *address]
