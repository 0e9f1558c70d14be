"""Where the embedding service's objects meet."""

from __future__ import annotations

from functools import partial

from services.common.lifecycle import ServiceApp
from services.embedding.backends import loading
from services.embedding.backends.base import EmbeddingBackend
from services.embedding.engine import EmbeddingEngine
from services.embedding.servicer import registration
from services.embedding.settings import EmbeddingSettings
from services.models import servicer as models_servicer


def build(settings: EmbeddingSettings, *, backend: EmbeddingBackend | None = None) -> ServiceApp:
    """Build the service; the models are loaded when its engine is entered.

    Args:
        settings: of this process.
        backend: used for every model instead of the one that the settings name.
    """
    load = partial(loading.load, settings) if backend is None else lambda _model: backend
    engine = EmbeddingEngine(settings, load)
    return ServiceApp(
        registrations=[registration(engine), models_servicer.registration(engine, settings.admin_token)],
        engine=engine,
        background=[engine.run],
        load=engine.backlog,
    )
