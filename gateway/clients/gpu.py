"""The GPU manager as the gateway sees it: its health informs, no request depends on it."""

from __future__ import annotations

from isolane.gpu.v1 import gpu_service_pb2 as pb
from isolane.gpu.v1.gpu_service_pb2_grpc import GpuServiceStub

from services.common.rpc.pool import Pools

SERVICE = "gpu"
HEALTH_SERVICE = pb.DESCRIPTOR.services_by_name["GpuService"].full_name


class GpuClient:
    """Follows the GPU managers' health.

    Args:
        pools: makes the pool of its instances.
    """

    def __init__(self, pools: Pools) -> None:
        self.pool = pools.open(SERVICE, GpuServiceStub, health_service=HEALTH_SERVICE)
