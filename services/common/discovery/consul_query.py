"""What Consul says of one service, kept current by one blocking query after the other."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.common.deadline import Clock
from services.common.discovery.base import Endpoint, Resolution
from services.common.discovery.consul_api import ConsulApi, ConsulFailed, Passing
from services.common.discovery.consul_login import ConsulLogin
from services.common.discovery.pacing import Backoff, Pace
from services.common.telemetry.logs import get_logger
from services.common.telemetry.metrics import resolver_failures

Sleep = Callable[[float], Awaitable[None]]

_LEAST_WAIT_S = 1.0
"""Consul takes a wait of 0 for five minutes."""

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How the queries go about time."""

    wait_s: float = 55.0
    """Longest time that Consul holds a query back until something changes. Unit: seconds."""
    recovery_grace_s: float = 30.0
    """Time after an outage in which an empty answer is not believed. Unit: seconds."""
    clock: Clock = time.monotonic
    sleep: Sleep = asyncio.sleep


class ServiceQuery:
    """The passing instances of a service. Its owner runs `run` as a task and notices its end.

    Args:
        service: its name in Consul.
        api: the agent.
        login: gives the token.
        timing: waits and clock.
    """

    def __init__(self, service: str, api: ConsulApi, login: ConsulLogin, timing: Timing) -> None:
        self.service = service
        self.changed = asyncio.Event()
        """Set at the next change, which puts a new event here."""
        self._api = api
        self._login = login
        self._timing = timing
        self._pace = Pace(clock=timing.clock)
        self._backoff = Backoff()
        self._failures = resolver_failures().labels(service)
        self._endpoints: tuple[Endpoint, ...] = ()
        self._is_known = False
        self._index = 0
        self._asked_s = timing.clock()
        self._lost_s: float | None = None
        """When contact was lost; None while there is contact, and before the first try."""
        self._stale_since_s: float | None = timing.clock()
        """Since when what is known may be wrong; None while it is current."""
        self._doubt_until_s: float | None = None
        """Until when an empty answer is not believed."""

    def resolution(self) -> Resolution:
        """What is known now."""
        since_s = self._stale_since_s
        age_s = 0.0 if since_s is None else max(0.0, self._timing.clock() - since_s)
        return Resolution(service=self.service, endpoints=self._endpoints, age_s=age_s, is_known=self._is_known)

    async def run(self) -> None:
        """Follow Consul until cancelled; a failure is a reason to try again, never to end."""
        while True:
            await self._timing.sleep(self._pace.take_s())
            try:
                passing = await self._ask()
            except ConsulFailed as exc:
                self._lose(exc)
                await self._timing.sleep(self._backoff.take_s())
            else:
                self._take(passing)

    def tell_watchers(self) -> None:
        """Wake whoever waits for a change."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def _ask(self) -> Passing:
        self._asked_s = self._timing.clock()
        async with self._login.token() as token:
            return await self._api.passing(self.service, index=self._index, wait_s=self._wait_s(), token=token)

    def _wait_s(self) -> float:
        """How long Consul may hold the query back: while an empty answer is doubted, no longer than that."""
        if self._doubt_until_s is not None and self._stale_since_s is not None:
            return max(_LEAST_WAIT_S, min(self._timing.wait_s, self._doubt_until_s - self._timing.clock()))
        return self._timing.wait_s * random.uniform(0.9, 1.0)  # noqa: S311 - jitter

    def _lose(self, failure: ConsulFailed) -> None:
        """No answer: what is known stays, and grows old."""
        self._failures.inc()
        self._index = 0  # what is asked next is whether Consul is back, at once
        self._doubt_until_s = None
        now_s = self._timing.clock()
        if self._stale_since_s is None:
            self._stale_since_s = self._asked_s if failure.was_silent else now_s
        if self._lost_s is None:
            self._lost_s = now_s
            log.warning("resolver_lost", upstream=self.service, reason=str(failure), kept=len(self._endpoints))

    def _take(self, passing: Passing) -> None:
        """An answer: believe it, unless it may come from an agent that does not know better yet."""
        self._backoff.reset()
        self._index = passing.index if passing.index >= max(1, self._index) else 0
        if self._lost_s is not None:
            self._regain(len(passing.endpoints))
        if passing.endpoints or not self._is_doubtful():
            self._believe(passing.endpoints)
        elif self._stale_since_s is None:
            self._stale_since_s = self._timing.clock()

    def _regain(self, shown: int) -> None:
        now_s = self._timing.clock()
        lost_for_s = round(now_s - (self._lost_s or now_s), 1)
        log.info("resolver_back", upstream=self.service, lost_for_s=lost_for_s, passing=shown)
        self._lost_s = None
        # A restarted agent first says what its servers remember, then that every check is critical until it has run.
        self._doubt_until_s = now_s + self._timing.recovery_grace_s

    def _is_doubtful(self) -> bool:
        """True while instances are known and an answer without any may be an agent's that has only just started."""
        until_s = self._doubt_until_s
        return bool(self._endpoints) and until_s is not None and self._timing.clock() < until_s

    def _believe(self, endpoints: tuple[Endpoint, ...]) -> None:
        is_news = endpoints != self._endpoints or not self._is_known
        self._endpoints = endpoints
        self._is_known = True
        self._stale_since_s = None
        if is_news:
            self.tell_watchers()
