"""Prometheus metrics of a process, and the endpoint that serves them.

Modules declare their metrics with prometheus_client in the default registry, named `isolane_<service>_…` or, for the
kit's own, `isolane_…` with a `service` label.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from services.common.errors import StartupError

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Upper bounds for request durations. Unit: seconds."""

RPCS = Histogram(
    "isolane_rpc_server_seconds",
    "Duration of answered gRPC calls by outcome.",
    ["service", "method", "code"],
    buckets=LATENCY_BUCKETS,
)
CALLS = Histogram(
    "isolane_rpc_client_seconds",
    "Duration of gRPC call attempts by outcome.",
    ["service", "method", "code"],
    buckets=LATENCY_BUCKETS,
)
RETRIES = Counter("isolane_rpc_client_retries_total", "Second attempts, by upstream service.", ["service", "method"])
HELD_OFF = Counter(
    "isolane_rpc_client_held_off_total",
    "Attempts not made, as the instance had just refused the like, by upstream service.",
    ["service", "method"],
)
IN_FLIGHT = Gauge("isolane_rpc_client_in_flight", "Calls waiting for an answer, by upstream service.", ["service"])
INSTANCES = Gauge("isolane_upstream_instances", "Instances of an upstream by state.", ["service", "state"])
BREAKER_OPENED = Counter("isolane_breaker_opened_total", "Times that a breaker opened.", ["service"])
RESOLVER_AGE = Gauge(
    "isolane_resolver_age_seconds", "Age of what Consul last said of a service; 0 while current.", ["service"]
)
RESOLVER_FAILURES = Counter(
    "isolane_resolver_failures_total", "Queries about a service that Consul did not answer usably.", ["service"]
)
RELOADS = Counter("isolane_reloads_total", "Times that settings were read anew, by outcome.", ["outcome"])


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
