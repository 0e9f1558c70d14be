"""The `DeviceSource` port and its values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol


class DeviceKind(Enum):
    """What a device is."""

    CPU = "cpu"
    GPU = "gpu"
    MIG = "mig"
    """A slice of a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One thing that a model can run on, as it is at one moment."""

    id: str
    """Unique and stable: the NVML UUID, or `cpu`."""
    kind: DeviceKind
    name: str
    memory_bytes: int = 0
    memory_used_bytes: int = 0
    utilization_percent: int | None = None
    """None where it is not reported."""
    temperature_celsius: int | None = None
    """None where it is not reported."""
    compute_capability: str = ""
    """For example 9.0; empty for a CPU."""
    problem: str = ""
    """Why the device must not be used; empty when it may be."""

    @property
    def is_healthy(self) -> bool:
        """True when the device may be used."""
        return not self.problem

    def failing(self, problem: str) -> Device:
        """This device with a problem, and without the readings that are out of date by now."""
        return replace(self, problem=problem, utilization_percent=None, temperature_celsius=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The node's devices at one moment."""

    devices: tuple[Device, ...] = ()
    """GPUs in the driver's order, slices after their GPU."""
    driver_version: str = ""
    """Empty without a driver."""

    @property
    def has_usable_gpu(self) -> bool:
        """True when a GPU or a slice of one may be used."""
        return any(device.is_healthy and device.kind is not DeviceKind.CPU for device in self.devices)


class DeviceSource(Protocol):
    """Knows devices. Its methods block, perhaps for ever: a driver can hang. One thread calls at a time."""

    def read(self) -> Inventory:
        """The devices as they are now; what is wrong with one of them is in its `problem`."""
        ...

    def close(self) -> None:
        """Let go of the driver."""
        ...
