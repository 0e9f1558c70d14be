"""Settings of the gateway."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from services.common.config import ProcessSettings

MIB = 1024 * 1024


def _split(value: object) -> object:
    """A comma-separated text as its parts; anything else as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _check_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{address!r} is not host:port; write for example 127.0.0.1:50051")
    return addresses


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Addresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_addresses)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)


class Upstreams(_Group):
    """Where the services listen, without Consul: host:port, several separated by commas."""

    embedding: Addresses = ("127.0.0.1:50051",)
    """Instances of the embedding service."""

    reranking: Addresses = ("127.0.0.1:50052",)
    """Instances of the reranking service."""

    documents: Addresses = ("127.0.0.1:50053",)
    """Instances of the documents service."""

    gpu: Addresses = ("127.0.0.1:50054",)
    """Instances of the GPU manager. They inform; requests do not depend on them."""


class Limits(_Group):
    """What one request of an API family may cost."""

    timeout_s: float = Field(default=30.0, gt=0)
    """Time for a request that brings no X-Request-Timeout-Ms. Unit: seconds."""

    max_timeout_s: float = Field(default=300.0, gt=0)
    """Longest time that X-Request-Timeout-Ms may ask for. Unit: seconds."""

    # OpenAI counts at most 300,000 tokens a request: about 1.2 MB of English, 2.7 MB of CJK text as \\u escapes.
    max_body_bytes: int = Field(default=4 * MIB, ge=1)
    """Largest body. Unit: bytes."""

    max_in_flight: int = Field(default=1024, ge=1)
    """Requests of the family in progress at once; more are refused with Retry-After."""


class ConvertLimits(Limits):
    """What one conversion may cost."""

    timeout_s: float = Field(default=120.0, gt=0)
    """Time for a request that brings no X-Request-Timeout-Ms. Unit: seconds."""

    max_timeout_s: float = Field(default=600.0, gt=0)
    """Longest time that X-Request-Timeout-Ms may ask for. Unit: seconds."""

    # The documents service takes files of 50 MiB; the rest is for the multipart frame and the options.
    max_body_bytes: int = Field(default=50 * MIB + 64 * 1024, ge=1)
    """Largest body, file and options together. Unit: bytes."""

    # A conversion holds its file about four times over: the body, the file, the message and its wire form.
    max_in_flight: int = Field(default=8, ge=1)
    """Conversions in progress at once; more are refused with Retry-After."""


class GatewaySettings(ProcessSettings):
    """Settings of the gateway."""

    service: ClassVar[str] = "gateway"

    host: str = "127.0.0.1"
    """Address that the HTTP server binds."""

    port: int = Field(default=8080, ge=0, le=65535)
    """Port of the HTTP server; 0 takes a free one."""

    allowed_hosts: Names = ("127.0.0.1", "localhost", "[::1]")
    """Host names under which the gateway may be called, without ports, separated by commas; `*` allows any. Others get
    421, so that a web page cannot reach a local gateway through a name of its own (DNS rebinding)."""

    upstreams: Upstreams = Upstreams()
    """Where the services listen."""

    embedding: Limits = Limits()
    """Limits of /v1/embeddings."""

    reranking: Limits = Limits()
    """Limits of /v1/rerank and /v2/rerank."""

    documents: ConvertLimits = ConvertLimits()
    """Limits of /v1/convert."""

    head_timeout_s: float = Field(default=10.0, gt=0)
    """Time for the request line and headers to arrive, also on a new connection. Unit: seconds."""

    body_timeout_s: float = Field(default=60.0, gt=0)
    """Time for the whole body to arrive. Unit: seconds."""

    max_head_bytes: int = Field(default=32 * 1024, ge=1024)
    """Largest request line and headers together. Unit: bytes."""

    shutdown_delay_s: float = Field(default=0.0, ge=0)
    """Wait between the readiness check's 503 and the refusal of connections, so that callers notice. Unit: seconds."""

    drain_s: float = Field(default=30.0, gt=0)
    """Time that requests in progress get to finish after SIGTERM. Unit: seconds."""
