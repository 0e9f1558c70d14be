"""What routes are given: the clients of the services and the state of the process."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from litestar.di import Provide

from gateway.clients.documents import DocumentsClient
from gateway.clients.embedding import EmbeddingClient
from gateway.clients.gpu import GpuClient
from gateway.clients.reranking import RerankingClient
from services.common.discovery.base import Resolver
from services.common.rpc.instance import InstanceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """One client per service."""

    embedding: EmbeddingClient
    reranking: RerankingClient
    documents: DocumentsClient
    gpu: GpuClient

    @classmethod
    def using(cls, resolver: Resolver) -> Clients:
        """Clients whose instances `resolver` knows."""
        return cls(
            embedding=EmbeddingClient(resolver),
            reranking=RerankingClient(resolver),
            documents=DocumentsClient(resolver),
            gpu=GpuClient(resolver),
        )

    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """What must run while they are used: each follows its service's instances."""
        return [client.pool.run for client in (self.embedding, self.reranking, self.documents, self.gpu)]


@dataclass(slots=True, kw_only=True)
class Readiness:
    """Whether requests can be answered; asking never waits for a service."""

    clients: Clients
    is_draining: bool = field(default=False)
    """Set once the process was told to stop."""

    def states(self) -> dict[str, tuple[InstanceState, ...]]:
        """What is known of every instance, by service."""
        clients = self.clients
        pools = (clients.embedding.pool, clients.reranking.pool, clients.documents.pool, clients.gpu.pool)
        return {pool.service: pool.states() for pool in pools}


def providers(clients: Clients, readiness: Readiness) -> dict[str, Provide]:
    """Litestar's providers, by the parameter name that routes use."""
    values: dict[str, object] = {
        "embedding": clients.embedding,
        "reranking": clients.reranking,
        "documents": clients.documents,
        "readiness": readiness,
    }
    return {name: _always(value) for name, value in values.items()}


def _always(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False, use_cache=True)
