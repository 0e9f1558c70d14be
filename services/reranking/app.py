"""Where the reranking service's objects meet."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from services.common.errors import StartupError
from services.common.lifecycle import ServiceApp
from services.reranking.backends.base import RerankingBackend
from services.reranking.backends.fake import FakeRerankingBackend
from services.reranking.backends.source import find_model
from services.reranking.engine import RerankingEngine
from services.reranking.servicer import registration
from services.reranking.settings import DEVELOPMENT_ID, RerankingSettings


def build(settings: RerankingSettings, *, backend: RerankingBackend | None = None) -> ServiceApp:
    """Build the service; the model is loaded when its engine is entered.

    Args:
        settings: of this process.
        backend: used instead of the one that the settings name.
    """
    load = (lambda: backend) if backend is not None else _loader(settings)
    engine = RerankingEngine(settings, load)
    return ServiceApp(registrations=[registration(engine)], engine=engine, background=[engine.run])


def _loader(settings: RerankingSettings) -> Callable[[], RerankingBackend]:
    if settings.backend == "fake":
        return lambda: FakeRerankingBackend(model_id=settings.model_id)
    return lambda: _load_real(settings)


def _load_real(settings: RerankingSettings) -> RerankingBackend:
    """Import torch only now: the fake backend and the tests need none, and a missing model is found without it."""
    found = find_model(settings.model_source)
    if settings.model_id == DEVELOPMENT_ID and not found.development_only:
        raise StartupError(
            f"model {DEVELOPMENT_ID}: {settings.model_source} is another model; name it with ISOLANE_RERANKING_MODEL_ID"
        )
    module = importlib.import_module("services.reranking.backends.sentence_transformers")
    backend: RerankingBackend = module.CrossEncoderBackend(
        model_id=settings.model_id,
        folder=found.folder,
        development_only=found.development_only,
        device=settings.device,
        require_gpu=settings.require_gpu,
        threads=settings.threads,
    )
    return backend
