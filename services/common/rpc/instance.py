"""A dialled instance of an upstream: its health and its load as it reports them, and its recent speed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import TypeVar

from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.deadline import Clock
from services.common.discovery.base import Endpoint
from services.common.rpc.breaker import Breaker
from services.common.rpc.target import InstanceState, Target

StubT = TypeVar("StubT")

_WATCH_RETRY_S = 0.2
_LATENCY_DECAY = 0.2
"""Weight of the newest call in the running mean of latency."""
_LATENCY_HALF_LIFE_S = 5.0
_LEAST_LATENCY_S = 0.001
"""Below this instances count as equally fast; also what is assumed of a new one."""
_AVOIDED_S = 5.0
"""What an instance that answered nothing for now is charged: an error is fast, and must not look like speed."""
_LONGEST_AVOIDED_S = 60.0


class Instance(Target[StubT]):
    """A dialled instance. Its owner runs `watch_health` as a supervised task and calls `aclose`.

    Args:
        endpoint: where it listens.
        channel: a channel to it, owned by this object from now on.
        stub_type: the generated stub's class.
        health_service: name to ask its health for.
        breaker: this instance's own.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        channel: aio.Channel,
        stub_type: Callable[[aio.Channel], StubT],
        *,
        health_service: str,
        breaker: Breaker,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(endpoint.address, channel, stub_type, breaker=breaker)
        self.endpoint = endpoint
        self._health_service = health_service
        self._clock = clock
        self._latency_s = 0.0
        self._measured_s = clock()
        self._free_at_s = self._avoided_until_s = clock()
        self._problem = "not reached yet"
        self._seen_health = asyncio.Event()

    @property
    def is_serving(self) -> bool:
        """True while the instance reports SERVING."""
        return not self._problem

    @property
    def predicted_wait_s(self) -> float:
        """Expected time to an answer, for comparing instances. Unit: seconds."""
        now_s = self._clock()
        # What is known fades: an instance that was slow once would else be left alone and never measured again. A
        # reported wait passes as time does.
        latency_s: float = self._latency_s * 0.5 ** ((now_s - self._measured_s) / _LATENCY_HALF_LIFE_S)
        queue_s = max(0.0, self._free_at_s - now_s) + (_AVOIDED_S if now_s < self._avoided_until_s else 0.0)
        return queue_s + (self.in_flight + 1) * max(latency_s, _LEAST_LATENCY_S)

    def state(self) -> InstanceState:
        """What is known now."""
        return InstanceState(
            address=self.address,
            is_serving=self.is_serving,
            is_breaker_open=self.breaker.is_open,
            reason=self._problem or self.breaker_problem,
        )

    def observe_latency(self, seconds: float) -> None:
        """Add an answered call to the running mean."""
        self._latency_s += _LATENCY_DECAY * (seconds - self._latency_s) if self._latency_s else seconds
        self._measured_s = self._clock()

    def observe_load(self, predicted_wait_s: float) -> None:
        """Remember when the work that the instance had would be done."""
        self._free_at_s = self._clock() + predicted_wait_s

    def stay_away(self, seconds: float) -> None:
        """Pick others first for so long, at most a minute; where it is the only one it is asked all the same."""
        until_s = self._clock() + min(seconds, _LONGEST_AVOIDED_S)
        self._avoided_until_s = max(self._avoided_until_s, until_s)

    async def health_known(self) -> None:
        """Wait until the instance answered or refused for the first time."""
        await self._seen_health.wait()

    async def watch_health(self) -> None:
        """Follow the instance's own health for ever; a new connection or SERVING lets the breaker probe at once."""
        stub = health_pb2_grpc.HealthStub(self._channel)
        while True:
            call = stub.Watch(health_pb2.HealthCheckRequest(service=self._health_service))
            try:
                async for reply in call:
                    self._report(reply.status)
                self._set_problem("it is stopping")
            except aio.AioRpcError as exc:
                self._set_problem(_reason(exc))
            finally:
                call.cancel()  # a stream that is dropped without this leaks on both sides
            await asyncio.sleep(_WATCH_RETRY_S * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    def _report(self, status: int) -> None:
        if status == health_pb2.HealthCheckResponse.SERVING:
            if self._problem:
                self.breaker.hint_recovered()
            self._set_problem("")
        else:
            self._set_problem("it is starting or draining")

    def _set_problem(self, problem: str) -> None:
        self._problem = problem
        self._seen_health.set()


def _reason(failure: aio.AioRpcError) -> str:
    """Why the health stream failed, for people."""
    if failure.code() is StatusCode.UNAVAILABLE:
        return "not reachable: no process listens there, or it stopped answering"
    return f"its health check fails: {failure.code().name}"
