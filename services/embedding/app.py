"""Where the embedding service's objects meet."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from services.common.lifecycle import ServiceApp
from services.embedding.backends.base import EmbeddingBackend
from services.embedding.backends.fake import FakeEmbeddingBackend
from services.embedding.engine import EmbeddingEngine
from services.embedding.servicer import registration
from services.embedding.settings import EmbeddingSettings


def build(settings: EmbeddingSettings, *, backend: EmbeddingBackend | None = None) -> ServiceApp:
    """Build the service; the model is loaded when its engine is entered.

    Args:
        settings: of this process.
        backend: used instead of the one that the settings name.
    """
    load = (lambda: backend) if backend is not None else _loader(settings)
    engine = EmbeddingEngine(settings, load)
    return ServiceApp(registrations=[registration(engine)], engine=engine, background=[engine.run])


def _loader(settings: EmbeddingSettings) -> Callable[[], EmbeddingBackend]:
    if settings.backend == "fake":
        return lambda: FakeEmbeddingBackend(model_id=settings.model_id)
    return lambda: _load_real(settings)


def _load_real(settings: EmbeddingSettings) -> EmbeddingBackend:
    """Import torch only now: the fake backend and the tests need none."""
    module = importlib.import_module("services.embedding.backends.sentence_transformers")
    backend: EmbeddingBackend = module.SentenceTransformersBackend(
        model_id=settings.model_id,
        source=settings.model_source,
        device=settings.device,
        require_gpu=settings.require_gpu,
        threads=settings.threads,
    )
    return backend
