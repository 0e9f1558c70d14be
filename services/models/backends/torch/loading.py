"""A model with torch, on a GPU or the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from services.models.backends import number_types
from services.models.backends.kind import Kind
from services.models.backends.network import Opened, Pipeline
from services.models.backends.tokenizer import tokenizer_for
from services.models.backends.torch.network import TorchNetwork, translated_errors
from services.models.backends.torch.pipeline import open_pipeline
from services.models.settings import ModelServerSettings, ModelSettings


def load(settings: ModelServerSettings, model: ModelSettings, *, folder: Path, kind: Kind, device: str) -> Opened:
    """The model on its device, ready to compute.

    Args:
        settings: of the service.
        model: its own.
        folder: its files.
        kind: of model.
        device: cpu, cuda or cuda:N.

    Raises:
        StartupError: its files are missing or damaged, or it is of another kind.
        DeviceMemoryFull, DeviceLost: the device failed, whatever the files are.
    """
    opened = partial(open_pipeline, kind.pipeline, model.id, folder, device=device, **model.options)
    open_network = partial(_network, settings, kind.output, device)
    dtype: str = model.dtype
    if dtype == "auto":
        dtype = _chosen(model, opened, open_network, kind) if _has_bfloat16(device) else number_types.EXACT
    pipeline = opened(dtype=dtype)
    network = open_network(pipeline, dtype)
    return Opened(network=network, tokenizer=pipeline.tokenizer, facts=pipeline.facts, dtype=dtype)


def _chosen(
    model: ModelSettings,
    opened: Callable[..., Pipeline],
    open_network: Callable[[Pipeline, str], TorchNetwork],
    kind: Kind,
) -> str:
    """The type that `auto` comes to."""
    pipeline = opened(dtype=number_types.EXACT)
    items = kind.sample(tokenizer_for(model, pipeline.tokenizer, pipeline.facts), number_types.SAMPLES)
    exact = open_network(pipeline, number_types.EXACT)
    del pipeline  # what is closed then leaves the device

    def open_fast() -> TorchNetwork:
        return open_network(opened(dtype=number_types.FAST), number_types.FAST)

    return number_types.choose(model.id, exact, open_fast, items, kind.loss)


def _has_bfloat16(device: str) -> bool:
    """Whether torch is faster in bfloat16 there; on CPUs it was not where it was measured, and old GPUs emulate it."""
    if device == "cpu":
        return False
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _network(settings: ModelServerSettings, output: str, device: str, pipeline: Pipeline, dtype: str) -> TorchNetwork:
    with translated_errors():
        return TorchNetwork(
            pipeline, output=output, device=device, dtype=dtype, threads=settings.threads, replicas=settings.replicas
        )
