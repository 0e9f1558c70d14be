"""The `Pool` port: where the calls of one service go."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

from grpc import aio

from services.common.rpc.breaker import Permit
from services.common.rpc.target import InstanceState, Target

StubT = TypeVar("StubT")


class Pool(Protocol[StubT]):
    """The instances of a service, kept in step with a resolver."""

    service: str
    """Name that the resolver knows."""

    async def run(self) -> None:
        """Follow the resolver until cancelled; its owner supervises it. Closes every channel at the end."""
        ...

    def pick(self, exclude: Collection[str] = ()) -> tuple[Target[StubT], Permit]:
        """Where the next call goes, and the permit to call it; never waits.

        Args:
            exclude: addresses of those that just failed or refused; a proxy's may be given again.

        Raises:
            NoEndpoint: there is no healthy instance.
            BreakerOpen: calls failed lately.
        """
        ...

    def states(self) -> tuple[InstanceState, ...]:
        """What is known of each instance now."""
        ...

    def problem(self) -> str:
        """Why there is no healthy instance, for people; empty when there is one."""
        ...

    async def health_known(self) -> None:
        """Wait until the instances and their health were heard of once."""
        ...

    def are_all(self, names: Collection[str]) -> bool:
        """Whether these are all the instances that take calls now; False where there is none.

        Args:
            names: as `Target.who_refused` gives them.
        """
        ...

    @property
    def size(self) -> int:
        """Number of instances."""
        ...


class Pools(Protocol):
    """Makes the pools of a process: with a mesh or without."""

    def open(self, service: str, stub_type: Callable[[aio.Channel], StubT], *, health_service: str) -> Pool[StubT]:
        """The pool of a service.

        Args:
            service: name that the resolver knows.
            stub_type: the generated stub's class.
            health_service: full gRPC service name whose health decides.
        """
        ...
