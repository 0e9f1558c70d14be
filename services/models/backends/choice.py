"""What computes a model, and where: decided before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.common.errors import StartupError
from services.models.backends.torch.device import check_torch, choose_device
from services.models.settings import ModelServerSettings, ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A backend and its device."""

    backend: Literal["openvino", "torch"]
    device: str
    """cpu, cuda or cuda:N."""


def choose(settings: ModelServerSettings, model: ModelSettings) -> Choice:
    """What the settings ask for; `auto` is torch on a GPU and OpenVINO on the CPU.

    Raises:
        StartupError: it does not go together, or a GPU or torch is asked for and there is none.
    """
    if settings.backend == "openvino" and (settings.require_gpu or settings.device.startswith("cuda")):
        raise StartupError(
            f"backend openvino, device {settings.device!r}, require_gpu {settings.require_gpu}: this backend runs on "
            "the CPU; set the backend to torch or auto, or change the device"
        )
    if settings.backend == "openvino":
        chosen = Choice(backend="openvino", device="cpu")
    else:
        device = choose_device(settings.device, require_gpu=settings.require_gpu, service=settings.service)
        is_torch = settings.backend == "torch" or device != "cpu"
        if is_torch:
            check_torch(settings.service)
        chosen = Choice(backend="torch" if is_torch else "openvino", device=device)
    _check_dtype(model, chosen)
    return chosen


def _check_dtype(model: ModelSettings, chosen: Choice) -> None:
    if model.dtype == "float16" and chosen.device == "cpu":
        raise StartupError(f"model {model.id}: float16 is for GPUs; use float32, bfloat16 or int8 on the CPU")
    if model.dtype == "int8" and chosen.backend == "torch":
        raise StartupError(
            f"model {model.id}: int8 is for the CPU with backend openvino; use bfloat16 or float16 with torch"
        )
