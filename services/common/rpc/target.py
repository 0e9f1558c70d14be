"""What a call goes to: a channel with its stub, its breaker and the calls in progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from grpc import aio

from services.common.errors import Overloaded
from services.common.rpc.breaker import Breaker
from services.common.rpc.hold_off import Asked, HoldOff

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
        self._hold_off = HoldOff()
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

    @property
    def is_refusing(self) -> bool:
        """True while it is known to refuse work for its load."""
        return False

    def observe_latency(self, seconds: float) -> None:
        """Take note of how long an answered call took."""

    def observe_load(self, predicted_wait_s: float) -> None:
        """Take note of the wait that an answer or a refusal says a request would have now."""

    @property
    def is_holding_off(self) -> bool:
        """Whether some calls need not be tried now."""
        return self._hold_off.is_active

    def refusal(self, asked: Asked) -> Overloaded | None:
        """Why a call need not be tried, as the like of it was refused a moment ago; None when it has to be."""
        return self._hold_off.refusal(asked)

    def stay_away(self, seconds: float) -> None:
        """Take note that it answered nothing for now: others are better for so long."""

    def observe_refusal(self, asked: Asked, refusal: Overloaded, *, retry_after_s: float, took_s: float) -> Overloaded:
        """Take note that a call was refused for load, and after which time one may be taken; see `HoldOff.observe`."""
        return self._hold_off.observe(asked, refusal, retry_after_s=retry_after_s, took_s=took_s)

    async def aclose(self, grace_s: float) -> None:
        """Let calls in progress finish for `grace_s`, then close the channel."""
        try:
            await self._channel.close(grace_s)
        finally:
            await self._channel.close()  # when cancelled in the grace: now
