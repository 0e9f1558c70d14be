"""The models of a service: loaded at its start, and in local mode also while it runs."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

from pydantic import ValidationError

from services.common.errors import (
    DeviceLost,
    DeviceMemoryFull,
    InvalidRequest,
    StartupError,
    TooLarge,
    Unavailable,
    UnknownModel,
)
from services.common.reply import Backlog
from services.common.telemetry.logs import get_logger
from services.models.backend import ModelBackend
from services.models.batching.cache import ResultCache
from services.models.batching.metrics import ModelMetrics, engine_metrics
from services.models.engine.loaded_model import LoadedModel
from services.models.engine.threads import FairThreads
from services.models.models import ModelInfo, Tokens
from services.models.settings import ModelServerSettings, ModelSettings

BackendT = TypeVar("BackendT", bound=ModelBackend)
ModelT = TypeVar("ModelT", bound=ModelSettings)
ResultT = TypeVar("ResultT")

_TOKENIZING_THREADS = 2
_MOST_SETTINGS_BYTES = 1 << 16

log = get_logger()


class ModelEngine(ABC, Generic[BackendT, ModelT]):
    """Models behind their batchers. Enter it to load them; run `run` supervised while it serves.

    Args:
        settings: budgets.
        models: to serve, the default first.
        load: makes the backend of one; blocking, may raise StartupError.
    """

    def __init__(
        self,
        settings: ModelServerSettings,
        models: Sequence[ModelT],
        load: Callable[[ModelT], BackendT],
    ) -> None:
        self._common = settings
        self._configured = models
        self._load = load
        self._metrics = engine_metrics(settings.service)
        self._cache = ResultCache(settings.cache_bytes)
        self._metrics.follow(self._cache)
        self._models: dict[str, LoadedModel[BackendT]] = {}
        self._running: asyncio.TaskGroup | None = None
        self._changing = asyncio.Lock()
        self._threads = FairThreads(_TOKENIZING_THREADS, "tokenize")

    async def __aenter__(self) -> Self:
        """Load the models and compute with each, so that the first request is as fast as the second."""
        for model in self._configured:
            self._serve(await asyncio.to_thread(self._open, model))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing else to free: the process ends with its models."""
        self._threads.close()

    async def run(self) -> None:
        """Compute until cancelled; raises when one of the models cannot go on."""
        async with asyncio.TaskGroup() as tasks:
            self._running = tasks
            for loaded in self._models.values():
                tasks.create_task(loaded.run(), name=f"batches of {loaded.model.id}")
            await asyncio.Event().wait()

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models served here, the default first."""
        return tuple(loaded.model for loaded in self._models.values())

    @property
    def loaded_models(self) -> tuple[LoadedModel[BackendT], ...]:
        """The loaded models, the default first."""
        return tuple(self._models.values())

    def backlog(self) -> Backlog:
        """Work that is waiting: of all models together; the wait is the longest."""
        backlogs = [loaded.backlog() for loaded in self._models.values()]
        return Backlog(
            queued_cost=sum(backlog.queued_cost for backlog in backlogs),
            predicted_wait_s=max((backlog.predicted_wait_s for backlog in backlogs), default=0.0),
        )

    def loaded(self, model: str) -> LoadedModel[BackendT]:
        """The served model of that id.

        Raises:
            UnknownModel: there is none.
        """
        try:
            return self._models[model]
        except KeyError:
            served = ", ".join(repr(name) for name in self._models)
            raise UnknownModel(f"model {model!r} is not served here; use {served}", param="model") from None

    async def load_model(self, settings_json: str) -> LoadedModel[BackendT]:
        """Load one more model, which then serves; goes on when its caller is gone.

        Args:
            settings_json: an entry of the settings' `models`, as a JSON object; 64 KiB at most.

        Raises:
            InvalidRequest: the settings are wrong, the id is taken, or the model cannot be loaded.
        """
        model = self._parse(settings_json)
        return await self._change(lambda: self._add(model))

    async def unload_model(self, model: str) -> None:
        """Take no more requests for a model, finish those it has, free it; goes on when its caller is gone.

        Raises:
            UnknownModel: there is none.
            InvalidRequest: it is the only one.
        """
        await self._change(lambda: self._remove(model))

    async def warm_up_model(self, model: str) -> LoadedModel[BackendT]:
        """Compute with a model until its speed is known anew.

        Raises:
            UnknownModel: there is none.
            Unavailable: the device has no memory for one item.
        """
        return await self._change(lambda: self._warm_up(model))

    async def _change(self, change: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Change the models, one change after the other; a device that is lost meanwhile ends the engine."""
        if self._running is None:
            raise RuntimeError("models are changed at run time before the engine runs. This is a bug.")
        # A task of its own: a change that is left half done would leak its model.
        task = self._running.create_task(self._changed(change), name="change of models")
        outcome = await asyncio.shield(task)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _changed(self, change: Callable[[], Awaitable[ResultT]]) -> ResultT | Exception:
        async with self._changing:
            try:
                return await change()
            except DeviceLost:
                raise
            except Exception as exc:  # noqa: BLE001 - it is for the caller and must not end the engine
                log.warning("model_change_failed", problem=str(exc))  # the caller may be gone
                return exc

    async def _add(self, model: ModelT) -> LoadedModel[BackendT]:
        if model.id in self._models:
            raise InvalidRequest(f"model {model.id!r} is loaded already; unload it first or choose another id")
        try:
            loaded = await asyncio.to_thread(self._open, model)
        except StartupError as exc:
            raise InvalidRequest(str(exc)) from exc
        self._serve(loaded)
        return loaded

    async def _remove(self, model: str) -> None:
        loaded = self.loaded(model)
        if len(self._models) == 1:
            raise InvalidRequest(f"model {model!r} is the only one here; load another first", param="model")
        del self._models[model]
        await loaded.unload()
        log.info("model_unloaded", model=model)

    async def _warm_up(self, model: str) -> LoadedModel[BackendT]:
        loaded = self.loaded(model)
        try:
            await asyncio.to_thread(loaded.warm_up, partial(self._example, loaded.backend))
        except DeviceMemoryFull as exc:
            raise Unavailable(
                f"model {model!r}: the device has no memory left to compute with it ({exc}); unload another model"
            ) from exc
        return loaded

    def _serve(self, loaded: LoadedModel[BackendT]) -> None:
        if self._running is not None:
            self._running.create_task(loaded.run(), name=f"batches of {loaded.model.id}")
        self._models[loaded.model.id] = loaded

    @abstractmethod
    def _example(self, backend: BackendT, words: int) -> Tokens:
        """An input of about so many words, to warm up with."""

    def _parse(self, settings_json: str) -> ModelT:
        if (size := len(settings_json.encode())) > _MOST_SETTINGS_BYTES:
            raise TooLarge(
                f"settings_json: {size} bytes; at most {_MOST_SETTINGS_BYTES}; send one model's settings",
                param="settings_json",
            )
        try:
            return type(self._configured[0]).model_validate_json(settings_json)
        except ValidationError as exc:
            problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in exc.errors())
            raise InvalidRequest(f"settings_json: {problems}", param="settings_json") from None

    def _open(self, model: ModelT) -> LoadedModel[BackendT]:
        try:
            loaded = self._warm(self._load(model))
        except DeviceMemoryFull as exc:
            raise StartupError(
                f"model {model.id!r}: the device has no memory for it ({exc}); unload another or set a smaller dtype"
            ) from exc
        backend = loaded.backend
        info = backend.model
        log.info(
            "model_loaded",
            model=info.id,
            revision=info.revision,
            backend=info.backend,
            dtype=info.dtype,
            device=info.device,
            max_tokens=info.max_tokens,
            replicas=backend.replicas,
            thousand_tokens_ms=round(loaded.thousand_tokens_s * 1e3, 1),
        )
        return loaded

    def _warm(self, backend: BackendT) -> LoadedModel[BackendT]:
        """A loaded model that has computed already."""
        metrics = ModelMetrics(self._metrics, backend.model.id)
        try:
            loaded = LoadedModel(backend, self._common, cache=self._cache, metrics=metrics, threads=self._threads)
            loaded.warm_up(partial(self._example, backend))
        except BaseException:
            metrics.forget()
            backend.close()
            raise
        return loaded
