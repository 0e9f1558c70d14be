from __future__ import annotations

from pathlib import Path

import pytest

from services.gpu.devices.base import DeviceKind
from services.gpu.devices.cpu import read_cpu


def test_name_and_memory_come_from_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast CPU\n\nprocessor\t: 1\nmodel name\t: Other\n")
    (tmp_path / "meminfo").write_text("MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  400 kB\n")

    cpu = read_cpu(tmp_path)

    assert (cpu.id, cpu.kind, cpu.name) == ("cpu", DeviceKind.CPU, "Fast CPU")
    assert (cpu.memory_bytes, cpu.memory_used_bytes) == (1000 * 1024, 600 * 1024)
    assert (cpu.is_healthy, cpu.utilization_percent, cpu.temperature_celsius) == (True, None, None)


@pytest.mark.parametrize("memory", [None, "", "MemTotal: lots\n"])
def test_a_node_that_tells_nothing_has_a_cpu_all_the_same(tmp_path: Path, memory: str | None) -> None:
    if memory is not None:
        (tmp_path / "meminfo").write_text(memory)

    cpu = read_cpu(tmp_path)

    assert cpu.name
    assert (cpu.memory_bytes, cpu.memory_used_bytes) == (0, 0)


def test_this_machine_has_memory_and_uses_some_of_it() -> None:
    cpu = read_cpu()

    assert 0 < cpu.memory_used_bytes < cpu.memory_bytes
