"""The device that settings ask for."""

from __future__ import annotations

import ctypes
import importlib

from services.common.errors import StartupError


def choose_device(device: str, *, require_gpu: bool) -> str:
    """The device for a model: cpu, cuda or cuda:N.

    Args:
        device: `auto` (the GPU where there is one), `cuda`, `cuda:N` or `cpu`.
        require_gpu: refuse to run on the CPU.

    Raises:
        StartupError: a GPU is asked for and torch cannot use one.
    """
    if device == "cpu" and not require_gpu:
        return device
    has_gpu = _has_gpu()
    wants_gpu = require_gpu or device.startswith("cuda")
    if wants_gpu and (not has_gpu or device == "cpu"):
        reason = "the device is set to cpu" if device == "cpu" else "torch finds no usable CUDA GPU"
        raise StartupError(
            f"device {device!r}, require_gpu {require_gpu}: {reason}; check the driver or change the settings"
        )
    if device == "auto":
        return "cuda" if has_gpu else "cpu"
    return device


def _has_gpu() -> bool:
    """True when torch can use a GPU; torch is not asked, and not imported, where there is no driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return bool(importlib.import_module("torch").cuda.is_available())
