"""The backend that the settings ask for; the libraries of a real one are imported only when it is loaded."""

from __future__ import annotations

import importlib

from services.embedding.backends.base import EmbeddingBackend
from services.embedding.backends.fake import fake_of
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings


def load(settings: EmbeddingSettings, model: EmbeddingModelSettings) -> EmbeddingBackend:
    """Load a model; takes seconds, and longer when its files must be fetched or converted.

    Args:
        settings: of the service.
        model: the model's own.

    Raises:
        StartupError: the model or the device is not there, or the settings do not fit them.
    """
    if settings.backend == "fake":
        return fake_of(settings, model)
    bi_encoder = importlib.import_module("services.embedding.backends.bi_encoder")
    backend: EmbeddingBackend = bi_encoder.load(settings, model)
    return backend
