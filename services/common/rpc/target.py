"""What a call goes to: a channel with its stub, its breaker and the calls in progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from grpc import aio

from services.common.errors import Overloaded
from services.common.rpc.breaker import Breaker
from services.common.rpc.coalescing import Coalescer

StubT = TypeVar("StubT")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceState:
    """What is known of an instance, for people."""

    address: str
    is_serving: bool
    is_breaker_open: bool
    reason: str
    """Why it gets no calls; empty when it does."""


class Target(Generic[StubT]):
    """An instance, or a proxy that picks one. Its owner calls `aclose`.

    Args:
        address: host:port that is dialled.
        channel: a channel to it, owned by this object from now on.
        stub_type: the generated stub's class.
        breaker: this target's own.
    """

    def __init__(
        self, address: str, channel: aio.Channel, stub_type: Callable[[aio.Channel], StubT], *, breaker: Breaker
    ) -> None:
        self.address = address
        self.stub = stub_type(channel)
        self.breaker = breaker
        self.in_flight = 0
        self.coalescers: dict[str, Coalescer[Any, Any]] = {}
        """By method."""
        self._channel = channel

    @property
    def held(self) -> int:
        """Calls that fail together when one instance dies."""
        return self.in_flight

    @property
    def breaker_problem(self) -> str:
        """Why the breaker keeps calls away; empty when it does not."""
        if not self.breaker.is_open:
            return ""
        return f"its calls kept failing; next try in {self.breaker.retry_after_s():.1f} s"

    def observe_latency(self, seconds: float) -> None:
        """Take note of how long an answered call took."""

    def observe_load(self, predicted_wait_s: float) -> None:
        """Take note of the wait that an answer or a refusal says a request would have now."""

    def who_refused(self, refusal: Overloaded) -> str:  # noqa: ARG002 - behind a proxy it matters
        """The instance that gave a refusal; empty where that is unknown."""
        return self.address

    def stay_away(self, seconds: float) -> None:
        """Take note that it answered nothing for now: others are better for so long."""

    async def aclose(self, grace_s: float) -> None:
        """Let calls in progress, and those that wait to travel, finish for `grace_s`, then close the channel."""
        for coalescer in self.coalescers.values():
            coalescer.send_unsent()
        try:
            await asyncio.sleep(0)  # they are sent in this turn of the loop; a channel that closes takes no new calls
            await self._channel.close(grace_s)
        finally:
            await self._channel.close()  # when cancelled in the grace: now
