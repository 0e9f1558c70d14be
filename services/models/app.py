"""Where the objects of a service that serves models meet: what embedding, reranking and the like have in common."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from services.common.lifecycle import ServiceApp
from services.common.server.server import Registration
from services.models import servicer as models_servicer
from services.models.backend import ModelBackend
from services.models.engine.engine import ModelEngine
from services.models.settings import ModelServerSettings, ModelSettings

SettingsT = TypeVar("SettingsT", bound=ModelServerSettings)
ModelT = TypeVar("ModelT", bound=ModelSettings)
BackendT = TypeVar("BackendT", bound=ModelBackend)
EngineT = TypeVar("EngineT", bound=ModelEngine[Any, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[SettingsT, ModelT, BackendT, EngineT]):
    """What a service of models has of its own."""

    settings: type[SettingsT]
    engine: Callable[[SettingsT, Callable[[ModelT], BackendT]], EngineT]
    """Makes the engine of settings and of what makes the backend of a model."""
    registration: Callable[[EngineT], Registration]
    fake: Callable[[SettingsT, ModelT], BackendT]
    """Makes the fake in place of a model."""
    kind: str
    """The module whose `KIND` the real models are of; its libraries are heavy."""

    def build(self, settings: SettingsT, backend: BackendT | None = None) -> ServiceApp:
        """Build the service; the models are loaded when its engine is entered.

        Args:
            settings: of this process.
            backend: used for every model instead of the one that the settings name.
        """
        engine = self.engine(settings, partial(self.load, settings) if backend is None else lambda _model: backend)
        return ServiceApp(
            registrations=[self.registration(engine), models_servicer.registration(engine, settings.admin_token)],
            engine=engine,
            background=[engine.run],
            load=engine.backlog,
        )

    def load(self, settings: SettingsT, model: ModelT) -> BackendT:
        """Load a model; takes seconds, and longer when its files must be fetched or converted.

        Raises:
            StartupError: the model or the device is not there, or the settings do not fit them.
        """
        if settings.backend == "fake":
            return self.fake(settings, model)
        # The libraries of a real one are imported only when it is loaded.
        loading = importlib.import_module("services.models.backends.loading")
        backend: BackendT = loading.load(settings, model, importlib.import_module(self.kind).KIND)
        return backend
