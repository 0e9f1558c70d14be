"""Callers that wait as long as a refusal says, and then try again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from bench.callers import Client, Visit, evenly, open_loop
from bench.load import Target
from bench.refusals import REFUSED, RETRY_AFTER_MS

MOST_TRIES = 6
NO_ANSWER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """What came of one caller."""

    statuses: Sequence[int]
    """Of each try, the last one's last; 0 without an answer."""

    @property
    def was_refused(self) -> bool:
        """True when the first try was refused."""
        return self.statuses[0] in REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Obedience:
    """What came of all callers."""

    visits: Sequence[Visit[Tries]]

    @property
    def refused(self) -> Sequence[Tries]:
        """Those whose first try was refused."""
        return [visit.result for visit in self.visits if visit.result.was_refused]

    @property
    def unanswered(self) -> int:
        """Callers whose connection failed, or who waited too long."""
        return sum(visit.result.statuses[-1] == NO_ANSWER for visit in self.visits)

    @property
    def most_lag_s(self) -> float:
        """How late the caller began that was the latest."""
        return max(visit.lag_s for visit in self.visits)

    def share_served_by(self, tries: int) -> float | None:
        """Share of the refused that had a good answer after at most so many tries; None when none was refused."""
        refused = self.refused
        served = [one for one in refused if 200 in one.statuses[:tries]]
        return len(served) / len(refused) if refused else None


async def obey(target: Target, bodies: Sequence[bytes], *, rate: float, duration_s: float) -> Obedience:
    """Send bodies at a fixed rate; the refused ones wait exactly as long as they are told, and try again.

    Raises:
        SystemExit: a refusal says no delay.
    """
    async with Client(target) as client:

        async def one(number: int) -> Tries:
            statuses: list[int] = []
            while len(statuses) < MOST_TRIES:
                try:
                    reply = await client.post(bodies[number])
                except httpx.HTTPError:
                    statuses.append(NO_ANSWER)
                    break
                statuses.append(reply.status_code)
                if reply.status_code not in REFUSED:
                    break
                if RETRY_AFTER_MS not in reply.headers:
                    raise SystemExit(f"a refusal ({reply.status_code}) has no {RETRY_AFTER_MS}: nothing to obey")
                await asyncio.sleep(float(reply.headers[RETRY_AFTER_MS]) / 1e3)
            return Tries(statuses=statuses)

        return Obedience(visits=await open_loop(evenly(rate, duration_s), one))
