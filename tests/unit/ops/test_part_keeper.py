from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ops.local.keeper import PartKeeper
from ops.local.parts import Part
from ops.local.process import Backoff
from services.common.errors import StartupError
from services.common.testing.clock import FakeClock


class StandIn:
    """A process that ends when the test says so."""

    def __init__(self, pid: int, started_s: float) -> None:
        self.pid = pid
        self.started_s = started_s
        self.ended = asyncio.Event()

    async def wait(self) -> None:
        await self.ended.wait()

    def how_it_ended(self) -> str:
        return "killed by SIGKILL"


class Scene:
    """A keeper over stand-in processes."""

    def __init__(self, probe: Callable[[StandIn], bool] = lambda process: True) -> None:
        self.clock = FakeClock()
        self.processes: list[StandIn] = []
        self.said: list[str] = []
        self.changes = 0
        self.refusals: list[Exception] = []
        self._probe = probe
        part = Part(name="embedding", module="", protocol="grpc", port=1, environ={})
        self.keeper = PartKeeper(
            part,
            start=self._start,  # type: ignore[arg-type]  # a stand-in has what the keeper uses
            probe=self._is_healthy,
            say=self.said.append,
            changed=self._changed,
            backoff=Backoff(first_s=0.001, longest_s=0.004),
            clock=self.clock,
        )

    async def _start(self, part: Part) -> StandIn:
        if self.refusals:
            raise self.refusals.pop()
        self.processes.append(StandIn(pid=100 + len(self.processes), started_s=self.clock()))
        return self.processes[-1]

    async def _is_healthy(self, part: Part) -> bool:
        await asyncio.sleep(0)
        return self._probe(self.processes[-1])

    def _changed(self) -> None:
        self.changes += 1

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - it polls any condition
                await asyncio.sleep(0.001)


async def test_dead_part_is_started_again_and_said_so_in_one_line_each() -> None:
    scene = Scene()
    running = asyncio.create_task(scene.keeper.run())
    await scene.until(scene.keeper.healthy.is_set)

    scene.processes[0].ended.set()
    await scene.until(lambda: len(scene.said) == 2)

    running.cancel()
    assert scene.said == [
        "embedding ended (killed by SIGKILL); starting it again in 0.001 s",
        "embedding is back (pid 101, 0.0 s)",
    ]
    assert scene.keeper.restarts == 1


async def test_part_that_never_served_fails_the_stack_with_its_last_words() -> None:
    scene = Scene(probe=lambda process: False)
    running = asyncio.create_task(scene.keeper.run())
    await scene.until(lambda: len(scene.processes) == 1)

    scene.processes[0].ended.set()

    with pytest.raises(StartupError, match=r"embedding did not start: killed by SIGKILL"):
        await running


async def test_part_that_served_once_is_tried_for_ever_with_growing_delays() -> None:
    scene = Scene(probe=lambda process: process.pid == 100)
    running = asyncio.create_task(scene.keeper.run())
    await scene.until(scene.keeper.healthy.is_set)

    for number in range(4):
        scene.processes[number].ended.set()
        await scene.until(lambda number=number: len(scene.processes) == number + 2)  # type: ignore[misc]

    running.cancel()
    assert [line.rpartition(" in ")[2] for line in scene.said] == ["0.001 s", "0.002 s", "0.004 s", "0.004 s"]


@pytest.mark.parametrize("refusal", [StartupError("the log is missing"), OSError("the log is missing")])
async def test_part_that_cannot_be_started_again_is_tried_again(refusal: Exception) -> None:
    scene = Scene()
    running = asyncio.create_task(scene.keeper.run())
    await scene.until(scene.keeper.healthy.is_set)

    scene.refusals = [refusal]
    scene.processes[0].ended.set()
    await scene.until(lambda: running.done() or len(scene.said) == 3)

    running.cancel()
    assert scene.said == [
        "embedding ended (killed by SIGKILL); starting it again in 0.001 s",
        "the log is missing; starting it again in 0.002 s",
        "embedding is back (pid 101, 0.0 s)",
    ]


async def test_part_whose_first_start_is_refused_fails_the_stack() -> None:
    scene = Scene()
    scene.refusals = [StartupError("the log is missing")]

    with pytest.raises(StartupError, match="the log is missing"):
        await scene.keeper.run()


async def test_long_health_resets_the_delay() -> None:
    scene = Scene()
    running = asyncio.create_task(scene.keeper.run())
    await scene.until(scene.keeper.healthy.is_set)
    scene.processes[0].ended.set()
    await scene.until(lambda: len(scene.processes) == 2 and scene.keeper.healthy.is_set())
    scene.clock.advance(30.0)

    scene.processes[1].ended.set()
    await scene.until(lambda: len(scene.processes) == 3)

    running.cancel()
    assert scene.said[-2 if "back" in scene.said[-1] else -1].endswith("again in 0.001 s")


async def test_dead_part_counts_as_unhealthy_until_it_is_back() -> None:
    scene = Scene(probe=lambda process: process.pid == 100)
    running = asyncio.create_task(scene.keeper.run())
    await scene.until(scene.keeper.healthy.is_set)
    changes = scene.changes

    scene.processes[0].ended.set()
    await scene.until(lambda: len(scene.processes) == 2)

    running.cancel()
    assert not scene.keeper.healthy.is_set()
    assert scene.changes >= changes + 2
