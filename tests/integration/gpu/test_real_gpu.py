from __future__ import annotations

import re
import shutil
import subprocess

import pynvml
import pytest

from services.gpu.devices.base import DeviceKind, Inventory
from services.gpu.devices.nvml import NvmlSource

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return NvmlSource().read()


def test_every_gpu_is_read_whole(inventory: Inventory) -> None:
    gpus = [device for device in inventory.devices if device.kind is DeviceKind.GPU]

    assert re.match(r"\d+\.\d+", inventory.driver_version)
    assert len(gpus) == pynvml.nvmlDeviceGetCount() > 0
    for gpu in gpus:
        assert gpu.id.startswith("GPU-")
        assert gpu.name
        assert 0 < gpu.memory_used_bytes < gpu.memory_bytes
        assert re.fullmatch(r"\d+\.\d", gpu.compute_capability)
        assert gpu.temperature_celsius is None or 0 < gpu.temperature_celsius < 120
        assert gpu.utilization_percent is None or 0 <= gpu.utilization_percent <= 100


def test_a_second_reading_names_the_same_devices(inventory: Inventory) -> None:
    assert [device.id for device in NvmlSource().read().devices] == [device.id for device in inventory.devices]


@pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="nvidia-smi is not installed")
def test_the_inventory_agrees_with_nvidia_smi(inventory: Inventory) -> None:
    query = ["nvidia-smi", "--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits"]
    listed = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout

    gpus = [device for device in inventory.devices if device.kind is DeviceKind.GPU]
    assert [(gpu.id, gpu.name, str(gpu.memory_bytes // 2**20)) for gpu in gpus] == [
        tuple(line.split(", ")) for line in listed.splitlines()
    ]
