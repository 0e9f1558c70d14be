"""Where the gateway's objects meet."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Request, Response
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.plugins import PluginProtocol
from litestar.types import ASGIApp

from gateway.dependencies import Clients, Readiness, providers
from gateway.errors.failure import failure_of
from gateway.errors.families import answer
from gateway.large_work import LargeWork
from gateway.middleware.early import EarlyRefusals
from gateway.middleware.edge import EdgeMiddleware
from gateway.routes import convert, health, openai, rerank
from gateway.routes.bounded_request import BoundedRequest
from gateway.routes.hot import HotRoute, HotRoutes
from gateway.schemas.openai import EmbeddingsRequest
from gateway.schemas.rerank import RerankRequest
from gateway.settings import GatewaySettings
from services.common import call
from services.common.deadline import Clock
from services.common.discovery.base import Resolver
from services.common.discovery.static import StaticResolver
from services.common.rpc.instance_pool import InstancePools
from services.common.rpc.pool import Pools
from services.common.rpc.upstream_pool import UpstreamPools
from services.common.telemetry import request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What `build` returns."""

    asgi: ASGIApp
    """The application; it needs no ASGI lifespan."""
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]]
    """Tasks that must run while it serves; when one ends, the process has to end."""
    readiness: Readiness
    resolver: Resolver
    """Knows the instances; whoever serves closes it at the end."""


def build(settings: GatewaySettings, *, resolver: Resolver | None = None, clock: Clock = time.monotonic) -> Gateway:
    """Build the gateway; nothing is dialled until its background tasks run.

    Args:
        settings: of this process.
        resolver: knows the services' instances; default as the settings say.
        clock: monotonic; tells how long ago models answered.

    Raises:
        StartupError: a file that the settings name cannot be used.
    """
    resolver = resolver or _resolver(settings)
    clients = Clients.using(_pools(settings, resolver), settings, clock=clock)
    readiness, large_work = Readiness(clients=clients), LargeWork()
    app = _App(
        route_handlers=[openai.router, rerank.router, convert.router, health.router],
        dependencies=providers(clients, readiness, large_work),
        exception_handlers={Exception: _answer_error},
        openapi_config=_openapi(),
        # The edge bounds bodies by path, before Litestar sees them.
        request_class=BoundedRequest,
        request_max_body_size=None,
        logging_config=None,
    )
    return Gateway(
        asgi=EdgeMiddleware(
            HotRoutes(app, _hot_routes(clients, large_work)), settings, EarlyRefusals(clients), large_work
        ),
        background=clients.background(),
        readiness=readiness,
        resolver=resolver,
    )


def _hot_routes(clients: Clients, large_work: LargeWork) -> Mapping[str, HotRoute]:
    """By path; Litestar has the same routes."""
    embed = partial(openai.embed, embedding=clients.embedding, large_work=large_work)
    reranks = {version: partial(rerank.rerank, reranking=clients.reranking, version=version) for version in "12"}
    return {
        "/v1/embeddings": HotRoute(struct=EmbeddingsRequest, answer=embed),
        **{f"/v{version}/rerank": HotRoute(struct=RerankRequest, answer=answer) for version, answer in reranks.items()},
    }


def _resolver(settings: GatewaySettings) -> Resolver:
    """Import the HTTP client only now: without Consul it would cost start-up time and memory for nothing."""
    if settings.discovery == "static":
        return StaticResolver(settings.upstreams.model_dump())
    consul = settings.consul
    module = importlib.import_module("services.common.discovery.consul")
    resolver: Resolver = module.ConsulResolver(
        consul.address, auth_method=consul.auth_method, jwt_file=consul.jwt_file, ca_file=consul.ca_file
    )
    return resolver


def _pools(settings: GatewaySettings, resolver: Resolver) -> Pools:
    """In the mesh calls go to the sidecar's listeners, else to each instance."""
    if settings.discovery == "static":
        return InstancePools(resolver)
    listeners: dict[str, tuple[str, ...]] = settings.upstreams.model_dump()
    return UpstreamPools(resolver, {service: addresses[0] for service, addresses in listeners.items()})


class _App(Litestar):
    """Litestar without its pydantic and attrs plugins: no body here is of those types, and they cost 0.2 s at start."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return plugins


def _answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Every error of a route, in the shape of its API family."""
    failure = failure_of(error)
    call.note(**failure.notes())
    headers, body = answer(failure, request.scope["path"], request_id.current.get())
    return Response(
        body,
        status_code=failure.status,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in headers},
    )


def _openapi() -> OpenAPIConfig:
    """The schema as JSON alone: the usual pages load scripts from other hosts."""
    return OpenAPIConfig(
        title="Isolane",
        version=version("isolane"),
        path="/schema",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
    )
