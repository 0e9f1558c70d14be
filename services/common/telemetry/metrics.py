"""Prometheus metrics of a process, and the endpoint that serves them.

A metric is a cached function that makes it in prometheus_client's default registry when it is first used, so that
importing a module makes none. Its name is `isolane_<service>_…` or, for the kit's own, `isolane_…`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from services.common.errors import StartupError

MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Upper bounds for request durations. Unit: seconds."""


@cache
def rpc_server_seconds() -> Histogram:
    """Calls that a server answered."""
    return Histogram(
        "isolane_rpc_server_seconds",
        "Duration of answered gRPC calls by outcome.",
        ["service", "method", "code"],
        buckets=LATENCY_BUCKETS,
    )


@cache
def rpc_client_seconds() -> Histogram:
    """Attempts of a client."""
    return Histogram(
        "isolane_rpc_client_seconds",
        "Duration of gRPC call attempts by outcome.",
        ["service", "method", "code"],
        buckets=LATENCY_BUCKETS,
    )


@cache
def rpc_client_retries() -> Counter:
    """Second attempts."""
    return Counter("isolane_rpc_client_retries_total", "Second attempts, by upstream service.", ["service", "method"])


@cache
def rpc_client_refused_early() -> Counter:
    """Calls that were spared."""
    return Counter(
        "isolane_rpc_client_refused_early_total",
        "Calls not made, as every instance had just refused the like, by upstream service.",
        ["service", "method"],
    )


@cache
def rpc_client_members() -> Histogram:
    """Calls that travelled together."""
    return Histogram(
        "isolane_rpc_client_members",
        "Calls that travelled in one joint call, by upstream service; those that travelled alone are not in it.",
        ["service", "method"],
        buckets=(2, 4, 8, 16, 32, 64),
    )


@cache
def rpc_client_in_flight() -> Gauge:
    """Calls that wait."""
    return Gauge("isolane_rpc_client_in_flight", "Calls waiting for an answer, by upstream service.", ["service"])


@cache
def upstream_instances() -> Gauge:
    """Instances of an upstream."""
    return Gauge("isolane_upstream_instances", "Instances of an upstream by state.", ["service", "state"])


@cache
def breaker_opened() -> Counter:
    """Breakers that opened."""
    return Counter("isolane_breaker_opened_total", "Times that a breaker opened.", ["service"])


@cache
def resolver_age_seconds() -> Gauge:
    """How old what is known of a service is."""
    return Gauge(
        "isolane_resolver_age_seconds", "Age of what Consul last said of a service; 0 while current.", ["service"]
    )


@cache
def resolver_failures() -> Counter:
    """Queries that failed."""
    return Counter(
        "isolane_resolver_failures_total", "Queries about a service that Consul did not answer usably.", ["service"]
    )


@cache
def reloads() -> Counter:
    """SIGHUPs."""
    return Counter("isolane_reloads_total", "Times that settings were read anew, by outcome.", ["outcome"])


def labelled(metric: Callable[[], MetricT]) -> Callable[..., MetricT]:
    """A metric's series by its labels: looking one up costs the library more than counting, and there are few."""
    return cache(lambda *labels: metric().labels(*labels))


@contextmanager
def metrics_endpoint(host: str, port: int) -> Iterator[int]:
    """Serve `/metrics` on a thread of its own while the body runs; yields the port.

    Raises:
        StartupError: the port is taken.
    """
    try:
        server, thread = start_http_server(port, host)
    except OSError as exc:
        raise StartupError(
            f"metrics: cannot listen on {host}:{port} ({exc.strerror}); stop what uses it or change metrics_port"
        ) from exc
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
