"""The inventory as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from prometheus_client import Gauge

from services.gpu.devices.base import Device, Inventory

Reading = Callable[[Device], float | None]
Series = tuple[Gauge, tuple[str, ...]]

_LABELS = ("device", "kind", "name")


@cache
def _gauges() -> tuple[tuple[Gauge, Reading], ...]:
    return (
        (Gauge("isolane_gpu_memory_bytes", "Memory of the device.", _LABELS), lambda device: device.memory_bytes),
        (Gauge("isolane_gpu_memory_used_bytes", "Memory in use.", _LABELS), lambda device: device.memory_used_bytes),
        (Gauge("isolane_gpu_utilization_percent", "Time in use.", _LABELS), lambda device: device.utilization_percent),
        (Gauge("isolane_gpu_temperature_celsius", "Core heat.", _LABELS), lambda device: device.temperature_celsius),
        (Gauge("isolane_gpu_healthy", "1 when the device may be used.", _LABELS), lambda device: device.is_healthy),
    )


class InventoryGauges:
    """Shows one inventory; what a device does not report, or a device that is gone, has no series."""

    def __init__(self) -> None:
        self._gauges = _gauges()
        self._shown: set[Series] = set()

    def show(self, inventory: Inventory) -> None:
        """Replace what is shown."""
        shown: set[Series] = set()
        for gauge, reading in self._gauges:
            for device in inventory.devices:
                if (value := reading(device)) is not None:
                    labels: tuple[str, ...] = (device.id, device.kind.value, device.name)
                    gauge.labels(*labels).set(value)
                    shown.add((gauge, labels))
        for gauge, labels in self._shown - shown:
            gauge.remove(*labels)
        self._shown = shown
