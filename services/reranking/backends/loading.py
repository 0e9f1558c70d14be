"""The backend that the settings ask for; the libraries of a real one are imported only when it is loaded."""

from __future__ import annotations

import importlib

from services.reranking.backends.base import RerankingBackend
from services.reranking.backends.fake import fake_of
from services.reranking.settings import RerankingModelSettings, RerankingSettings


def load(settings: RerankingSettings, model: RerankingModelSettings) -> RerankingBackend:
    """Load a model; takes seconds, and longer when its files must be fetched or converted.

    Args:
        settings: of the service.
        model: the model's own.

    Raises:
        StartupError: the model or the device is not there, or the settings do not fit them.
    """
    if settings.backend == "fake":
        return fake_of(settings, model)
    cross_encoder = importlib.import_module("services.reranking.backends.cross_encoder")
    backend: RerankingBackend = cross_encoder.load(settings, model)
    return backend
