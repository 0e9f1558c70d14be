"""A model on the device that its service's settings ask for: all of a backend but how it tokenises."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from services.common.config import ModelServerSettings, ModelSettings, models_dir
from services.common.devices.choice import Choice
from services.common.devices.network import Loaded, ModelFacts, Network, OpenPipeline
from services.common.devices.openvino_wanted import Wanted
from services.common.devices.tokenizer import ModelTokenizer
from services.common.errors import StartupError
from services.common.models import ModelInfo, Tokens, revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A loaded model in its parts."""

    info: ModelInfo
    network: Network
    tokenizer: ModelTokenizer


class DeviceModel:
    """What `services.common.backend.ModelBackend` asks for; a service's backend adds `tokenize`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        return self._parts.info

    @property
    def replicas(self) -> int:
        """How many batches it computes at once to use its device fully."""
        return self._parts.network.replicas

    def prepare(self, batch: Sequence[Tokens]) -> Any:
        """The batch as `compute` takes it."""
        return self._parts.network.prepare(batch)

    def compute(self, prepared: Any, *, alone: bool) -> npt.NDArray[np.float32]:
        """What the model's own modules give for each item, shape (items, ...).

        Raises:
            DeviceMemoryFull, DeviceLost: see `Network`.
        """
        return self._parts.network.compute(prepared, alone=alone)

    def close(self) -> None:
        """Free the memory."""
        self._parts.network.close()


def load_parts(
    settings: ModelServerSettings,
    model: ModelSettings,
    chosen: Choice,
    *,
    folder: Path,
    output: str,
    open_pipeline: OpenPipeline,
) -> Parts:
    """Load a model.

    Args:
        settings: of the service.
        model: the model's own.
        chosen: what computes it.
        folder: the model's files.
        output: the feature of the pipeline that is the result.
        open_pipeline: loads the files with torch.

    Raises:
        StartupError: the model cannot be loaded, or its settings do not fit it.
    """
    wanted = Wanted(output=output, revision=revision(folder), dtype=model.dtype)
    loaded = (_with_openvino if chosen.backend == "openvino" else _with_torch)(
        settings, model, chosen, wanted, open_pipeline
    )
    info = ModelInfo(
        id=model.id,
        revision=wanted.revision,
        max_tokens=max_tokens_of(model, loaded.facts),
        dtype=model.dtype,
        device=chosen.device,
        dimensions=loaded.facts.dimensions,
        backend=chosen.backend,
    )
    tokenizer = tokenizer_for(model, loaded.tokenizer, loaded.facts)
    return Parts(info=info, network=loaded.network, tokenizer=tokenizer)


def _with_openvino(
    settings: ModelServerSettings, model: ModelSettings, _chosen: Choice, wanted: Wanted, open_pipeline: OpenPipeline
) -> Loaded:
    module = importlib.import_module("services.common.devices.openvino_loading")
    loaded: Loaded = module.load(
        model.id,
        wanted,
        open_pipeline,
        models_dir=models_dir(),
        threads=settings.threads,
        replicas=settings.replicas,
    )
    return loaded


def _with_torch(
    settings: ModelServerSettings, model: ModelSettings, chosen: Choice, wanted: Wanted, open_pipeline: OpenPipeline
) -> Loaded:
    module = importlib.import_module("services.common.devices.torch_network")
    pipeline = open_pipeline(device=chosen.device, dtype=model.dtype)
    with module.translated_errors():
        network = module.TorchNetwork(
            pipeline,
            output=wanted.output,
            device=chosen.device,
            dtype=model.dtype,
            threads=settings.threads,
            replicas=settings.replicas,
        )
    return Loaded(network=network, tokenizer=pipeline.tokenizer, facts=pipeline.facts)


def max_tokens_of(model: ModelSettings, facts: ModelFacts) -> int:
    """The limit that the settings give, or the model's own.

    Raises:
        StartupError: the settings' is longer than the model's.
    """
    if model.max_tokens > facts.max_tokens:
        raise StartupError(
            f"model {model.id}: max_tokens is {model.max_tokens}, and the model itself takes at most "
            f"{facts.max_tokens}; lower it, or 0 for the model's own limit"
        )
    return model.max_tokens or facts.max_tokens


def tokenizer_for(model: ModelSettings, tokenizer: Tokenizer, facts: ModelFacts) -> ModelTokenizer:
    """The model's tokenizer with the settings' limit.

    Raises:
        StartupError: the limit is too short, or longer than the model's.
    """
    try:
        return ModelTokenizer(
            tokenizer,
            max_tokens=max_tokens_of(model, facts),
            vocabulary=facts.vocabulary,
            has_types=facts.has_types,
            keeps_end=facts.keeps_end,
        )
    except ValueError as exc:
        raise StartupError(f"model {model.id}: {exc}; raise it") from exc
