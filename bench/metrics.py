"""Prometheus counters of a service, as differences over a turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from bench.calls import get

TOKENS, PADDED = "isolane_embedding_tokens_total", "isolane_embedding_padded_tokens_total"
QUEUE, COMPUTE = "isolane_embedding_queue_seconds", "isolane_embedding_compute_seconds"

Samples = Mapping[str, float]
"""Values by sample name, summed over labels."""


def scrape(url: str) -> Samples:
    """What the endpoint says now; halted processes do not answer."""
    return samples(get(url))


def samples(text: str) -> Samples:
    """Values from Prometheus' text format; buckets are left out, for they do not add up."""
    found: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                found[sample.name] += sample.value
    return found


def difference(before: Samples, after: Samples) -> Samples:
    """What happened in between."""
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def padding_waste(happened: Samples) -> float | None:
    """The share of computed tokens that were padding; None when nothing was computed."""
    padded = happened.get(PADDED, 0.0)
    return 1.0 - happened.get(TOKENS, 0.0) / padded if padded else None


def mean(happened: Samples, histogram: str) -> float | None:
    """Mean of a histogram's observations; None when there were none."""
    count = happened.get(f"{histogram}_count", 0.0)
    return happened.get(f"{histogram}_sum", 0.0) / count if count else None
