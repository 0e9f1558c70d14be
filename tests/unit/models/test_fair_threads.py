from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from services.common.caller import Caller
from services.common.testing.waiting import eventually
from services.models.engine.threads import FairThreads

FLOOD, LIGHT = Caller(client="flood"), Caller(client="light")
SHORT, LONG = 10_000, 1_000_000


class Held:
    """Work that waits at a gate and remembers who came through."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun: list[str] = []

    def __call__(self, name: str) -> str:
        self.begun.append(name)
        self.gate.wait(10)
        return name


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def threads(held: Held) -> AsyncIterator[FairThreads]:
    made = FairThreads(2, "test")
    yield made
    held.gate.set()
    made.close()


async def begin(threads: FairThreads, held: Held, name: str, caller: Caller, size: int = SHORT) -> asyncio.Task[str]:
    task = asyncio.create_task(threads.run(lambda: held(name), caller=caller, size=size))
    await asyncio.sleep(0)
    return task


async def test_a_caller_with_little_work_waits_for_no_more_than_a_turn(threads: FairThreads, held: Held) -> None:
    flood = [await begin(threads, held, f"flood {number}", FLOOD) for number in range(50)]
    light = await begin(threads, held, "light", LIGHT)
    await eventually(lambda: len(held.begun) == 2)

    held.gate.set()
    results = await asyncio.gather(*flood, light)

    assert held.begun.index("light") <= 3
    assert results == [*(f"flood {number}" for number in range(50)), "light"]


async def test_long_work_leaves_a_thread_to_short_work(threads: FairThreads, held: Held) -> None:
    tasks = [await begin(threads, held, f"long {number}", FLOOD, LONG) for number in range(3)]
    await eventually(lambda: held.begun == ["long 0"])

    tasks.append(await begin(threads, held, "short", LIGHT))
    await eventually(lambda: held.begun == ["long 0", "short"])

    held.gate.set()
    assert len(await asyncio.gather(*tasks)) == 4


async def test_one_thread_does_long_work_too(held: Held) -> None:
    held.gate.set()

    assert await FairThreads(1, "test").run(lambda: held("long"), caller=FLOOD, size=LONG) == "long"


async def test_those_who_are_gone_take_no_turn_and_keep_no_thread(threads: FairThreads, held: Held) -> None:
    running = [await begin(threads, held, f"first {number}", FLOOD) for number in range(2)]
    waiting = [await begin(threads, held, f"gone {number}", FLOOD) for number in range(10)]
    await eventually(lambda: len(held.begun) == 2)

    for task in (*running, *waiting):
        task.cancel()
    await asyncio.gather(*running, *waiting, return_exceptions=True)
    last = await begin(threads, held, "last", LIGHT)
    await asyncio.sleep(0.05)
    assert len(held.begun) == 2, "both threads are still at the work of those who are gone"

    held.gate.set()
    assert await asyncio.wait_for(last, 5) == "last"
    assert held.begun == ["first 0", "first 1", "last"]
    await eventually(lambda: threads._usual[0]._free == 2)


async def test_a_failure_reaches_its_caller_and_frees_the_thread(threads: FairThreads, held: Held) -> None:
    def fail() -> None:
        raise ValueError("no")

    for _ in range(5):
        with pytest.raises(ValueError, match="no"):
            await threads.run(fail, caller=FLOOD, size=LONG)

    held.gate.set()
    assert await threads.run(lambda: held("after"), caller=FLOOD, size=SHORT) == "after"


async def test_the_shortest_work_is_done_at_once_while_nobody_waits(threads: FairThreads) -> None:
    here = await threads.run(threading.get_ident, caller=FLOOD, size=1000)
    there = await threads.run(threading.get_ident, caller=FLOOD, size=2000)

    assert here == threading.get_ident() != there


async def test_the_shortest_work_takes_its_turn_where_others_wait(threads: FairThreads, held: Held) -> None:
    flood = [await begin(threads, held, f"flood {number}", FLOOD) for number in range(3)]
    await eventually(lambda: len(held.begun) == 2)

    tiny = asyncio.create_task(threads.run(lambda: held.begun.append("tiny"), caller=LIGHT, size=1000))
    await asyncio.sleep(0)
    assert "tiny" not in held.begun

    held.gate.set()
    await asyncio.gather(*flood, tiny)
    assert "tiny" in held.begun


async def test_names_of_one_origin_share_its_turns(threads: FairThreads, held: Held) -> None:
    names = [Caller(client=f"name {number}", origin="one") for number in range(50)]
    flood = [await begin(threads, held, f"flood {number}", each) for number, each in enumerate(names) for _ in range(2)]
    other = await begin(threads, held, "other", Caller(client="other", origin="two"))

    held.gate.set()
    await asyncio.gather(*flood, other)

    assert held.begun.index("other") <= 4
