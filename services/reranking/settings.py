"""Settings of the reranking service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from services.common.config import Models, ModelServerSettings, ModelSettings

DEVELOPMENT = "development"
"""The model source that means the model that `just models` makes."""

DEVELOPMENT_ID = "development-reranker"
"""Model id of that model, and of no other."""


class RerankingModelSettings(ModelSettings):
    """One served model."""

    source: str
    """As in every model service, or `development`: the small one that `just models` makes in ISOLANE_MODELS_DIR (by
    default ~/.cache/isolane/models) and that must not be judged by its results. It alone is called
    development-reranker."""


class RerankingSettings(ModelServerSettings):
    """Settings of the reranking service."""

    service: ClassVar[str] = "reranking"

    port: int = Field(default=50052, ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_port: int = Field(default=9152, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    models: Models[RerankingModelSettings] = (RerankingModelSettings(id=DEVELOPMENT_ID, source=DEVELOPMENT),)
    """The models to serve, the default first: `[[models]]` tables in the file, a JSON list in the environment."""

    max_passages: int = Field(default=10, ge=1)
    """Most passages by which a document is scored that is too long for one pair, unless the request says another
    number; 1 cuts documents to what one pair takes."""

    max_documents: int = Field(default=1000, ge=1)
    """Most documents in a request."""

    max_query_bytes: int = Field(default=100_000, ge=1)
    """Longest query. Unit: bytes of UTF-8."""

    max_document_bytes: int = Field(default=1_000_000, ge=1)
    """Longest document. Unit: bytes of UTF-8."""
