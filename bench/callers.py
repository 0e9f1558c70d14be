"""Callers that do more than one request: they obey a refusal, or use one answer for the next request.

httpx sends them, in one Python process, which takes a part of the cores that it measures: more of it the more callers
there are. The open loop says how well it kept its rate.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import httpx
import numpy as np

from bench.answers import LEAST_PER_CALLER
from bench.load import Target

ResultT = TypeVar("ResultT")
_LIMIT_S = 60.0
_LEAD_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit(Generic[ResultT]):
    """One caller's visit. Moments are seconds of one clock."""

    intended_s: float
    started_s: float
    done_s: float
    result: ResultT

    @property
    def lag_s(self) -> float:
        """How late it started."""
        return self.started_s - self.intended_s

    @property
    def latency_s(self) -> float:
        """From the intended moment to its end."""
        return self.done_s - self.intended_s


def evenly(rate: float, duration_s: float) -> list[float]:
    """Moments at equal distances, so many a second."""
    return [number / rate for number in range(int(rate * duration_s))]


def randomly(rate: float, duration_s: float, seed: int) -> list[float]:
    """Moments of a Poisson process: as callers come who do not know of each other; as many as `evenly` gives."""
    count = int(rate * duration_s)
    moments: list[float] = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count)).tolist()
    return moments


async def open_loop(moments_s: Sequence[float], visit: Callable[[int], Awaitable[ResultT]]) -> Sequence[Visit[ResultT]]:
    """Start visits at their moments, whatever becomes of them; they get their number."""
    start_s = time.perf_counter() + _LEAD_S

    async def one(number: int, moment_s: float) -> Visit[ResultT]:
        intended_s = start_s + moment_s
        await asyncio.sleep(intended_s - time.perf_counter())
        return await _timed(intended_s, visit(number))

    return await asyncio.gather(*(one(number, moment_s) for number, moment_s in enumerate(moments_s)))


async def closed_loop(
    callers: int, duration_s: float, visit: Callable[[int], Awaitable[ResultT]]
) -> Sequence[Visit[ResultT]]:
    """Callers that begin a visit when they have ended one, until the time is over."""
    numbers = itertools.count()
    end_s = time.perf_counter() + duration_s

    async def caller() -> list[Visit[ResultT]]:
        visits = []
        while (now_s := time.perf_counter()) < end_s:
            visits.append(await _timed(now_s, visit(next(numbers))))
        return visits

    return list(itertools.chain.from_iterable(await asyncio.gather(*(caller() for _ in range(callers)))))


def visits_per_s(visits: Sequence[Visit[ResultT]], callers: int) -> float:
    """Visits of a closed loop per second, from the moment when each caller had ended one."""
    done = sorted(visit.done_s for visit in visits)
    if len(done) < (1 + LEAST_PER_CALLER) * callers:
        raise SystemExit(f"{len(done)} visits of {callers} callers are too few to measure; take longer turns")
    return (len(done) - callers) / (done[-1] - done[callers - 1])


class Client:
    """Sends JSON to one endpoint. Enter it.

    Args:
        target: the endpoint.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._http = httpx.AsyncClient(timeout=_LIMIT_S, limits=limits, trust_env=False)

    async def __aenter__(self) -> Client:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_problem: object) -> None:
        await self._http.aclose()

    async def post(self, body: bytes) -> httpx.Response:
        """One request, whatever its status."""
        headers = {"Content-Type": "application/json", **self._target.headers}
        return await self._http.post(self._target.url, content=body, headers=headers)


async def _timed(intended_s: float, visit: Awaitable[ResultT]) -> Visit[ResultT]:
    started_s = time.perf_counter()
    result = await visit
    return Visit(intended_s=intended_s, started_s=started_s, done_s=time.perf_counter(), result=result)
