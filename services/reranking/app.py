"""Where the reranking service's objects meet."""

from __future__ import annotations

from functools import partial

from services.common.lifecycle import ServiceApp
from services.models import servicer as models_servicer
from services.reranking.backends import loading
from services.reranking.backends.base import RerankingBackend
from services.reranking.engine import RerankingEngine
from services.reranking.servicer import registration
from services.reranking.settings import RerankingSettings


def build(settings: RerankingSettings, *, backend: RerankingBackend | None = None) -> ServiceApp:
    """Build the service; the models are loaded when its engine is entered.

    Args:
        settings: of this process.
        backend: used for every model instead of the one that the settings name.
    """
    load = partial(loading.load, settings) if backend is None else lambda _model: backend
    engine = RerankingEngine(settings, load)
    return ServiceApp(
        registrations=[registration(engine), models_servicer.registration(engine, settings.admin_token)],
        engine=engine,
        background=[engine.run],
        load=engine.backlog,
    )
