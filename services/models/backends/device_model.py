"""A model on the device that its service's settings ask for: all of a backend but how it tokenises."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.models.backends.choice import Choice
from services.models.backends.kind import Kind
from services.models.backends.network import Loaded, Network
from services.models.backends.tokenizer import ModelTokenizer, max_tokens_of, tokenizer_for
from services.models.models import ModelInfo, Tokens, revision
from services.models.settings import ModelServerSettings, ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A loaded model in its parts."""

    info: ModelInfo
    network: Network
    tokenizer: ModelTokenizer


class DeviceModel:
    """What `services.models.backend.ModelBackend` asks for; a service's backend adds `tokenize`."""

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
    settings: ModelServerSettings, model: ModelSettings, chosen: Choice, *, folder: Path, kind: Kind
) -> Parts:
    """Load a model.

    Args:
        settings: of the service.
        model: the model's own.
        chosen: what computes it.
        folder: the model's files.
        kind: of model.

    Raises:
        StartupError: the model cannot be loaded, or its settings do not fit it.
    """
    # torch is imported only where it computes.
    module = importlib.import_module(f"services.models.backends.{chosen.backend}.loading")
    where = {} if chosen.backend == "openvino" else {"device": chosen.device}
    loaded: Loaded = module.load(settings, model, folder=folder, kind=kind, **where)
    info = ModelInfo(
        id=model.id,
        revision=revision(folder),
        max_tokens=max_tokens_of(model, loaded.facts),
        dtype=loaded.dtype,
        device=chosen.device,
        dimensions=loaded.facts.dimensions,
        backend=chosen.backend,
    )
    tokenizer = tokenizer_for(model, loaded.tokenizer, loaded.facts)
    return Parts(info=info, network=loaded.network, tokenizer=tokenizer)
