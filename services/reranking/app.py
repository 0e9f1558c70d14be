"""Where the reranking service's objects meet."""

from __future__ import annotations

from services.common.lifecycle import ServiceApp
from services.models.app import Task
from services.reranking.backends.base import RerankingBackend
from services.reranking.backends.fake import fake_of
from services.reranking.engine import RerankingEngine
from services.reranking.servicer import registration
from services.reranking.settings import RerankingModelSettings, RerankingSettings

TASK: Task[RerankingSettings, RerankingModelSettings, RerankingBackend, RerankingEngine] = Task(
    settings=RerankingSettings,
    engine=RerankingEngine,
    registration=registration,
    fake=fake_of,
    kind="services.reranking.backends.cross_encoder",
)


def build(settings: RerankingSettings, *, backend: RerankingBackend | None = None) -> ServiceApp:
    """Build the service; see `Task.build`."""
    return TASK.build(settings, backend)
