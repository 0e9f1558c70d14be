"""The gRPC face of the GPU engine."""

from __future__ import annotations

from typing import Any

from grpc import aio
from isolane.gpu.v1 import gpu_service_pb2 as pb
from isolane.gpu.v1 import gpu_service_pb2_grpc as pb_grpc

from services.common import call
from services.common.server.server import Registration
from services.gpu.devices.base import Device, DeviceKind
from services.gpu.engine import GpuEngine

NAME = pb.DESCRIPTOR.services_by_name["GpuService"].full_name
Context = aio.ServicerContext[Any, Any]

_KINDS = {
    DeviceKind.CPU: pb.DEVICE_KIND_CPU,
    DeviceKind.GPU: pb.DEVICE_KIND_GPU,
    DeviceKind.MIG: pb.DEVICE_KIND_MIG,
}


class GpuServicer(pb_grpc.GpuServiceServicer):
    """Calls the engine, builds replies."""

    def __init__(self, engine: GpuEngine) -> None:
        self._engine = engine

    async def ListDevices(self, request: pb.ListDevicesRequest, context: Context) -> pb.ListDevicesResponse:
        """See the proto."""
        inventory = await self._engine.inventory()
        unhealthy = sum(not device.is_healthy for device in inventory.devices)
        call.note(devices=len(inventory.devices), unhealthy=unhealthy)
        return pb.ListDevicesResponse(
            devices=[_message(device) for device in inventory.devices], driver_version=inventory.driver_version
        )


def registration(engine: GpuEngine) -> Registration:
    """What the server needs to serve the engine."""
    return Registration(name=NAME, servicer=GpuServicer(engine), add=pb_grpc.add_GpuServiceServicer_to_server)


def _message(device: Device) -> pb.Device:
    return pb.Device(
        id=device.id,
        kind=_KINDS[device.kind],
        name=device.name,
        memory_bytes=device.memory_bytes,
        memory_used_bytes=device.memory_used_bytes,
        utilization_percent=device.utilization_percent,
        temperature_celsius=device.temperature_celsius,
        healthy=device.is_healthy,
        problem=device.problem,
        compute_capability=device.compute_capability,
    )
