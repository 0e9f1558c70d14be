"""What routes are given: the clients of the services and the state of the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from litestar.di import Provide

from gateway.clients.documents import DocumentsClient
from gateway.clients.embedding import EmbeddingClient
from gateway.clients.gpu import GpuClient
from gateway.clients.reranking import RerankingClient
from gateway.clients.variants import Difference
from gateway.large_work import LargeWork
from gateway.settings import GatewaySettings
from services.common.deadline import Clock
from services.common.rpc.pool import Pools
from services.common.rpc.target import InstanceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """One client per service."""

    embedding: EmbeddingClient
    reranking: RerankingClient
    documents: DocumentsClient
    gpu: GpuClient

    @classmethod
    def using(cls, pools: Pools, settings: GatewaySettings, *, clock: Clock = time.monotonic) -> Clients:
        """Clients whose calls go where `pools` say; the clock tells how long ago models answered."""
        return cls(
            embedding=EmbeddingClient(pools, attempt_timeout_s=settings.embedding.attempt_timeout_s, clock=clock),
            reranking=RerankingClient(pools, attempt_timeout_s=settings.reranking.attempt_timeout_s, clock=clock),
            documents=DocumentsClient(pools, attempt_timeout_s=settings.documents.attempt_timeout_s),
            gpu=GpuClient(pools),
        )

    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """What must run while they are used: each follows its service's instances."""
        return [client.pool.run for client in (self.embedding, self.reranking, self.documents, self.gpu)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """What is known of a service."""

    instances: tuple[InstanceState, ...]
    problem: str
    """Why there is no healthy instance; empty when there is one."""
    differences: tuple[Difference, ...]
    """Models that its instances compute differently."""


@dataclass(slots=True, kw_only=True)
class Readiness:
    """Whether requests can be answered; asking never waits for a service."""

    clients: Clients
    is_draining: bool = field(default=False)
    """Set once the process was told to stop."""

    def states(self) -> dict[str, ServiceState]:
        """What is known of every service."""
        clients = self.clients
        pools = (clients.embedding.pool, clients.reranking.pool, clients.documents.pool, clients.gpu.pool)
        noted = {
            client.pool.service: client.variants.differences() for client in (clients.embedding, clients.reranking)
        }
        return {
            pool.service: ServiceState(
                instances=pool.states(), problem=pool.problem(), differences=noted.get(pool.service, ())
            )
            for pool in pools
        }


def providers(clients: Clients, readiness: Readiness, large_work: LargeWork) -> dict[str, Provide]:
    """Litestar's providers, by the parameter name that routes use."""
    values: dict[str, object] = {
        "embedding": clients.embedding,
        "reranking": clients.reranking,
        "documents": clients.documents,
        "readiness": readiness,
        "large_work": large_work,
    }
    return {name: _always(value) for name, value in values.items()}


def _always(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False, use_cache=True)
