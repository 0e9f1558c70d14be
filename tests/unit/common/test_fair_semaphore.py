"""Who holds it next."""

from __future__ import annotations

import asyncio

from services.common.caller import Caller
from services.common.fair_semaphore import FairSemaphore


async def order_of(*asked: tuple[str, str], number: int = 1) -> list[tuple[str, str]]:
    """In which order those who ask in this order hold it, once another leaves it."""
    semaphore, had = FairSemaphore(number), []

    async def ask(origin: str, client: str) -> None:
        async with semaphore.hold(Caller(origin=origin, client=client)):
            had.append((origin, client))
            await asyncio.sleep(0)

    async with semaphore.hold(Caller(origin="first", client="first")):
        asking = [asyncio.create_task(ask(*one)) for one in asked]
        await asyncio.sleep(0)
    await asyncio.gather(*asking)
    return had


async def test_of_one_client_the_first_comes_first() -> None:
    assert await order_of(("a", "x"), ("a", "x")) == [("a", "x")] * 2


async def test_clients_of_one_origin_take_turns() -> None:
    assert await order_of(("a", "x"), ("a", "x"), ("a", "y")) == [("a", "x"), ("a", "y"), ("a", "x")]


async def test_many_names_of_one_origin_hold_it_no_more_often_than_another_origin() -> None:
    had = await order_of(*(("a", f"name {number}") for number in range(9)), ("b", "x"), ("b", "x"))

    assert [origin for origin, _ in had[:4]] == ["a", "b", "a", "b"]


async def test_who_is_gone_does_not_get_it_and_keeps_it_from_nobody() -> None:
    semaphore = FairSemaphore(1)

    async def ask() -> str:
        async with semaphore.hold(Caller(origin="a", client="x")):
            return "had"

    async with semaphore.hold(Caller(origin="a", client="x")):
        gone, waits = asyncio.create_task(ask()), asyncio.create_task(ask())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)

    assert await asyncio.wait_for(waits, 1) == "had"


async def test_who_goes_just_as_it_comes_gives_it_back() -> None:
    semaphore = FairSemaphore(1)

    async def ask() -> str:
        async with semaphore.hold(Caller(origin="a", client="x")):
            return "had"

    async with semaphore.hold(Caller(origin="a", client="x")):
        gone = asyncio.create_task(ask())
        await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    assert await asyncio.wait_for(ask(), 1) == "had"


async def test_as_many_as_may_hold_it_at_once() -> None:
    semaphore, at_once, most = FairSemaphore(2), 0, 0

    async def ask(number: int) -> None:
        nonlocal at_once, most
        async with semaphore.hold(Caller(client=str(number))):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*map(ask, range(6)))

    assert most == 2
