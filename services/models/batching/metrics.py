"""What the engine of a service counts and measures, by model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from prometheus_client import Counter, Gauge, Histogram

from services.common.telemetry.metrics import LATENCY_BUCKETS
from services.models.batching.cache import ResultCache
from services.models.models import Item, Tokens

_TOKEN_BUCKETS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)


class EngineMetrics:
    """The metrics of one service; see `engine_metrics`.

    Args:
        service: name of the service; begins the metrics' names.
    """

    def __init__(self, service: str) -> None:
        name = f"isolane_{service}"
        self.items = Counter(f"{name}_items_total", "Items by outcome.", ["model", "outcome"])
        self.tokens = Counter(f"{name}_tokens_total", "Tokens computed, after truncation.", ["model"])
        self.padded_tokens = Counter(f"{name}_padded_tokens_total", "Tokens computed, padding included.", ["model"])
        self.reused_tokens = Counter(
            f"{name}_reused_tokens_total",
            "Tokens of items whose result was kept or came with an equal item.",
            ["model"],
        )
        self.refused = Counter(f"{name}_refused_total", "Requests that were refused, by reason.", ["model", "reason"])
        self.queue = Histogram(
            f"{name}_queue_seconds",
            "Time in which no item of a request was computed.",
            ["model"],
            buckets=LATENCY_BUCKETS,
        )
        self.compute = Histogram(f"{name}_compute_seconds", "Duration of a batch.", ["model"], buckets=LATENCY_BUCKETS)
        self.batch_tokens = Histogram(
            f"{name}_batch_tokens", "Tokens of a batch, padding included.", ["model"], buckets=_TOKEN_BUCKETS
        )
        self.queued_tokens = Gauge(f"{name}_queued_tokens", "Tokens that wait.", ["model"])
        self._cache_bytes = Gauge(f"{name}_cache_bytes", "Memory of the results that are kept.")
        self._cache_entries = Gauge(f"{name}_cache_entries", "Results that are kept.")
        self._cache_evictions = Gauge(
            f"{name}_cache_evictions", "Results that went because the memory was full, since the start."
        )

    def follow(self, kept: ResultCache) -> None:
        """Ask this cache, and no longer another, whenever metrics are read."""
        self._cache_bytes.set_function(lambda: kept.bytes)
        self._cache_entries.set_function(lambda: len(kept))
        self._cache_evictions.set_function(lambda: kept.evictions)


@cache
def engine_metrics(service: str) -> EngineMetrics:
    """The metrics of a service, made once: a registry takes no name twice."""
    return EngineMetrics(service)


class ModelMetrics:
    """One model's metrics. Safe on several threads.

    Args:
        metrics: of the service.
        model: the model's id.
    """

    def __init__(self, metrics: EngineMetrics, model: str) -> None:
        self._items = cache(partial(metrics.items.labels, model))
        self._refused = cache(partial(metrics.refused.labels, model))
        self._tokens = metrics.tokens.labels(model)
        self._padded_tokens = metrics.padded_tokens.labels(model)
        self._reused_tokens = metrics.reused_tokens.labels(model)
        self._queue = metrics.queue.labels(model)
        self._compute = metrics.compute.labels(model)
        self._batch_tokens = metrics.batch_tokens.labels(model)
        self._queued_tokens = metrics.queued_tokens.labels(model)
        self._forget_queue = partial(metrics.queued_tokens.remove, model)

    def batch(self, *, tokens: int, padded_tokens: int, seconds: float) -> None:
        """A batch was computed; tokens without and with padding."""
        self._tokens.inc(tokens)
        self._padded_tokens.inc(padded_tokens)
        self._compute.observe(seconds)
        self._batch_tokens.observe(padded_tokens)

    def refused(self, reason: str) -> None:
        """A request was refused: `full`, `too_large`, `late` or `too_long`."""
        self._refused(reason).inc()

    def answered(self, items: Sequence[Item], reused: Sequence[int], queue_s: float) -> None:
        """A request was answered: its items as they came out, which were not computed for it, how long it waited."""
        self._queue.observe(queue_s)
        outcomes = ["ok" if isinstance(item, Tokens) else item.code for item in items]
        for outcome in set(outcomes):
            self._items(outcome).inc(outcomes.count(outcome))
        if reused:
            found = (items[at] for at in reused)
            self._reused_tokens.inc(sum(len(item.ids) for item in found if isinstance(item, Tokens)))

    def follow(self, queued_tokens: Callable[[], float]) -> None:
        """Ask for the tokens that wait whenever metrics are read."""
        self._queued_tokens.set_function(queued_tokens)

    def forget(self) -> None:
        """The model is unloaded: its queue is gone."""
        self._forget_queue()
