"""A sentence-transformers pipeline with torch, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from services.common.errors import DeviceLost, DeviceMemoryFull
from services.models.backends.network import Pipeline
from services.models.backends.torch.packing import Packing, moved, pad, try_packing
from services.models.models import Tokens

_MEMORY_SIGNS = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory")
_LOSS_SIGNS = ("CUDA error", "CUBLAS_STATUS", "cuDNN error")


class TorchNetwork:
    """Computes one batch at a time unless told otherwise; torch uses all its threads for each.

    Args:
        pipeline: on its device.
        output: the feature that is the result.
        device: cpu, cuda or cuda:N.
        dtype: the pipeline's: float32, bfloat16 or float16.
        threads: CPU threads of the process; 0 takes one per core.
        replicas: batches at once; 0 takes one.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        output: str,
        device: str,
        dtype: str = "float32",
        threads: int = 0,
        replicas: int = 0,
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._module: Any = pipeline.module
        self._facts = pipeline.facts
        self._output = output
        self._device = torch.device(device)
        self._replicas = replicas or 1
        self._packing: Packing | None = None
        if self._device.type == "cuda" and dtype != "float32":
            self._packing = try_packing(pipeline, output=output, device=self._device)

    @property
    def replicas(self) -> int:
        """Batches at once."""
        return self._replicas

    def prepare(self, batch: Sequence[Tokens]) -> Mapping[str, Any]:
        """Features of the batch, padded or packed; for a GPU in memory that it can read by itself.

        Raises:
            DeviceMemoryFull, DeviceLost: as `compute`.
        """
        features = pad(batch, self._facts) if self._packing is None else self._packing.pack(batch)
        if self._device.type == "cpu":
            return features
        with translated_errors():
            return {key: value.pin_memory() if isinstance(value, Tensor) else value for key, value in features.items()}

    @torch.inference_mode()
    def compute(self, prepared: Mapping[str, Any], *, alone: bool) -> npt.NDArray[np.float32]:  # noqa: ARG002 - the port's
        """What the pipeline gives, shape (items, dimensions) or (items, 1).

        Raises:
            DeviceMemoryFull: the batch does not fit into the device's memory.
            DeviceLost: CUDA failed in a way that lasts.
        """
        with translated_errors():
            result: Tensor = self._module(moved(prepared, self._device))[self._output]
            numbers: npt.NDArray[np.float32] = result.float().cpu().numpy()
        return numbers

    def close(self) -> None:
        """Free the memory."""
        self._module = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what torch raises for a device into the kit's errors. Not yet tried on a GPU: the tests raise fakes.

    Raises:
        DeviceMemoryFull: there was no memory; what torch had set aside is given back.
        DeviceLost: any other CUDA error, which stays until the process ends.
    """
    try:
        yield
    except RuntimeError as exc:
        if isinstance(exc, torch.OutOfMemoryError) or any(sign in str(exc) for sign in _MEMORY_SIGNS):
            torch.cuda.empty_cache()
            raise DeviceMemoryFull(f"no memory: {exc}") from exc
        if isinstance(exc, torch.AcceleratorError) or any(sign in str(exc) for sign in _LOSS_SIGNS):
            raise DeviceLost(f"CUDA failed: {exc}") from exc
        raise
