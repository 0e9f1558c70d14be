"""The instances of one upstream: kept in step with the resolver, picked by the shorter predicted wait."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from grpc import aio

from services.common.discovery.base import Endpoint, Resolver
from services.common.errors import BreakerOpen, NoEndpoint
from services.common.rpc.breaker import Breaker, ConsecutiveBreaker, Permit
from services.common.rpc.channel import open_channel
from services.common.rpc.instance import Instance, InstanceState
from services.common.telemetry.metrics import INSTANCES

StubT = TypeVar("StubT")

_CLOSE_GRACE_S = 5.0
_RETRY_AFTER_S = 1.0
"""Hint when nothing better is known: about the time in which a supervisor notices a dead process."""


class Pool(Generic[StubT]):
    """The dialled instances of a service.

    Args:
        service: name that the resolver knows.
        resolver: says which instances there are.
        stub_type: the generated stub's class.
        health_service: full gRPC service name whose health decides.
        breaker: makes the breaker of a new instance.
    """

    def __init__(
        self,
        service: str,
        resolver: Resolver,
        stub_type: Callable[[aio.Channel], StubT],
        *,
        health_service: str,
        breaker: Callable[[], Breaker] = ConsecutiveBreaker,
    ) -> None:
        self.service = service
        self._resolver = resolver
        self._stub_type = stub_type
        self._health_service = health_service
        self._breaker = breaker
        self._instances: dict[Endpoint, Instance[StubT]] = {}
        self._watchers: dict[Endpoint, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow the resolver until cancelled; its owner supervises it. Closes every channel at the end."""
        try:
            async with asyncio.TaskGroup() as tasks:
                async for resolution in self._resolver.watch(self.service):
                    await self._follow(tasks, resolution.endpoints)
        finally:
            await asyncio.gather(*(instance.aclose(0) for instance in self._instances.values()))
            self._instances.clear()

    async def health_known(self) -> None:
        """Wait until every instance known now answered or refused once."""
        await asyncio.gather(*(instance.health_known() for instance in self._instances.values()))

    def states(self) -> tuple[InstanceState, ...]:
        """What is known of each instance now."""
        return tuple(instance.state() for instance in self._instances.values())

    @property
    def size(self) -> int:
        """Number of instances, healthy or not."""
        return len(self._instances)

    def pick(self, exclude: Collection[Instance[StubT]] = ()) -> tuple[Instance[StubT], Permit]:
        """The better of two random healthy instances, and the permit to call it.

        Raises:
            NoEndpoint: none reports SERVING.
            BreakerOpen: every one that does failed lately.
        """
        candidates = [i for i in self._instances.values() if i.is_serving and i not in exclude]
        if not candidates:
            raise NoEndpoint(self._explain(), retry_after_s=_RETRY_AFTER_S)
        for instance in _by_preference(candidates):
            if (permit := instance.breaker.acquire()) is not None:
                return instance, permit
        wait_s = min(i.breaker.retry_after_s() for i in candidates)
        raise BreakerOpen(
            f"{self.service}: calls to every instance kept failing; next try in {wait_s:.0f} s",
            retry_after_s=max(wait_s, _RETRY_AFTER_S),
        )

    def _explain(self) -> str:
        if not self._instances:
            return f"{self.service}: no instance is known; start one or correct its address"
        details = "; ".join(f"{s.address} {s.reason}" for s in self.states() if not s.is_serving)
        return f"{self.service}: no healthy instance ({details or 'the others just failed'})"

    async def _follow(self, tasks: asyncio.TaskGroup, endpoints: tuple[Endpoint, ...]) -> None:
        for endpoint in set(endpoints) - set(self._instances):
            self._add(tasks, endpoint)
        for endpoint in set(self._instances) - set(endpoints):
            self._watchers.pop(endpoint).cancel()
            tasks.create_task(self._instances.pop(endpoint).aclose(_CLOSE_GRACE_S))
        INSTANCES.labels(self.service, "known").set(len(self._instances))

    def _add(self, tasks: asyncio.TaskGroup, endpoint: Endpoint) -> None:
        instance = Instance(
            endpoint,
            open_channel(endpoint.address),
            self._stub_type,
            health_service=self._health_service,
            breaker=self._breaker(),
        )
        self._instances[endpoint] = instance
        self._watchers[endpoint] = tasks.create_task(instance.watch_health(), name=f"health {endpoint.address}")


def _by_preference(candidates: list[Instance[StubT]]) -> list[Instance[StubT]]:
    """Power of two choices: the better of two drawn at random first, the rest after them as a fallback."""
    shuffled = random.sample(candidates, len(candidates))
    return sorted(shuffled[:2], key=lambda instance: instance.predicted_wait_s) + shuffled[2:]
