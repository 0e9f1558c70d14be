"""What the local stack consists of: the processes, their addresses and their environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ops.leftovers import MARKER
from ops.local.secrets import MODEL_SERVICES, SecretsFolder
from ops.ports import LOOPBACK
from ops.settings import OpsSettings, inherited_environment
from services.common.config import SECRETS_DIR

SERVICES = ("embedding", "reranking", "documents", "gpu")
GATEWAY = "gateway"

Protocol = Literal["grpc", "http"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process of the stack."""

    name: str
    module: str
    """What `python -m` runs."""
    protocol: Protocol
    """How its health is asked for."""
    port: int
    metrics_port: int | None = None
    environ: Mapping[str, str]
    """Its whole environment."""

    @property
    def address(self) -> str:
        """host:port that it listens on."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The address for people."""
        return f"{self.protocol}://{self.address}"

    @property
    def command(self) -> tuple[str, ...]:
        """The command line."""
        return (sys.executable, "-P", "-m", self.module)


def wanted_ports(settings: OpsSettings) -> dict[str, int]:
    """The ports by the names of their settings, 0 for a free one.

    A service that takes a free port takes one for its metrics too, so that two stacks never meet.
    """
    ports = {f"{GATEWAY}_port": settings.gateway_port}
    for name in SERVICES:
        port: int = getattr(settings, f"{name}_port")
        metrics_port: int = getattr(settings, f"{name}_metrics_port")
        ports |= {f"{name}_port": port, f"{name}_metrics_port": metrics_port if port else 0}
    return ports


def stack_parts(settings: OpsSettings, ports: Mapping[str, int]) -> tuple[Part, ...]:
    """The parts of the stack, the gateway first.

    Args:
        settings: of the command.
        ports: by the names of their settings, none of them 0.
    """
    common = {"HF_HUB_OFFLINE": "1"} | inherited_environment()  # 0 lets models of the hub be fetched
    common |= {
        MARKER: str(settings.state_dir),
        # gRPC would write lines that are not JSON into the logs.
        "GRPC_VERBOSITY": "NONE",
        "PYTHONUNBUFFERED": "1",
    }
    services = tuple(_service(name, settings, ports, common) for name in SERVICES)
    upstreams = {f"ISOLANE_GATEWAY_UPSTREAMS__{part.name.upper()}": part.address for part in services}
    gateway = Part(
        name=GATEWAY,
        module="gateway",
        protocol="http",
        port=ports["gateway_port"],
        environ=common
        | upstreams
        | {"ISOLANE_GATEWAY_HOST": LOOPBACK, "ISOLANE_GATEWAY_PORT": str(ports["gateway_port"])},
    )
    return (gateway, *services)


def _service(name: str, settings: OpsSettings, ports: Mapping[str, int], common: Mapping[str, str]) -> Part:
    prefix = f"ISOLANE_{name.upper()}"
    port, metrics_port = ports[f"{name}_port"], ports[f"{name}_metrics_port"]
    own = {
        f"{prefix}_HOST": LOOPBACK,
        f"{prefix}_PORT": str(port),
        f"{prefix}_METRICS_HOST": LOOPBACK,
        f"{prefix}_METRICS_PORT": str(metrics_port),
    }
    if settings.backend == "fake":
        own[f"{prefix}_BACKEND"] = "fake"
    if name in MODEL_SERVICES:
        own[SECRETS_DIR] = str(SecretsFolder.of(settings).path)
    return Part(
        name=name,
        module=f"services.{name}",
        protocol="grpc",
        port=port,
        metrics_port=metrics_port,
        environ={**common, **own},
    )
