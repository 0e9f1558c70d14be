"""The node's processors as a device, for nodes without a usable GPU."""

from __future__ import annotations

import platform
from pathlib import Path

from services.gpu.devices.base import Device, DeviceKind

_PROC = Path("/proc")


def read_cpu(proc: Path = _PROC) -> Device:
    """The CPU and the memory of the node.

    Args:
        proc: where the kernel's process file system is mounted.
    """
    memory = _fields(proc / "meminfo")
    total, available = _bytes(memory.get("MemTotal")), _bytes(memory.get("MemAvailable"))
    return Device(
        id="cpu",
        kind=DeviceKind.CPU,
        name=_fields(proc / "cpuinfo").get("model name") or platform.processor() or platform.machine() or "CPU",
        memory_bytes=total,
        memory_used_bytes=max(0, total - available),
    )


def _fields(path: Path) -> dict[str, str]:
    """The `name: value` lines of a file, the first of each name; nothing when it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in reversed(lines))
    return {name.strip(): value.strip() for name, _, value in pairs if value}


def _bytes(value: str | None) -> int:
    """Bytes of a meminfo value such as `24618284 kB`."""
    number = (value or "").partition(" ")[0]
    return int(number) * 1024 if number.isdigit() else 0
