from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from services.common.errors import StartupError
from services.common.testing.logs import captured_logs
from services.common.testing.waiting import eventually
from services.gpu.devices.base import Device, DeviceKind, DeviceSource, Inventory
from services.gpu.devices.fake import FAKE_INVENTORY, FakeSource
from services.gpu.engine import GpuEngine
from services.gpu.settings import GpuSettings

GPU = Device(id="GPU-a", kind=DeviceKind.GPU, name="A", memory_bytes=100, memory_used_bytes=7, temperature_celsius=40)
ONE_GPU = Inventory(devices=(GPU,), driver_version="1.0")


class HangingSource(FakeSource):
    """Answers while `answers` is set, then no more until the test ends."""

    def __init__(self, inventory: Inventory = ONE_GPU) -> None:
        super().__init__(inventory)
        self.answers = threading.Event()
        self.answers.set()
        self.reads = 0

    def read(self) -> Inventory:
        self.reads += 1
        self.answers.wait()
        return super().read()


@pytest.fixture
def hanging() -> Iterator[HangingSource]:
    source = HangingSource()
    yield source
    source.answers.set()


def engine_of(load: Callable[[], DeviceSource], **settings: float) -> GpuEngine:
    chosen = {"read_timeout_s": 0.05, "start_timeout_s": 0.05, **settings}
    return GpuEngine(GpuSettings(**chosen), load)  # type: ignore[arg-type]


def no_driver() -> DeviceSource:
    raise StartupError("no driver")


def sample(metric: str, device: Device) -> float | None:
    labels = {"device": device.id, "kind": device.kind.value, "name": device.name}
    return REGISTRY.get_sample_value(f"isolane_gpu_{metric}", labels)


async def test_devices_are_those_of_the_source() -> None:
    async with engine_of(FakeSource) as engine:
        assert await engine.inventory() == FAKE_INVENTORY


async def test_without_a_driver_the_cpu_is_listed_alone() -> None:
    async with engine_of(no_driver) as engine:
        (cpu,) = (await engine.inventory()).devices

    assert (cpu.id, cpu.kind, cpu.is_healthy) == ("cpu", DeviceKind.CPU, True)


async def test_the_cpu_follows_gpus_of_which_none_is_usable() -> None:
    broken = Inventory(devices=(GPU.failing("broken"),), driver_version="1.0")
    async with engine_of(lambda: FakeSource(broken)) as engine:
        found = await engine.inventory()

    assert [(device.id, device.is_healthy) for device in found.devices] == [("GPU-a", False), ("cpu", True)]
    assert found.driver_version == "1.0"


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (no_driver, "no driver"),
        (lambda: FakeSource(Inventory(devices=(GPU.failing("broken"),))), "GPU-a: broken"),
    ],
)
async def test_require_gpu_refuses_to_start_without_a_usable_one_and_says_why(
    load: Callable[[], DeviceSource], reason: str
) -> None:
    with pytest.raises(StartupError, match=f"require_gpu is set and no GPU is usable: {reason}"):
        async with engine_of(load, require_gpu=True):
            pass


async def test_require_gpu_is_content_with_a_slice() -> None:
    slice_ = Device(id="MIG-a", kind=DeviceKind.MIG, name="A")
    split = Inventory(devices=(GPU.failing("split"), slice_))
    async with engine_of(lambda: FakeSource(split), require_gpu=True) as engine:
        assert (await engine.inventory()) == split


async def test_a_driver_that_hangs_while_it_starts_does_not_hold_up_the_start() -> None:
    released = threading.Event()

    def hang() -> DeviceSource:
        released.wait()
        return FakeSource()

    try:
        with pytest.raises(StartupError, match="did not start within"):
            async with engine_of(hang, require_gpu=True):
                pass
    finally:
        released.set()


async def test_a_first_reading_that_hangs_counts_as_no_usable_gpu(hanging: HangingSource) -> None:
    hanging.answers.clear()

    with pytest.raises(StartupError, match="the driver does not answer"):
        async with engine_of(lambda: hanging, require_gpu=True):
            pass


async def test_a_driver_that_hangs_makes_its_gpus_unhealthy_until_it_answers(hanging: HangingSource) -> None:
    async with engine_of(lambda: hanging) as engine:
        before = await engine.inventory()
        hanging.answers.clear()
        during = await engine.inventory()
        hanging.answers.set()
        while not (after := await engine.inventory()).has_usable_gpu:  # noqa: ASYNC110 - the engine tells nobody
            await asyncio.sleep(0.001)

    assert before == after == ONE_GPU
    assert [(device.id, device.is_healthy) for device in during.devices] == [("GPU-a", False), ("cpu", True)]
    assert "has not answered" in during.devices[0].problem


async def test_a_driver_that_hangs_is_asked_once_however_many_wait(hanging: HangingSource) -> None:
    async with engine_of(lambda: hanging) as engine:
        reads_before = hanging.reads
        hanging.answers.clear()
        await asyncio.gather(*(engine.inventory() for _ in range(20)))
        await engine.inventory()
        hanging.answers.set()

    assert hanging.reads == reads_before + 1


async def test_a_source_with_a_bug_makes_its_gpus_unhealthy_and_crashes_nothing() -> None:
    class Broken(FakeSource):
        is_broken = False

        def read(self) -> Inventory:
            if self.is_broken:
                raise KeyError("bug")
            return super().read()

    source = Broken(ONE_GPU)
    async with engine_of(lambda: source) as engine:
        source.is_broken = True
        found = await engine.inventory()

    assert "cannot be read" in found.devices[0].problem


async def test_metrics_show_what_a_device_reports_and_forget_devices_that_are_gone() -> None:
    source = FakeSource(ONE_GPU)
    async with engine_of(lambda: source) as engine:
        shown = [sample(name, GPU) for name in ("memory_bytes", "memory_used_bytes", "temperature_celsius", "healthy")]
        not_reported = sample("utilization_percent", GPU)
        source.inventory = Inventory(devices=(GPU.failing("broken"),))
        await engine.inventory()
        unhealthy = sample("healthy", GPU)
        source.inventory = Inventory()
        await engine.inventory()
        gone = sample("memory_bytes", GPU)

    assert shown == [100, 7, 40, 1]
    assert (not_reported, unhealthy, gone) == (None, 0, None)


async def test_a_change_of_health_is_logged_once() -> None:
    source = FakeSource(ONE_GPU)
    async with engine_of(lambda: source) as engine:
        with captured_logs() as logs:
            await engine.inventory()
            source.inventory = Inventory(devices=(GPU.failing("broken"),))
            await engine.inventory()
            await engine.inventory()

    changes = logs.lines("device_health")
    assert [(entry["device"], entry["is_healthy"], entry["problem"]) for entry in changes] == [
        ("GPU-a", False, "broken")
    ]


async def test_the_background_task_keeps_the_metrics_current() -> None:
    source = FakeSource(ONE_GPU)
    async with engine_of(lambda: source, sample_interval_s=0.001) as engine:
        running = asyncio.create_task(engine.run())
        source.inventory = Inventory(devices=(replace(GPU, memory_used_bytes=99),))
        await eventually(lambda: sample("memory_used_bytes", GPU) == 99)
        running.cancel()
