"""The one way in which every service loads a model: choose a device, find the files, open them there."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from services.models.backends.choice import Choice, choose
from services.models.backends.device_model import Parts
from services.models.backends.kind import Kind
from services.models.backends.network import Opened
from services.models.backends.tokenizer import max_tokens_of, tokenizer_for
from services.models.models import ModelInfo, locate, revision
from services.models.settings import ModelServerSettings, ModelSettings


def load(settings: ModelServerSettings, model: ModelSettings, kind: Kind) -> Any:
    """The backend of a model, as its kind makes it.

    Args:
        settings: of the service.
        model: the model's own.
        kind: of model.

    Raises:
        StartupError: the model or the device is not there, or the settings do not fit them.
    """
    chosen = choose(settings, model)
    folder = locate(model.source, wanted=model.revision)
    return kind.backend(load_parts(settings, model, chosen, folder=folder, kind=kind), model)


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
    loaded: Opened = module.load(settings, model, folder=folder, kind=kind, **where)
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
    return Parts(info=info, network=loaded.network, tokenizer=tokenizer, folder=folder)
