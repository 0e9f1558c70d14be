"""Settings of the `isolane` command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from services.common.config import Settings

Backend = Literal["real", "fake"]
Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().resolve())]


def project_root() -> Path:
    """The folder of the checkout; the current folder where Isolane is installed without one."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def inherited_environment() -> dict[str, str]:
    """The environment that child processes build on."""
    return dict(os.environ)


def cache_dir() -> Path:
    """Where programs that were built or fetched for the mesh are kept, for every checkout of this user."""
    return Path.home() / ".cache" / "isolane" / "tools"


class OpsSettings(Settings):
    """Settings of the `isolane` command."""

    service: ClassVar[str] = "ops"

    state_dir: Folder = Field(default_factory=lambda: project_root() / ".isolane" / "local")
    """Folder of the local stack's state and logs; every folder is a stack of its own."""

    backend: Backend = "real"
    """What the local stack and the dev mesh compute with: real models, or deterministic fakes without weights."""

    gateway_port: int = Field(default=8080, ge=0, le=65535)
    """Port of the gateway; 0 takes a free one."""

    embedding_port: int = Field(default=50051, ge=0, le=65535)
    """Port of the embedding service; 0 takes free ones, also for its metrics."""

    reranking_port: int = Field(default=50052, ge=0, le=65535)
    """Port of the reranking service; 0 takes free ones, also for its metrics."""

    documents_port: int = Field(default=50053, ge=0, le=65535)
    """Port of the documents service; 0 takes free ones, also for its metrics."""

    gpu_port: int = Field(default=50054, ge=0, le=65535)
    """Port of the GPU manager; 0 takes free ones, also for its metrics."""

    embedding_metrics_port: int = Field(default=9151, ge=0, le=65535)
    """Port of the embedding service's `/metrics`; 0 takes a free one."""

    reranking_metrics_port: int = Field(default=9152, ge=0, le=65535)
    """Port of the reranking service's `/metrics`; 0 takes a free one."""

    documents_metrics_port: int = Field(default=9153, ge=0, le=65535)
    """Port of the documents service's `/metrics`; 0 takes a free one."""

    gpu_metrics_port: int = Field(default=9154, ge=0, le=65535)
    """Port of the GPU manager's `/metrics`; 0 takes a free one."""

    start_timeout_s: float = Field(default=300.0, gt=0)
    """Longest wait for all parts to be healthy. Unit: seconds."""

    mesh_dir: Folder = Path("/var/lib/isolane")
    """Folder of the dev mesh's data, tokens and logs; at most 31 characters, because of the sockets below it."""

    mesh_gateway_port: int = Field(default=8090, ge=1, le=65535)
    """Port of this machine's loopback on which the dev mesh publishes its gateway."""

    mesh_timeout_s: float = Field(default=300.0, gt=0)
    """Longest wait for every job of the dev mesh to be healthy. Unit: seconds."""

    stop_grace_s: float = Field(default=10.0, gt=0)
    """Time that parts get to end after SIGTERM before they are killed. Unit: seconds."""
