"""A sentence-transformers pipeline with torch, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from services.common.devices.network import Pipeline
from services.common.devices.padding import padded
from services.common.errors import DeviceLost, DeviceMemoryFull
from services.common.models import Tokens

_MEMORY_SIGNS = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory")
_LOSS_SIGNS = ("CUDA error", "CUBLAS_STATUS", "cuDNN error")


class TorchNetwork:
    """Computes one batch at a time unless told otherwise; torch uses all its threads for each.

    Args:
        pipeline: on its device.
        output: the feature that is the result.
        device: cpu, cuda or cuda:N.
        threads: CPU threads of the process; 0 takes one per core.
        replicas: batches at once; 0 takes one.
    """

    def __init__(self, pipeline: Pipeline, *, output: str, device: str, threads: int, replicas: int) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._module: Any = pipeline.module
        self._facts = pipeline.facts
        self._output = output
        self._device = torch.device(device)
        self._replicas = replicas or 1

    @property
    def replicas(self) -> int:
        """Batches at once."""
        return self._replicas

    def prepare(self, batch: Sequence[Tokens]) -> Mapping[str, Tensor]:
        """Padded tensors; for a GPU in memory that it can read by itself."""
        arrays = padded(batch, pad_id=self._facts.pad_id, has_types=self._facts.has_types)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if self._device.type == "cpu":
            return tensors
        return {name: tensor.pin_memory() for name, tensor in tensors.items()}

    @torch.inference_mode()
    def compute(self, prepared: Mapping[str, Tensor], *, alone: bool) -> npt.NDArray[np.float32]:  # noqa: ARG002 - the port's
        """What the pipeline gives, shape (items, dimensions) or (items, 1).

        Raises:
            DeviceMemoryFull: the batch does not fit on the GPU.
            DeviceLost: CUDA failed in a way that lasts.
        """
        with translated_errors():
            features = {name: tensor.to(self._device, non_blocking=True) for name, tensor in prepared.items()}
            result: Tensor = self._module(features)[self._output]
            numbers: npt.NDArray[np.float32] = result.float().cpu().numpy()
        return numbers

    def close(self) -> None:
        """Free the memory."""
        self._module = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what torch raises for a device into the kit's errors. No GPU was there to try it on: the tests raise fakes.

    Raises:
        DeviceMemoryFull: there was no memory; what torch had set aside is given back.
        DeviceLost: any other CUDA error, which stays until the process ends.
    """
    try:
        yield
    except RuntimeError as exc:
        if isinstance(exc, torch.OutOfMemoryError) or any(sign in str(exc) for sign in _MEMORY_SIGNS):
            torch.cuda.empty_cache()
            raise DeviceMemoryFull(f"no memory for this batch: {exc}") from exc
        if isinstance(exc, torch.AcceleratorError) or any(sign in str(exc) for sign in _LOSS_SIGNS):
            raise DeviceLost(f"CUDA failed: {exc}") from exc
        raise
