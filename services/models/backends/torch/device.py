"""The device that settings ask for."""

from __future__ import annotations

import ctypes
import importlib
from functools import cache
from importlib.util import find_spec

from services.common.errors import StartupError
from services.common.telemetry.logs import get_logger

log = get_logger()


def choose_device(device: str, *, require_gpu: bool, service: str) -> str:
    """The device for a model: cpu, cuda or cuda:N.

    Args:
        device: `auto` (the GPU where there is one that torch can use), `cuda`, `cuda:N` or `cpu`.
        require_gpu: refuse to run on the CPU.
        service: whose models they are.

    Raises:
        StartupError: a GPU is asked for and torch cannot use one, or is not installed.
    """
    if require_gpu or device.startswith("cuda"):
        if problem := _problem(device, service):
            raise StartupError(f"device {device!r}, require_gpu {require_gpu}: {problem}")
        return "cuda" if device == "auto" else device
    if device == "auto":
        return "cuda" if _has_gpu(service) else "cpu"
    return device


def check_torch(service: str) -> None:
    """Make sure that torch is there.

    Raises:
        StartupError: it is not.
    """
    if not _has_torch():
        raise StartupError(f"backend torch: {_without_torch(service)}")


def _problem(device: str, service: str) -> str:
    """Why no GPU can be used; empty when one can."""
    if device == "cpu":
        return "the device is set to cpu; change the settings"
    if not _has_torch():
        return _without_torch(service)
    return "" if _has_gpu(service) else "torch finds no usable CUDA GPU; check the driver or change the settings"


def _has_gpu(service: str) -> bool:
    """True when torch can use a GPU; torch is not asked, and not imported, where there is no driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    if not _has_torch():
        _warn_once(service)
        return False
    return bool(importlib.import_module("torch").cuda.is_available())


def _has_torch() -> bool:
    return find_spec("torch") is not None


def _without_torch(service: str) -> str:
    return f"torch is not installed; it comes with an extra: pip install 'isolane[{service},torch]'"


@cache
def _warn_once(service: str) -> None:
    """Once a process, however many models it has."""
    log.warning("gpu_not_used", reason=f"{_without_torch(service)}; models run on the CPU")
