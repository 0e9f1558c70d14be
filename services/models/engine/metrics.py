"""What the engine of a service counts and measures, by model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.common.telemetry.metrics import LATENCY_BUCKETS
from services.models.batching.cache import ResultCache
from services.models.batching.observer import BatchReport
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
        self.cache = _CacheCollector(name)
        REGISTRY.register(self.cache)

    def of(self, model: str) -> ModelMetrics:
        """The metrics of one model."""
        return ModelMetrics(self, model)


@cache
def engine_metrics(service: str) -> EngineMetrics:
    """The metrics of a service, made once: a registry takes no name twice."""
    return EngineMetrics(service)


class ModelMetrics:
    """One model's metrics; takes the reports of its batcher.

    Args:
        metrics: of the service.
        model: the model's id.
    """

    def __init__(self, metrics: EngineMetrics, model: str) -> None:
        self._metrics = metrics
        self._model = model
        self._items = cache(partial(metrics.items.labels, model))
        self._refused = cache(partial(metrics.refused.labels, model))
        self._tokens = metrics.tokens.labels(model)
        self._padded_tokens = metrics.padded_tokens.labels(model)
        self._reused_tokens = metrics.reused_tokens.labels(model)
        self._queue = metrics.queue.labels(model)
        self._compute = metrics.compute.labels(model)
        self._batch_tokens = metrics.batch_tokens.labels(model)

    def batch(self, report: BatchReport) -> None:
        """A batch was computed."""
        self._tokens.inc(report.tokens)
        self._padded_tokens.inc(report.padded_tokens)
        self._compute.observe(report.seconds)
        self._batch_tokens.observe(report.padded_tokens)

    def refused(self, reason: str) -> None:
        """A request was refused."""
        self._refused(reason).inc()

    def waited(self, queue_s: float) -> None:
        """A request was answered."""
        self._queue.observe(queue_s)

    def count(self, items: Sequence[Item], reused: Sequence[int]) -> None:
        """Add a request's items as they came out, and those that were not computed for it."""
        outcomes = ["ok" if isinstance(item, Tokens) else item.code for item in items]
        for outcome in set(outcomes):
            self._items(outcome).inc(outcomes.count(outcome))
        if reused:
            found = (items[at] for at in reused)
            self._reused_tokens.inc(sum(len(item.ids) for item in found if isinstance(item, Tokens)))

    def follow(self, queued_tokens: Callable[[], float]) -> None:
        """Ask for the tokens that wait whenever metrics are read."""
        self._metrics.queued_tokens.labels(self._model).set_function(queued_tokens)

    def forget(self) -> None:
        """The model is unloaded: its queue is gone."""
        self._metrics.queued_tokens.remove(self._model)


class _CacheCollector(Collector):
    """Reads a cache's state whenever metrics are read.

    Args:
        name: beginning of the metrics' names.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.cache: ResultCache | None = None

    def collect(self) -> Sequence[Metric]:
        """The metrics now."""
        cache = self.cache
        values = (
            ("bytes", "Memory of the results that are kept.", cache.bytes if cache else 0),
            ("entries", "Results that are kept.", len(cache) if cache else 0),
            (
                "evictions",
                "Results that went because the memory was full, since the start.",
                cache.evictions if cache else 0,
            ),
        )
        return [GaugeMetricFamily(f"{self._name}_cache_{what}", text, value) for what, text, value in values]
