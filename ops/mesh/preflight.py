"""What must be right before a mesh is started, and what to do when it is not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from ops import ports
from ops.mesh import machine
from ops.mesh.command import run
from ops.mesh.folder import MeshFolder
from ops.progress import Progress
from services.common.errors import StartupError

AGENT_PORTS = {
    "OpenBao": (8200, 8201),
    "Consul": (8500, 8502, 8300, 8301),
    "Nomad": (4646, 4647, 4648),
}
"""Ports of the host that each agent listens on, all on loopback."""

_GIB = 1 << 30
_LEAST_MEMORY_BYTES = 4 * _GIB
"""Two torch processes, Docling, ten other processes, and the three agents."""
_LEAST_DISK_BYTES = 3 * _GIB
_CNI_PATHS = (Path("/opt/cni/bin"), Path("/usr/lib/cni"))
_PLUGINS = ("bridge", "firewall", "host-local", "loopback", "portmap")
_PACKAGES = {"iptables": "iptables", "ip": "iproute2"}
"""Debian's package by program."""
_CNI_PACKAGE = "containernetworking-plugins"


def check_machine() -> None:
    """Raise StartupError unless this is root on Linux."""
    if sys.platform != "linux":
        raise StartupError(f"the dev mesh needs Linux, this is {sys.platform}; `just local` runs everywhere")
    if os.geteuid() != 0:
        raise StartupError(
            "the dev mesh needs root (network namespaces, bridge, firewall); run it with sudo, or use `just local`"
        )


def check_space(folder: MeshFolder) -> None:
    """Raise StartupError when memory or disk are too small for a fresh mesh."""
    available = psutil.virtual_memory().available
    if available < _LEAST_MEMORY_BYTES:
        raise StartupError(
            f"{available / _GIB:.1f} GiB of memory is available and the mesh needs about "
            f"{_LEAST_MEMORY_BYTES // _GIB} GiB; close something, or use `just local --backend fake`"
        )
    free = shutil.disk_usage(folder.path).free
    if free < _LEAST_DISK_BYTES:
        raise StartupError(
            f"{folder.path}: {free / _GIB:.1f} GiB free on its disk, at least {_LEAST_DISK_BYTES // _GIB} GiB is "
            "needed; free some space, or name a folder on another disk with ISOLANE_OPS_MESH_DIR"
        )


def check_free(gateway_port: int) -> None:
    """Raise StartupError when a port or the bridge that the mesh needs belongs to somebody else; it names every one."""
    wanted = [(name, port) for name, numbers in AGENT_PORTS.items() for port in numbers]
    problems = [
        f"port {port}, which {name} needs, is taken by {ports.holder(port)}; end that process"
        for name, port in wanted
        if not ports.is_free(port)
    ]
    if not ports.is_free(gateway_port):
        problems.append(
            f"port {gateway_port} is taken by {ports.holder(gateway_port)}; end that process, or set "
            "ISOLANE_OPS_MESH_GATEWAY_PORT to another port"
        )
    if machine.has_bridge():
        problems.append(
            f"there is a network interface {machine.BRIDGE} that this mesh did not make: another Nomad runs "
            f"here, or ran; end it, then: ip link delete {machine.BRIDGE}"
        )
    if problems:
        raise StartupError("\n".join(problems))


def ensure_packages(progress: Progress) -> Path:
    """Install the CNI plugins, iptables and iproute2 where they are missing; returns the plugins' folder.

    Raises:
        StartupError: something is missing and Debian's packages cannot be installed here.
    """
    missing = [package for program, package in _PACKAGES.items() if not shutil.which(program)]
    if not cni_path():
        missing.append(_CNI_PACKAGE)
    if missing:
        _install(missing, progress)
    if (found := cni_path()) is None:
        raise StartupError(
            f"no folder of {', '.join(map(str, _CNI_PATHS))} has the CNI plugins {', '.join(_PLUGINS)}; "
            f"install them (Debian: apt-get install {_CNI_PACKAGE})"
        )
    return found


def cni_path() -> Path | None:
    """The folder that has every CNI plugin that Nomad's bridge needs."""
    return next((path for path in _CNI_PATHS if all((path / plugin).exists() for plugin in _PLUGINS)), None)


def _install(packages: Sequence[str], progress: Progress) -> None:
    by_hand = f"install {', '.join(packages)} (Debian: apt-get install {' '.join(packages)})"
    if not shutil.which("apt-get"):
        raise StartupError(f"the mesh needs more of this machine and there is no apt-get; {by_hand}")
    progress.say(f"installing Debian's {', '.join(packages)}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", "update", "-qq"], environ=environ, limit_s=300)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], environ=environ, limit_s=600)
    except StartupError as exc:
        raise StartupError(f"{exc}\nsomething is missing on this machine; {by_hand}") from exc
