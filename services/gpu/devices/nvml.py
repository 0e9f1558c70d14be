"""NVIDIA GPUs and their MIG slices, through the driver's management library (NVML)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pynvml

from services.common.errors import StartupError
from services.gpu.devices.base import Device, DeviceKind, Inventory
from services.gpu.devices.nvml_api import Handle, Nvml


class NvmlSource:
    """Reads the devices anew each time; GPUs once seen stay listed when the driver loses them.

    Args:
        nvml: pynvml, or something of its shape.

    Raises:
        StartupError: there is no driver, it cannot be used, or it has no GPU.
    """

    def __init__(self, nvml: Nvml = pynvml) -> None:
        self._nvml = nvml
        self._known: dict[str, Device] = {}
        self._ids: dict[int, str] = {}
        self._driver_version = ""
        self._not_reported = {
            nvml.NVML_ERROR_NOT_SUPPORTED,
            nvml.NVML_ERROR_NO_PERMISSION,
            nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
            nvml.NVML_ERROR_NO_DATA,
        }
        try:
            nvml.nvmlInit()
            count = nvml.nvmlDeviceGetCount()
            self._driver_version = self._reported(nvml.nvmlSystemGetDriverVersion) or ""
        except nvml.NVMLError as exc:
            raise StartupError(f"the NVIDIA driver cannot be used: {exc}; install or repair it") from exc
        if count == 0:
            raise StartupError("the NVIDIA driver has no GPU; check that one is built in and passed to this machine")

    def read(self) -> Inventory:
        """The devices as they are now; never raises for what the driver reports."""
        try:
            count = self._nvml.nvmlDeviceGetCount()
        except self._nvml.NVMLError as exc:
            return self._inventory([device.failing(_says(exc)) for device in self._known.values()])
        devices = [device for index in range(count) for device in self._read_gpu(index)]
        return self._inventory(devices + self._vanished(devices))

    def close(self) -> None:
        """Let go of the driver."""
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError:
            return  # the process ends anyway

    def _inventory(self, devices: list[Device]) -> Inventory:
        return Inventory(devices=tuple(devices), driver_version=self._driver_version)

    def _read_gpu(self, index: int) -> list[Device]:
        """A GPU and its slices."""
        try:
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            gpu = self._identify(handle, DeviceKind.GPU)
        except self._nvml.NVMLError as exc:
            unknown = Device(id=f"nvml-{index}", kind=DeviceKind.GPU, name="unknown GPU")
            return [self._known.get(self._ids.get(index, ""), unknown).failing(_says(exc))]
        gpu = self._measure(handle, gpu)
        self._ids[index] = gpu.id
        self._known[gpu.id] = gpu
        return [gpu] if gpu.problem else self._with_slices(handle, gpu)

    def _vanished(self, listed: list[Device]) -> list[Device]:
        """GPUs seen earlier that the driver does not list any more."""
        ids = {device.id for device in listed}
        problem = "the driver does not list it any more; check it with nvidia-smi"
        return [device.failing(problem) for device in self._known.values() if device.id not in ids]

    def _identify(self, handle: Handle, kind: DeviceKind) -> Device:
        name = self._reported(self._nvml.nvmlDeviceGetName, handle)
        return Device(id=self._nvml.nvmlDeviceGetUUID(handle), kind=kind, name=name or "NVIDIA GPU")

    def _measure(self, handle: Handle, device: Device) -> Device:
        """The device with its readings, or with the problem that kept them back."""
        nvml = self._nvml
        try:
            memory = self._reported(nvml.nvmlDeviceGetMemoryInfo, handle)
            device = replace(device, memory_bytes=memory.total, memory_used_bytes=memory.used) if memory else device
            if device.kind is DeviceKind.MIG:
                return device  # NVML measures the rest for whole GPUs only
            utilization = self._reported(nvml.nvmlDeviceGetUtilizationRates, handle)
            capability = self._reported(nvml.nvmlDeviceGetCudaComputeCapability, handle)
            return replace(
                device,
                utilization_percent=utilization.gpu if utilization else None,
                temperature_celsius=self._reported(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
                compute_capability="{}.{}".format(*capability) if capability else "",
            )
        except nvml.NVMLError as exc:
            return device.failing(_says(exc))

    def _with_slices(self, handle: Handle, gpu: Device) -> list[Device]:
        """The GPU, and its slices when it is split: then only they may be used."""
        try:
            mode = self._reported(self._nvml.nvmlDeviceGetMigMode, handle)
            if mode is None or mode[0] != self._nvml.NVML_DEVICE_MIG_ENABLE:
                return [gpu]
            slots = range(self._nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
            slices = [found for slot in slots if (found := self._read_slice(handle, slot, gpu)) is not None]
        except self._nvml.NVMLError as exc:
            return [gpu.failing(f"its MIG slices cannot be read: {_says(exc)}")]
        problem = "it is split into MIG slices; use those" if slices else "MIG is on and it has no slices; make some"
        return [replace(gpu, problem=problem), *slices]

    def _read_slice(self, gpu_handle: Handle, slot: int, gpu: Device) -> Device | None:
        """The slice in a slot; None for an empty slot."""
        try:
            handle = self._nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu_handle, slot)
        except self._nvml.NVMLError as exc:
            if exc.value != self._nvml.NVML_ERROR_NOT_FOUND:
                raise
            return None
        found = replace(self._identify(handle, DeviceKind.MIG), compute_capability=gpu.compute_capability)
        return self._measure(handle, found)

    def _reported(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function gives; None where this device or driver does not report it."""
        try:
            return function(*arguments)
        except self._nvml.NVMLError as exc:
            if exc.value in self._not_reported:
                return None
            raise


def _says(exc: Exception) -> str:
    return f"the driver says: {exc}; check it with nvidia-smi"
