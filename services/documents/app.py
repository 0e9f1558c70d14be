"""Where the documents service's objects meet."""

from __future__ import annotations

from services.common.lifecycle import ServiceApp
from services.documents.backends.base import DocumentBackend
from services.documents.backends.fake import FakeDocumentBackend
from services.documents.backends.pool import WorkerPool
from services.documents.engine import DocumentsEngine
from services.documents.servicer import registration
from services.documents.settings import DocumentsSettings


def build(settings: DocumentsSettings, *, backend: DocumentBackend | None = None) -> ServiceApp:
    """Build the service; its workers start when its engine is entered.

    Args:
        settings: of this process.
        backend: used instead of the one that the settings name.
    """
    engine = DocumentsEngine(settings, backend or _backend(settings))
    return ServiceApp(registrations=[registration(engine)], engine=engine, background=[engine.run], load=engine.backlog)


def _backend(settings: DocumentsSettings) -> DocumentBackend:
    if settings.backend == "fake":
        return FakeDocumentBackend(workers=settings.workers, max_unpacked_bytes=settings.max_unpacked_bytes)
    return WorkerPool(settings)
