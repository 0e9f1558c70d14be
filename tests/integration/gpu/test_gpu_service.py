from __future__ import annotations

import pytest
from isolane.gpu.v1 import gpu_service_pb2 as pb
from isolane.gpu.v1 import gpu_service_pb2_grpc as pb_grpc

from services.common.deadline import Deadline
from services.common.testing.servers import connected, running
from services.gpu.app import build
from services.gpu.devices.base import Device, DeviceKind, DeviceSource, Inventory
from services.gpu.devices.fake import FAKE_INVENTORY, FakeSource
from services.gpu.settings import GpuSettings

pytestmark = pytest.mark.integration

SERVICE = "isolane.gpu.v1.GpuService"


async def list_devices(source: DeviceSource | None = None) -> pb.ListDevicesResponse:
    settings = GpuSettings(port=0, metrics_port=0, backend="fake")
    async with (
        running(build(settings, source=source), settings) as port,
        connected(port, pb_grpc.GpuServiceStub, health_service=SERVICE) as client,
    ):
        return await client.call(
            "ListDevices", lambda stub: stub.ListDevices, pb.ListDevicesRequest(), deadline=Deadline.after(10)
        )


async def test_the_fake_devices_are_served_whole_with_slices_after_their_gpu() -> None:
    reply = await list_devices()

    assert reply.driver_version == FAKE_INVENTORY.driver_version
    assert [device.id for device in reply.devices] == [device.id for device in FAKE_INVENTORY.devices]
    assert [device.kind for device in reply.devices] == [
        pb.DEVICE_KIND_GPU,
        pb.DEVICE_KIND_GPU,
        pb.DEVICE_KIND_MIG,
        pb.DEVICE_KIND_MIG,
    ]
    assert [device.healthy for device in reply.devices] == [True, False, True, True]


async def test_every_field_of_a_device_crosses_the_wire() -> None:
    full = Device(
        id="GPU-a",
        kind=DeviceKind.GPU,
        name="A",
        memory_bytes=2**40,
        memory_used_bytes=3,
        utilization_percent=0,
        temperature_celsius=41,
        compute_capability="9.0",
    )
    bare = Device(id="GPU-b", kind=DeviceKind.GPU, name="B", problem="broken")

    first, second = (await list_devices(FakeSource(Inventory(devices=(full, bare))))).devices

    assert first == pb.Device(
        id="GPU-a",
        kind=pb.DEVICE_KIND_GPU,
        name="A",
        memory_bytes=2**40,
        memory_used_bytes=3,
        utilization_percent=0,
        temperature_celsius=41,
        healthy=True,
        compute_capability="9.0",
    )
    assert (second.healthy, second.problem) == (False, "broken")
    assert not second.HasField("utilization_percent")
    assert not second.HasField("temperature_celsius")


async def test_a_node_without_gpus_serves_its_cpu() -> None:
    (cpu,) = (await list_devices(FakeSource(Inventory()))).devices

    assert (cpu.id, cpu.kind, cpu.healthy) == ("cpu", pb.DEVICE_KIND_CPU, True)
    assert cpu.name
    assert 0 < cpu.memory_used_bytes < cpu.memory_bytes
