"""Step: what the gpu service reads through NVML, beside `nvidia-smi`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from bench.gpu import steps
from bench.gpu.steps import Options, Report
from services.common.errors import StartupError
from services.gpu.devices.base import Device, DeviceKind, Inventory
from services.gpu.devices.nvml import NvmlSource

_FIELDS = ("uuid", "name", "memory.total", "memory.used", "temperature.gpu", "utilization.gpu", "driver_version")
_MEMORY_SLACK_MIB, _TEMPERATURE_SLACK = 1_024, 5
"""What may change between two readings."""


def measure(report: Report, options: Options) -> bool:
    """Read both; False where they differ, or where there is nothing to read on a machine with a GPU."""
    inventory, listed = _inventory(), _listed()
    report.fact("nvml", inventory if isinstance(inventory, str) else [_fields(each) for each in _gpus(inventory)])
    report.fact("nvidia_smi", listed)
    if isinstance(inventory, str) or isinstance(listed, str):
        return not options.has_gpu
    differences = compare(inventory, listed)
    report.fact("differences", differences)
    return not differences


def compare(inventory: Inventory, listed: Sequence[Mapping[str, str]]) -> list[str]:
    """How the inventory differs from the lines of nvidia-smi, in words."""
    gpus = _gpus(inventory)
    if len(gpus) != len(listed):
        return [f"{len(gpus)} GPUs against {len(listed)}"]
    pairs = zip(gpus, listed, strict=True)
    found = [f"{gpu.id}: {name}" for gpu, line in pairs for name, same in _checks(gpu, line).items() if not same]
    drivers = {line["driver_version"] for line in listed}
    return found if drivers == {inventory.driver_version} else [*found, "driver_version"]


def _checks(gpu: Device, line: Mapping[str, str]) -> dict[str, bool]:
    used_mib = gpu.memory_used_bytes / 2**20
    return {
        "uuid": gpu.id == line["uuid"],
        "name": gpu.name == line["name"],
        "memory.total": str(gpu.memory_bytes // 2**20) == line["memory.total"],
        "memory.used": abs(used_mib - int(line["memory.used"])) <= _MEMORY_SLACK_MIB,
        "temperature.gpu": _is_near(gpu.temperature_celsius, line["temperature.gpu"], _TEMPERATURE_SLACK),
        "utilization.gpu": (gpu.utilization_percent is not None) == line["utilization.gpu"].isdigit(),
    }


def _is_near(ours: int | None, theirs: str, slack: int) -> bool:
    if ours is None or not theirs.isdigit():
        return ours is None and not theirs.isdigit()
    return abs(ours - int(theirs)) <= slack


def _inventory() -> Inventory | str:
    try:
        source = NvmlSource()
    except StartupError as exc:
        return str(exc)
    try:
        return source.read()
    finally:
        source.close()


def _listed() -> list[dict[str, str]] | str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "nvidia-smi is not installed"
    query = [program, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=15)
    if done.returncode:
        return f"nvidia-smi: {done.stdout}{done.stderr}".strip()
    return [dict(zip(_FIELDS, line.split(", "), strict=True)) for line in done.stdout.splitlines()]


def _gpus(inventory: Inventory) -> list[Device]:
    return [device for device in inventory.devices if device.kind is DeviceKind.GPU]


def _fields(gpu: Device) -> dict[str, object]:
    return {
        "uuid": gpu.id,
        "name": gpu.name,
        "memory_bytes": gpu.memory_bytes,
        "memory_used_bytes": gpu.memory_used_bytes,
        "temperature_celsius": gpu.temperature_celsius,
        "utilization_percent": gpu.utilization_percent,
        "compute_capability": gpu.compute_capability,
        "problem": gpu.problem,
    }


if __name__ == "__main__":
    steps.run("nvml", measure)
