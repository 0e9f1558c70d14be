"""Made-up GPUs: a whole one and one in two slices."""

from __future__ import annotations

from services.gpu.devices.base import Device, DeviceKind, Inventory

_GIB = 1024**3
_SPLIT = "it is split into MIG slices; use those"


def _gpu(number: int, *, problem: str = "") -> Device:
    return Device(
        id=f"GPU-00000000-0000-0000-0000-{number:012d}",
        kind=DeviceKind.GPU,
        name="Fake GPU",
        memory_bytes=80 * _GIB,
        memory_used_bytes=8 * _GIB,
        utilization_percent=None if problem else 25,
        temperature_celsius=40,
        compute_capability="9.0",
        problem=problem,
    )


def _slice(number: int) -> Device:
    return Device(
        id=f"MIG-00000000-0000-0000-0000-{number:012d}",
        kind=DeviceKind.MIG,
        name="Fake GPU MIG 3g.40gb",
        memory_bytes=40 * _GIB,
        memory_used_bytes=4 * _GIB,
        compute_capability="9.0",
    )


FAKE_INVENTORY = Inventory(devices=(_gpu(0), _gpu(1, problem=_SPLIT), _slice(0), _slice(1)), driver_version="0.0-fake")


class FakeSource:
    """Always gives the same inventory.

    Args:
        inventory: what to give.
    """

    def __init__(self, inventory: Inventory = FAKE_INVENTORY) -> None:
        self.inventory = inventory

    def read(self) -> Inventory:
        """The inventory."""
        return self.inventory

    def close(self) -> None:
        """Nothing to let go of."""
