"""The gateway's own metrics, each made when it is first used."""

from __future__ import annotations

from functools import cache

from prometheus_client import Gauge, Histogram

from services.common.telemetry.metrics import LATENCY_BUCKETS


@cache
def request_seconds() -> Histogram:
    """Requests that were answered."""
    return Histogram(
        "isolane_gateway_request_seconds",
        "Duration of answered HTTP requests by route, method and status.",
        ["route", "method", "status"],
        buckets=LATENCY_BUCKETS,
    )


@cache
def model_variants() -> Gauge:
    """Whether the instances of a model agree."""
    return Gauge(
        "isolane_gateway_model_variants",
        "Variants of a model that answered in the last ten minutes; above 1 its instances differ.",
        ["service", "model"],
    )


@cache
def tls_not_after_seconds() -> Gauge:
    """Until when the certificate is good."""
    return Gauge(
        "isolane_gateway_tls_not_after_seconds",
        "When the gateway's certificate expires, in Unix time; NaN without TLS.",
    )
