"""The dialled instances of one upstream: kept in step with the resolver, picked by the shorter predicted wait."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from grpc import aio

from services.common.discovery.base import Endpoint, Resolver
from services.common.errors import BreakerOpen, NoEndpoint
from services.common.rpc.breaker import Breaker, ConsecutiveBreaker, Permit
from services.common.rpc.channel import open_channel
from services.common.rpc.gauge import instances_counted
from services.common.rpc.instance import Instance
from services.common.rpc.target import InstanceState

StubT = TypeVar("StubT")

_CLOSE_GRACE_S = 5.0
_RETRY_AFTER_S = 1.0
"""Hint when nothing better is known: about the time in which a supervisor notices a dead process."""
_JUST_FAILED = "no healthy instance (the others just failed)"


class InstancePool(Generic[StubT]):
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
        self._instances: dict[str, Instance[StubT]] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._resolved = asyncio.Event()

    async def run(self) -> None:
        """Follow the resolver until cancelled; its owner supervises it. Closes every channel at the end."""
        try:
            with instances_counted(self.service, self.states):
                await self._keep_in_step()
        finally:
            self._resolved.set()  # nobody waits for a resolver that nobody follows
            await asyncio.gather(*(instance.aclose(0) for instance in self._instances.values()))
            self._instances.clear()

    async def _keep_in_step(self) -> None:
        async with asyncio.TaskGroup() as tasks, contextlib.aclosing(self._resolver.watch(self.service)) as changes:
            async for resolution in changes:
                self._follow(tasks, resolution.endpoints)
                if resolution.is_known:
                    self._resolved.set()

    async def health_known(self) -> None:
        """Wait until the resolver answered and every instance it named answered or refused once."""
        await self._resolved.wait()
        await asyncio.gather(*(instance.health_known() for instance in self._instances.values()))

    def states(self) -> tuple[InstanceState, ...]:
        """What is known of each instance now."""
        return tuple(instance.state() for instance in self._instances.values())

    def problem(self) -> str:
        """Why no instance takes calls; empty when one does."""
        if not self._instances:
            return "no instance is known; start one or correct its address"
        if any(instance.is_serving for instance in self._instances.values()):
            return ""
        return f"no healthy instance ({'; '.join(f'{s.address} {s.reason}' for s in self.states())})"

    def are_all(self, names: Collection[str]) -> bool:
        """Whether every instance that takes calls is among them; see `Pool.are_all`."""
        taking = [i.address for i in self._instances.values() if i.is_serving and not i.breaker.is_open]
        return bool(taking) and all(address in names for address in taking)

    @property
    def size(self) -> int:
        """Number of instances, healthy or not."""
        return len(self._instances)

    def pick(self, exclude: Collection[str] = ()) -> tuple[Instance[StubT], Permit]:
        """The better of two random healthy instances, and the permit to call it.

        Raises:
            NoEndpoint: none reports SERVING.
            BreakerOpen: every one that does failed lately.
        """
        candidates = [i for i in self._instances.values() if i.is_serving and i.address not in exclude]
        if not candidates:
            raise NoEndpoint(f"{self.service}: {self.problem() or _JUST_FAILED}", retry_after_s=_RETRY_AFTER_S)
        for instance in _by_preference(candidates):
            if (permit := instance.breaker.acquire()) is not None:
                return instance, permit
        wait_s = max(_RETRY_AFTER_S, min(i.breaker.retry_after_s() for i in candidates))
        raise BreakerOpen(
            f"{self.service}: calls to every instance kept failing; next try in {wait_s:.0f} s", retry_after_s=wait_s
        )

    def _follow(self, tasks: asyncio.TaskGroup, endpoints: tuple[Endpoint, ...]) -> None:
        """Dial what is new, leave what is gone; an instance that only says something new of itself is kept."""
        named = {endpoint.address: endpoint for endpoint in endpoints}
        for address, endpoint in named.items():
            if address in self._instances:
                self._instances[address].endpoint = endpoint
            else:
                self._add(tasks, endpoint)
        for address in self._instances.keys() - named.keys():
            self._watchers.pop(address).cancel()
            tasks.create_task(self._instances.pop(address).aclose(_CLOSE_GRACE_S))

    def _add(self, tasks: asyncio.TaskGroup, endpoint: Endpoint) -> None:
        instance = Instance(
            endpoint,
            open_channel(endpoint.address),
            self._stub_type,
            health_service=self._health_service,
            breaker=self._breaker(),
        )
        self._instances[endpoint.address] = instance
        self._watchers[endpoint.address] = tasks.create_task(instance.watch_health(), name=f"health {endpoint.address}")


def _by_preference(candidates: list[Instance[StubT]]) -> list[Instance[StubT]]:
    """Power of two choices: the better of two drawn at random first, the rest after them as a fallback."""
    if len(candidates) == 1:
        return candidates
    shuffled = random.sample(candidates, len(candidates))
    return sorted(shuffled[:2], key=lambda instance: instance.predicted_wait_s) + shuffled[2:]


class InstancePools:
    """Pools that dial each instance.

    Args:
        resolver: says which instances there are.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def open(
        self, service: str, stub_type: Callable[[aio.Channel], StubT], *, health_service: str
    ) -> InstancePool[StubT]:
        """See `Pools.open`."""
        return InstancePool(service, self._resolver, stub_type, health_service=health_service)
