"""Large work and the event loop."""

from __future__ import annotations

import asyncio
import itertools

from gateway.large_work import LargeWork
from services.common import caller
from services.common.caller import Caller


async def test_between_two_large_pieces_of_work_others_have_a_turn_of_the_loop() -> None:
    large_work, done = LargeWork(), list[str]()

    async def large() -> None:
        await large_work.wait()
        done.append("large")

    async def small() -> None:
        while done.count("large") < 8:
            done.append("small")
            await asyncio.sleep(0)

    await asyncio.gather(*(large() for _ in range(8)), small())

    assert all("small" in (first, second) for first, second in itertools.pairwise(done))


async def test_many_names_of_one_origin_wait_behind_another_origin() -> None:
    large_work, done = LargeWork(), list[str]()

    async def large(name: str, origin: str) -> None:
        caller.current.set(Caller(client=name, origin=origin))
        await large_work.wait()
        done.append(origin)

    await asyncio.gather(*(large(f"made up {number}", "a") for number in range(6)), large("alice", "b"))

    assert done.index("b") <= 2
