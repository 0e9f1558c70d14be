"""What the engines of model services share: loading, warming up, batching, counting."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from prometheus_client import Counter

from services.common.batching.base import Backlog, Batcher
from services.common.batching.fifo import FifoBatcher
from services.common.config import ModelServerSettings
from services.common.deadline import Deadline
from services.common.errors import RequestError, UnknownModel
from services.common.models import ModelInfo, Tokens
from services.common.telemetry.logs import get_logger

log = get_logger()

Item = Tokens | RequestError
"""One item of a request: what is computed, or why it is not."""


class ModelBackend(Protocol):
    """What every loaded model has."""

    @property
    def model(self) -> ModelInfo:
        """What the model is."""
        ...


BackendT = TypeVar("BackendT", bound=ModelBackend)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Generic[ResultT]):
    """What came of a request's items."""

    outcomes: Sequence[ResultT | RequestError]
    """One per item, in order; the error of an item that was wrong before stays its outcome."""
    queue_us: int
    compute_us: int


class ModelEngine(ABC, Generic[BackendT, ResultT]):
    """One model behind a batcher. Enter it to load the model; run `run` supervised while it serves.

    Args:
        settings: budgets.
        load: makes the backend; blocking, may raise StartupError.
    """

    def __init__(self, settings: ModelServerSettings, load: Callable[[], BackendT]) -> None:
        self._limits = settings
        self._load = load
        self._backend: BackendT
        self._batcher: Batcher[Tokens, ResultT]

    async def __aenter__(self) -> Self:
        """Load the model and compute once, so that the first request is as fast as the second."""
        self._backend = await asyncio.to_thread(self._load)
        self._batcher = FifoBatcher(
            self._compute,
            cost=lambda tokens: len(tokens.ids),
            max_batch_cost=self._limits.max_batch_tokens,
            max_queued_cost=self._limits.max_queued_tokens,
        )
        await asyncio.to_thread(lambda: self._compute(self._example()))
        log.info("model_loaded", **_describe(self._backend.model))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to free: the process ends with its model."""

    async def run(self) -> None:
        """Compute batches until cancelled."""
        await self._batcher.run()

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models served here, the default first."""
        return (self._backend.model,)

    def backlog(self) -> Backlog:
        """Work that is waiting."""
        return self._batcher.backlog()

    def find_model(self, model: str) -> ModelInfo:
        """The served model of that id.

        Raises:
            UnknownModel: there is none.
        """
        info = self._backend.model
        if model != info.id:
            raise UnknownModel(f"model {model!r} is not served here; use {info.id!r}", param="model")
        return info

    async def _run_items(self, items: Sequence[Item], deadline: Deadline) -> Computed[ResultT]:
        """Compute the items that can be; raises as `Batcher.submit` does."""
        good = [item for item in items if isinstance(item, Tokens)]
        batched = await self._batcher.submit(good, deadline)
        results = iter(batched.results)
        outcomes = [item if isinstance(item, RequestError) else next(results) for item in items]
        return Computed(outcomes=outcomes, queue_us=batched.queue_us, compute_us=batched.compute_us)

    @abstractmethod
    def _compute(self, batch: Sequence[Tokens]) -> Iterable[ResultT]:
        """One result per item; blocking."""

    @abstractmethod
    def _example(self) -> list[Tokens]:
        """A small batch to warm up with."""


class ItemCounters:
    """A service's counts of items by outcome and of tokens; make it once, in the engine's module.

    Args:
        service: name of the service; begins the metrics' names.
    """

    def __init__(self, service: str) -> None:
        self._items = Counter(f"isolane_{service}_items_total", "Items by outcome.", ["model", "outcome"])
        self._tokens = Counter(f"isolane_{service}_tokens_total", "Tokens computed, after truncation.", ["model"])

    def count(self, model: str, items: Sequence[Item]) -> None:
        """Add a request's items as they came out."""
        for item in items:
            self._items.labels(model, "ok" if isinstance(item, Tokens) else item.code).inc()
        self._tokens.labels(model).inc(sum(len(item.ids) for item in items if isinstance(item, Tokens)))


def _describe(info: ModelInfo) -> dict[str, str | int]:
    return {"model": info.id, "revision": info.revision, "device": info.device, "max_tokens": info.max_tokens}
