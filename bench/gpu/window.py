"""What a service and its clients did while answers counted, as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.answers import percentile
from bench.gpu.client import Seen
from bench.gpu.usage import CpuTime
from bench.metrics import COMPUTE, TOKENS, Samples

_ITEMS, _REUSED = "isolane_embedding_items_total", "isolane_embedding_reused_tokens_total"
_MOST_REUSED = 0.01
"""Part of the tokens that may come from the cache: more, and the figure is not that of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the service did while answers counted."""

    seconds: float
    happened: Samples
    cpu: CpuTime
    gpu_percents: Sequence[float]


def problem_of(seen: Seen, window: Window) -> str:
    """Why the figures are not those of the model; empty when they are."""
    if seen.failed:
        return f"{seen.failed} calls failed, the last with {seen.error}"
    if not seen.latencies_s:
        return "no answer came in the time that counts"
    reused = window.happened.get(_REUSED, 0.0)
    if reused > _MOST_REUSED * seen.tokens:
        return f"{reused:.0f} tokens were not computed but kept from before; the clients need more texts"
    return ""


def figures(seen: Seen, window: Window, *, seconds: float, replicas: int) -> Mapping[tuple[str, str], Sequence[float]]:
    """Values by name and unit; none where there is nothing to tell.

    Args:
        seen: by the clients, in so many seconds.
        window: of the service.
        seconds: in which answers counted.
        replicas: batches that the model computes at once.
    """
    happened, cpu = window.happened, window.cpu
    milliseconds = [latency_s * 1e3 for latency_s in seen.latencies_s]
    batches = happened.get(f"{COMPUTE}_count", 0.0)
    busy_s = happened.get(f"{COMPUTE}_sum", 0.0)
    return {
        ("rate", "tokens/s"): [seen.tokens / seconds],
        ("requests", "1/s"): [len(milliseconds) / seconds],
        ("p50", "ms"): [percentile(milliseconds, 50)] if milliseconds else [],
        ("p99", "ms"): [percentile(milliseconds, 99)] if milliseconds else [],
        ("tokens of a batch", "tokens"): [happened[TOKENS] / batches] if batches else [],
        ("texts of a batch", "texts"): [happened[_ITEMS] / batches] if batches else [],
        ("batch", "ms"): [busy_s / batches * 1e3] if batches else [],
        ("time in batches", "%"): [100 * busy_s / replicas / window.seconds],
        ("GPU utilisation", "%"): window.gpu_percents,
        ("CPU", "s/s"): [cpu.process / window.seconds],
        ("CPU of the event loop", "s/s"): [cpu.first / window.seconds],
        ("CPU of the busiest other thread", "s/s"): [max(cpu.others.values(), default=0.0) / window.seconds],
        ("CPU of the busiest client", "s/s"): [seen.cpu_s / seconds],
    }
