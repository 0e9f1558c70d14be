"""The part of pynvml that is used, as types: pynvml has none."""

# ruff: noqa: D102, N802 - the functions' names and their documentation are NVML's

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

Handle: TypeAlias = Any
"""NVML's opaque reference to a GPU or a slice."""


class NvmlError(Exception):
    """The shape of pynvml.NVMLError."""

    value: int
    """One of the NVML_ERROR_ codes."""


class Memory(Protocol):
    """Memory of a device. Unit: bytes."""

    total: int
    used: int


class Utilization(Protocol):
    """Share of time in use. Unit: percent."""

    gpu: int


class Nvml(Protocol):
    """The functions and constants of the module pynvml; every function may raise NVMLError."""

    NVMLError: type[NvmlError]
    NVML_DEVICE_MIG_ENABLE: int
    NVML_ERROR_FUNCTION_NOT_FOUND: int
    NVML_ERROR_NOT_FOUND: int
    NVML_ERROR_NOT_SUPPORTED: int
    NVML_ERROR_NO_DATA: int
    NVML_ERROR_NO_PERMISSION: int
    NVML_TEMPERATURE_GPU: int

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlSystemGetDriverVersion(self) -> str: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int, /) -> Handle: ...
    def nvmlDeviceGetUUID(self, handle: Handle, /) -> str: ...
    def nvmlDeviceGetName(self, handle: Handle, /) -> str: ...
    def nvmlDeviceGetMemoryInfo(self, handle: Handle, /) -> Memory: ...
    def nvmlDeviceGetUtilizationRates(self, handle: Handle, /) -> Utilization: ...
    def nvmlDeviceGetTemperature(self, handle: Handle, sensor: int, /) -> int: ...
    def nvmlDeviceGetCudaComputeCapability(self, handle: Handle, /) -> tuple[int, int]: ...
    def nvmlDeviceGetMigMode(self, handle: Handle, /) -> list[int]: ...
    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Handle, /) -> int: ...
    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Handle, slot: int, /) -> Handle: ...
