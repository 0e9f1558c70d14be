"""The GPU manager as the gateway sees it: its health informs, no request depends on it."""

from __future__ import annotations

from isolane.gpu.v1 import gpu_service_pb2 as pb
from isolane.gpu.v1.gpu_service_pb2_grpc import GpuServiceStub

from services.common.discovery.base import Resolver
from services.common.rpc.pool import Pool

SERVICE = "gpu"
HEALTH_SERVICE = pb.DESCRIPTOR.services_by_name["GpuService"].full_name


class GpuClient:
    """Follows the GPU managers' health.

    Args:
        resolver: knows the instances.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.pool = Pool(SERVICE, resolver, GpuServiceStub, health_service=HEALTH_SERVICE)
