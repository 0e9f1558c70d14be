"""Where the embedding service's objects meet."""

from __future__ import annotations

from services.common.lifecycle import ServiceApp
from services.embedding.backends.base import EmbeddingBackend
from services.embedding.backends.fake import fake_of
from services.embedding.engine import EmbeddingEngine
from services.embedding.servicer import registration
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.app import Task

TASK: Task[EmbeddingSettings, EmbeddingModelSettings, EmbeddingBackend, EmbeddingEngine] = Task(
    settings=EmbeddingSettings,
    engine=EmbeddingEngine,
    registration=registration,
    fake=fake_of,
    kind="services.embedding.backends.bi_encoder",
)


def build(settings: EmbeddingSettings, *, backend: EmbeddingBackend | None = None) -> ServiceApp:
    """Build the service; see `Task.build`."""
    return TASK.build(settings, backend)
