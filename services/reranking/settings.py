"""Settings of the reranking service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from services.common.config import ModelServerSettings

DEVELOPMENT = "development"
"""The model source that means the model that `just models` makes."""

DEVELOPMENT_ID = "development-reranker"
"""Model id of that model, and of no other."""


class RerankingSettings(ModelServerSettings):
    """Settings of the reranking service."""

    service: ClassVar[str] = "reranking"

    port: int = Field(default=50052, ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_port: int = Field(default=9152, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    model_id: str = Field(default=DEVELOPMENT_ID, min_length=1)
    """Name that requests use for the model; development-reranker names the development model only."""

    model_source: str = DEVELOPMENT
    """
    Where the cross-encoder's files are: `path:FOLDER`, `package:NAME/FOLDER` in an installed package, or `development`,
    the small one that `just models` makes in ISOLANE_MODELS_DIR (by default ~/.cache/isolane/models) and that must not
    be judged by its results.
    """

    max_documents: int = Field(default=1000, ge=1)
    """Most documents in a request."""

    max_query_bytes: int = Field(default=100_000, ge=1)
    """Longest query. Unit: bytes of UTF-8."""

    max_document_bytes: int = Field(default=1_000_000, ge=1)
    """Longest document. Unit: bytes of UTF-8."""
