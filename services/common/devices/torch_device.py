"""The torch device that settings ask for."""

from __future__ import annotations

import torch

from services.common.errors import StartupError


def choose_device(device: str, *, require_gpu: bool) -> torch.device:
    """The device for a model.

    Args:
        device: `auto` (the GPU where there is one), `cuda`, `cuda:N` or `cpu`.
        require_gpu: refuse to run on the CPU.

    Raises:
        StartupError: a GPU is asked for and torch cannot use one.
    """
    has_gpu = torch.cuda.is_available()
    wants_gpu = require_gpu or device.startswith("cuda")
    if wants_gpu and (not has_gpu or device == "cpu"):
        reason = "the device is set to cpu" if device == "cpu" else "torch finds no usable CUDA GPU"
        raise StartupError(
            f"device {device!r}, require_gpu {require_gpu}: {reason}; check the driver or change the settings"
        )
    if device == "auto":
        return torch.device("cuda" if has_gpu else "cpu")
    return torch.device(device)
