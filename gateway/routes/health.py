"""Health and metrics of the gateway itself. None of these waits for a service."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.clients.variants import Difference
from gateway.dependencies import Readiness, ServiceState
from gateway.errors.failure import Failure, failure_of
from gateway.errors.families import PROBLEM_JSON, problem
from gateway.schemas.health import (
    Health,
    InstanceHealth,
    Liveness,
    ModelDifference,
    ModelVariant,
    NotReady,
    ServiceHealth,
    Version,
)
from services.common.errors import Unavailable
from services.common.telemetry import request_id

ProcessReadiness = NamedDependency[SkipValidation[Readiness]]

_OPTIONAL = frozenset({"gpu"})


@get(
    ["/health", "/health/ready", "/ready"],
    sync_to_thread=False,
    responses={
        HTTPStatus.SERVICE_UNAVAILABLE: ResponseSpec(
            data_container=NotReady,
            description="Not ready; Retry-After says when to ask again.",
            generate_examples=False,
            media_type=PROBLEM_JSON.decode(),
        )
    },
)
def ready(request: Request[Any, Any, Any], readiness: ProcessReadiness) -> Response[Health | dict[str, Any]]:
    """200 while every required service has a healthy instance; else 503, and the body says why."""
    health = _health(readiness)
    if health.ready:
        return Response[Health | dict[str, Any]](health)
    failure = failure_of(Unavailable(_why_not(health), retry_after_s=1.0))
    return Response(
        {**problem(failure, request.url.path, request_id.current.get()), **msgspec.to_builtins(health)},
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        media_type=PROBLEM_JSON.decode(),
        headers=_headers(failure),
    )


@get("/health/live", sync_to_thread=False)
def live() -> Liveness:
    """200 while the process answers at all."""
    return Liveness()


@get("/version", sync_to_thread=False)
def show_version() -> Version:
    """Which version answers."""
    return Version(isolane=version("isolane"))


@get("/metrics", sync_to_thread=False, include_in_schema=False)
def metrics() -> Response[bytes]:
    """The gateway's metrics for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8"))


def _health(readiness: Readiness) -> Health:
    services = {name: _service(name, state) for name, state in readiness.states().items()}
    is_able = all(service.healthy for service in services.values() if service.required)
    return Health(ready=is_able and not readiness.is_draining, draining=readiness.is_draining, services=services)


def _service(name: str, state: ServiceState) -> ServiceHealth:
    instances = [
        InstanceHealth(address=instance.address, healthy=not instance.reason, reason=instance.reason)
        for instance in state.instances
    ]
    is_healthy = any(instance.healthy for instance in instances)
    return ServiceHealth(
        healthy=is_healthy,
        required=name not in _OPTIONAL,
        reason="" if is_healthy else state.problem or "calls to every instance kept failing",
        instances=instances,
        differences=[_difference(difference) for difference in state.differences],
    )


def _difference(difference: Difference) -> ModelDifference:
    variants = [
        ModelVariant(
            revision=variant.revision, dtype=variant.dtype, backend=variant.backend, silent_s=round(silent_s, 1)
        )
        for variant, silent_s in difference.silent_s.items()
    ]
    return ModelDifference(model=difference.model, reason=difference.reason, variants=variants)


def _why_not(health: Health) -> str:
    if health.draining:
        return "the gateway is shutting down; use another instance"
    missing = [name for name, service in health.services.items() if service.required and not service.healthy]
    return f"no healthy instance of {', '.join(missing)}; `services` says why"


def _headers(failure: Failure) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in failure.headers}


router = Router("/", route_handlers=[ready, live, show_version, metrics], tags=["Gateway"])
