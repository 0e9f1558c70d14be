"""What a mesh changes on its machine besides processes and its own folder: how it was, and putting it back."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

from ops.mesh import firewall
from ops.mesh.command import run
from ops.mesh.folder import MeshFolder, boot_id
from services.common.errors import StartupError

BRIDGE = "nomad"
ADDRESS = "172.26.64.1"
SUBNET = "172.26.64.0/20"
"""Nomad's own defaults for the bridge that its allocations are on."""

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_NAMESPACES = Path("/run/netns")
_CNI = Path("/var/lib/cni")
_ADDRESSES = Path("/run/cni") / BRIDGE
_CGROUPS = Path("/sys/fs/cgroup")


def look() -> dict[str, Any]:
    """How the machine is, for `restore`."""
    return {
        "boot": boot_id(),
        "chains": firewall.chains(),
        "ip_forward": _FORWARDING.read_text(encoding="ascii").strip(),
        "cni": [str(path) for path in (*_cni_state(), *_cni_folders()) if path.exists()],
        "cgroups": [str(path) for path in _cgroups()],
    }


def has_bridge() -> bool:
    """True when there is an interface with the bridge's name."""
    return Path("/sys/class/net", BRIDGE).exists()


def make_bridge() -> None:
    """Make the bridge before anybody listens on its address; where it is already, nothing.

    Raises:
        StartupError: the system refused.
    """
    if not has_bridge():
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    length = SUBNET.split("/")[1]
    run(["ip", "address", "replace", f"{ADDRESS}/{length}", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])


def restore(folder: MeshFolder) -> list[str]:
    """Remove what the mesh's allocations left: mounts, namespaces, bridge, firewall rules, CNI state, control groups.

    Its processes must have ended. Returns what could not be removed, for people; nothing when all is as it was.
    """
    before = folder.before()
    left = _unmount(folder.path)
    if before and before["boot"] != boot_id():
        # A restart took the rest with it, and what is here by now may be somebody else's.
        _remove_cni_state(before["cni"])
        return left
    left += _remove_namespaces(folder)
    with contextlib.suppress(StartupError):
        run(["ip", "link", "delete", BRIDGE])
    if before:
        firewall.remove(before["chains"])
        _remove_cni_state(before["cni"])
        left += _remove_cgroups(before["cgroups"])
        _set_forwarding(before["ip_forward"])
    if has_bridge():
        left.append(f"the interface {BRIDGE}")
    return left


def mounts(below: Path) -> list[str]:
    """Mount points at or below a folder, the deepest first."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [line.split()[4].replace("\\040", " ") for line in lines]
    return sorted((point for point in points if Path(point).is_relative_to(below)), key=len, reverse=True)


def namespaces(folder: MeshFolder) -> list[str]:
    """Network namespaces of the mesh's allocations."""
    allocations = {path.name for path in (folder.nomad / "alloc").glob("*")}
    return sorted(path.name for path in _NAMESPACES.glob("*") if path.name in allocations)


def _set_forwarding(value: str) -> None:
    if _FORWARDING.read_text(encoding="ascii").strip() != value:
        _FORWARDING.write_text(value, encoding="ascii")


def _unmount(below: Path) -> list[str]:
    left = []
    for point in mounts(below):
        try:
            run(["umount", point])
        except StartupError:
            with contextlib.suppress(StartupError):
                run(["umount", "--lazy", point])
                continue
            left.append(f"the mount {point}")
    return left


def _remove_namespaces(folder: MeshFolder) -> list[str]:
    left = []
    for name in namespaces(folder):
        try:
            run(["ip", "netns", "delete", name])
        except StartupError as exc:
            left.append(f"the network namespace {name} ({exc})")
    return left


def _cni_state() -> list[Path]:
    """Addresses and results that the CNI plugins wrote down for Nomad's network."""
    return sorted([*_ADDRESSES.parent.glob(_ADDRESSES.name), *_CNI.glob(f"results/{BRIDGE}-*")])


def _cni_folders() -> list[Path]:
    """Folders that the plugins make where they are missing, the deepest first."""
    return [_CNI / "results", _CNI, _ADDRESSES.parent]


def _remove_cni_state(keep: list[str]) -> None:
    for path in _cni_state():
        if str(path) not in keep:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    for folder in _cni_folders():
        if str(folder) not in keep:
            with contextlib.suppress(OSError):
                folder.rmdir()  # another network's state keeps it


def _cgroups() -> list[Path]:
    """Nomad's control groups: one per controller, or one slice where they are unified."""
    return sorted([*_CGROUPS.glob("*/nomad"), *_CGROUPS.glob("nomad.slice")])


def _remove_cgroups(keep: list[str]) -> list[str]:
    left = []
    for root in _cgroups():
        if str(root) in keep:
            continue
        folders = [path for path in root.rglob("*") if path.is_dir()]
        for path in [*sorted(folders, key=lambda path: len(path.parts), reverse=True), root]:
            try:
                path.rmdir()
            except FileNotFoundError:
                continue
            except OSError as exc:
                left.append(f"the control group {path} ({exc.strerror})")
    return left
