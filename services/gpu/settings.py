"""Settings of the GPU service."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from services.common.config import ServerSettings


class GpuSettings(ServerSettings):
    """Settings of the GPU service."""

    service: ClassVar[str] = "gpu"

    port: int = Field(default=50054, ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_port: int = Field(default=9154, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    backend: Literal["nvml", "fake"] = "nvml"
    """Where devices come from: NVIDIA's driver, or made-up GPUs for tests and for trying the API without any."""

    require_gpu: bool = False
    """End the process at start when no GPU is usable, rather than list the CPU."""

    start_timeout_s: float = Field(default=30.0, gt=0)
    """Time that the driver gets to start: seconds per GPU when it has to wake them. Unit: seconds."""

    read_timeout_s: float = Field(default=2.0, gt=0)
    """Time that the driver gets to answer; after it the GPUs are reported as unhealthy. Unit: seconds."""

    sample_interval_s: float = Field(default=5.0, gt=0)
    """Time between two readings for the metrics. Unit: seconds."""
