"""One upstream behind a sidecar: Envoy balances over its instances, the resolver says whether there are any."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

from grpc import aio

from services.common.discovery.base import Resolution, Resolver
from services.common.errors import BreakerOpen, NoEndpoint, Overloaded
from services.common.rpc.breaker import Breaker, ConsecutiveBreaker, Permit
from services.common.rpc.channel import open_channel
from services.common.rpc.gauge import instances_counted
from services.common.rpc.target import InstanceState, Target

StubT = TypeVar("StubT")

_RETRY_AFTER_S = 1.0
"""Hint when nothing better is known: Consul tells of a new instance within a second."""


def upstream_breaker() -> Breaker:
    """A breaker above Envoy's: short at first, for a blip of one instance must not become a minute's outage."""
    return ConsecutiveBreaker(open_s=1.0, longest_s=60.0, jitter=0.25, counts_held_once=True)


class UpstreamPool(Generic[StubT]):
    """A service behind its sidecar's listener.

    The gRPC health of the instances is not asked: the mesh's intentions name no such method, and Consul's checks do.

    Args:
        service: name that the resolver knows.
        resolver: says which instances pass their checks.
        stub_type: the generated stub's class.
        listener: host:port of the sidecar's listener for this service.
        breaker: makes the upstream's breaker.
    """

    def __init__(
        self,
        service: str,
        resolver: Resolver,
        stub_type: Callable[[aio.Channel], StubT],
        *,
        listener: str,
        breaker: Callable[[], Breaker] = upstream_breaker,
    ) -> None:
        self.service = service
        self._resolver = resolver
        self._stub_type = stub_type
        self._listener = listener
        self._breaker = breaker
        self._upstream: _Upstream[StubT] | None = None
        self._known = asyncio.Event()

    async def run(self) -> None:
        """Follow the resolver until cancelled; its owner supervises it. Closes the channel at the end."""
        upstream = _Upstream(self._listener, open_channel(self._listener), self._stub_type, breaker=self._breaker())
        self._upstream = upstream
        try:
            with instances_counted(self.service, self.states):
                async with contextlib.aclosing(self._resolver.watch(self.service)) as changes:
                    async for resolution in changes:
                        self._follow(upstream, resolution)
        finally:
            self._upstream = None
            self._known.set()  # nobody waits for a resolver that nobody follows
            await upstream.aclose(0)

    async def health_known(self) -> None:
        """Wait until the resolver answered once."""
        await self._known.wait()

    def states(self) -> tuple[InstanceState, ...]:
        """The instances that the resolver shows; what keeps calls from one keeps them from all."""
        return self._upstream.states() if self._upstream else ()

    def problem(self) -> str:
        """Why no instance takes calls; empty when the resolver shows one."""
        if self.size:
            return ""
        if not self._known.is_set():
            return "Consul has not answered yet, so no instance is known; try again"
        return "no instance is passing in Consul; start one, or see there why its checks fail"

    def are_all(self, names: Collection[str]) -> bool:
        """Whether they are as many as the instances: Consul shows addresses, and instances call themselves otherwise.

        Who gave no name may be any of several.
        """
        known = len(names) if self.size == 1 else sum(map(bool, names))
        return 0 < self.size <= known

    @property
    def size(self) -> int:
        """Number of instances that the resolver shows."""
        return len(self._upstream.addresses) if self._upstream else 0

    def pick(self, exclude: Collection[str] = ()) -> tuple[Target[StubT], Permit]:  # noqa: ARG002 - Envoy picks
        """The upstream, and the permit to call it; again the same for a retry, for which Envoy picks another instance.

        Raises:
            NoEndpoint: the resolver shows no instance.
            BreakerOpen: calls to the upstream failed lately.
        """
        upstream = self._upstream
        if upstream is None or not upstream.addresses:
            raise NoEndpoint(f"{self.service}: {self.problem()}", retry_after_s=_RETRY_AFTER_S)
        if (permit := upstream.breaker.acquire()) is not None:
            return upstream, permit
        wait_s = max(_RETRY_AFTER_S, upstream.breaker.retry_after_s())
        raise BreakerOpen(f"{self.service}: calls to it kept failing; next try in {wait_s:.0f} s", retry_after_s=wait_s)

    def _follow(self, upstream: _Upstream[StubT], resolution: Resolution) -> None:
        """Take note of the instances; the channel stays also without any, for calls in progress may still finish."""
        addresses = tuple(endpoint.address for endpoint in resolution.endpoints)
        if set(addresses) - set(upstream.addresses):
            upstream.breaker.hint_recovered()
        upstream.addresses = addresses
        if resolution.is_known:
            self._known.set()


class _Upstream(Target[StubT]):
    """The listener, and the instances that are known to be behind it."""

    addresses: tuple[str, ...] = ()

    @property
    def held(self) -> int:
        """Calls that one instance has, when Envoy shares them out evenly."""
        return math.ceil(self.in_flight / max(1, len(self.addresses)))

    def who_refused(self, refusal: Overloaded) -> str:
        """Who the refusal says it is from: the listener's address is that of all."""
        return refusal.instance

    def states(self) -> tuple[InstanceState, ...]:
        """One per instance."""
        problem = self.breaker_problem
        return tuple(
            InstanceState(address=address, is_serving=True, is_breaker_open=bool(problem), reason=problem)
            for address in self.addresses
        )


class UpstreamPools:
    """Pools behind the listeners of a sidecar.

    Args:
        resolver: says which instances pass their checks.
        listeners: host:port by service.
    """

    def __init__(self, resolver: Resolver, listeners: Mapping[str, str]) -> None:
        self._resolver = resolver
        self._listeners = listeners

    def open(
        self,
        service: str,
        stub_type: Callable[[aio.Channel], StubT],
        *,
        health_service: str,  # noqa: ARG002 - Consul's checks ask for it
    ) -> UpstreamPool[StubT]:
        """See `Pools.open`."""
        return UpstreamPool(service, self._resolver, stub_type, listener=self._listeners[service])
