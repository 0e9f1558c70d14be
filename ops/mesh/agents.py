"""The three agents of a mesh: what of their configuration is this machine's, and when each is ready."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ops.mesh.agent import Agent
from ops.mesh.folder import MeshFolder, write_private
from ops.mesh.machine import ADDRESS, BRIDGE, SUBNET
from ops.settings import project_root

LOOPBACK = "127.0.0.1"
OPENBAO = f"http://{LOOPBACK}:8200"
CONSUL = f"http://{LOOPBACK}:8500"
NOMAD = f"http://{LOOPBACK}:4646"
DATACENTER = "dc1"
NODE = "dev"

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a mesh runs: its folder, the checkout, and what jobs may ask of the node."""

    folder: MeshFolder
    root: Path
    """Of the checkout."""
    cni: Path
    """Folder of the CNI plugins."""
    meta: Mapping[str, str]
    """The Nomad node's meta: python, models, envoy of this machine."""

    def openbao(self) -> Agent:
        """OpenBao: one server, raft storage, unsealed by a key that lies beside it."""
        return self._agent("openbao", "OpenBao", "bao", "server", files=("vault/openbao.hcl", "openbao.json"))

    def consul(self) -> Agent:
        """Consul: one server, whose HTTP also listens on the bridge, for the gateway."""
        files = ("consul/agent.hcl", "consul.json")
        return self._agent("consul", "Consul", "consul", "agent", files=files, option="-config-file")

    def nomad(self) -> Agent:
        """Nomad: server and client in one."""
        return self._agent("nomad", "Nomad", "nomad", "agent", files=("nomad/agent.hcl", "nomad.hcl"))

    def agents(self) -> tuple[Agent, ...]:
        """All, in the order in which they start."""
        return (self.openbao(), self.consul(), self.nomad())

    def write_openbao(self) -> None:
        """Write OpenBao's configuration and make its seal key."""
        self._write("openbao.json", _openbao(self.folder))

    def write_consul(self) -> None:
        """Write Consul's configuration."""
        self._write("consul.json", _consul(self.folder))

    def write_nomad(self) -> None:
        """Write Nomad's configuration."""
        write_private(self.folder.config / "nomad.hcl", _nomad(self))

    def _agent(
        self, name: str, title: str, program: str, command: str, *, files: tuple[str, str], option: str = "-config"
    ) -> Agent:
        """An agent that reads what all have in common, from the checkout, and then what is this machine's."""
        ours, machines = self.root / files[0], self.folder.config / files[1]
        return Agent(
            name=name,
            title=title,
            command=[str(self.folder.bin / program), command, f"{option}={ours}", f"{option}={machines}"],
            log=self.folder.log(name),
            stack=str(self.folder.path),
            # Nomad's tasks inherit this: nothing of ours, and above all no secret.
            environ={"PATH": f"{self.folder.bin}:{_PATH}", "HOME": str(self.folder.path), "LANG": "C.UTF-8"},
        )

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        write_private(self.folder.config / name, json.dumps(value, indent=2))


def site_of(folder: MeshFolder) -> Site:
    """A mesh as it was started, for looking at it; not for starting agents."""
    # Another checkout may have started it, and its agents are found by their command lines.
    return Site(folder=folder, root=Path(folder.before().get("root", project_root())), cni=Path(), meta={})


def is_openbao_up() -> bool:
    """True when OpenBao answers, sealed or not."""
    return _status(f"{OPENBAO}/v1/sys/health") is not None


def is_openbao_unsealed() -> bool:
    """True when OpenBao serves."""
    return _status(f"{OPENBAO}/v1/sys/health") == httpx.codes.OK


def is_openbao_sealed() -> bool:
    """True when OpenBao was initialised and answers, sealed."""
    return _status(f"{OPENBAO}/v1/sys/health") == httpx.codes.SERVICE_UNAVAILABLE


def has_consul_leader() -> bool:
    """True when Consul answers and has a leader."""
    return _leader(f"{CONSUL}/v1/status/leader")


def has_nomad_leader() -> bool:
    """True when Nomad answers and has a leader."""
    return _leader(f"{NOMAD}/v1/status/leader")


def _status(url: str) -> int | None:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code
    except httpx.HTTPError:
        return None


def _leader(url: str) -> bool:
    try:
        reply = httpx.get(url, timeout=2, trust_env=False)
        return reply.is_success and bool(reply.json())
    except (httpx.HTTPError, ValueError):
        return False


def _openbao(folder: MeshFolder) -> dict[str, Any]:
    (folder.path / "openbao").mkdir(mode=0o700, exist_ok=True)
    return {
        "storage": {"raft": {"path": str(folder.path / "openbao"), "node_id": NODE}},
        "listener": {"tcp": {"address": f"{LOOPBACK}:8200", "tls_disable": True}},
        "api_addr": OPENBAO,
        "cluster_addr": f"http://{LOOPBACK}:8201",
        "seal": {
            "static": {
                "current_key_id": "dev-1",
                "current_key": f"file://{folder.secret_file('openbao-seal.key')}",
            }
        },
    }


def _consul(folder: MeshFolder) -> dict[str, Any]:
    return {
        "node_name": NODE,
        "datacenter": DATACENTER,
        "data_dir": str(folder.path / "consul"),
        "server": True,
        "bootstrap_expect": 1,
        "bind_addr": LOOPBACK,
        "client_addr": LOOPBACK,
        "addresses": {"http": f"{LOOPBACK} {ADDRESS}"},
        "ports": {"serf_wan": -1},
        "acl": {
            "tokens": {
                "initial_management": folder.token("consul-bootstrap.token"),
                "agent": folder.token("consul-agent.token"),
            }
        },
        "connect": {
            "ca_provider": "vault",
            "ca_config": {
                "address": OPENBAO,
                "root_pki_path": "connect-root",
                "intermediate_pki_path": "connect-inter",
                "leaf_cert_ttl": "72h",
                "auth_method": {
                    "type": "approle",
                    "params": {
                        "role_id_file_path": str(folder.secret_file("consul-ca.role-id")),
                        "secret_id_file_path": str(folder.secret_file("consul-ca.secret-id")),
                    },
                },
            },
        },
    }


def _nomad(site: Site) -> str:
    """HCL, because Nomad's JSON wants every block as a list."""
    text = json.dumps
    meta = "\n".join(f"    {name} = {text(value)}" for name, value in site.meta.items())
    return f"""\
name       = {text(NODE)}
region     = "global"
datacenter = {text(DATACENTER)}
data_dir   = {text(str(site.folder.nomad))}
bind_addr  = {text(LOOPBACK)}

advertise {{
  http = {text(LOOPBACK)}
  rpc  = {text(LOOPBACK)}
  serf = {text(LOOPBACK)}
}}

plugin "raw_exec" {{
  config {{
    enabled = true
  }}
}}

server {{
  enabled          = true
  bootstrap_expect = 1
}}

client {{
  enabled               = true
  alloc_mounts_dir      = {text(str(site.folder.nomad / "mounts"))}
  cni_path              = {text(str(site.cni))}
  network_interface     = {text(BRIDGE)}
  bridge_network_name   = {text(BRIDGE)}
  bridge_network_subnet = {text(SUBNET)}

  host_network "loopback" {{
    cidr = "{LOOPBACK}/32"
  }}

  meta {{
{meta}
  }}
}}

consul {{
  address      = "{LOOPBACK}:8500"
  grpc_address = "{LOOPBACK}:8502"
  token        = {text(site.folder.token("nomad-consul.token"))}
}}

vault {{
  address = {text(OPENBAO)}
}}
"""
