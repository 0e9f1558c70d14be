"""Settings of the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
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


def _networks(value: object) -> object:
    """Texts as networks; the first that is none is named."""
    texts = _split(value)
    return tuple(ip_network(text) for text in texts) if isinstance(texts, tuple) else texts


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Addresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_addresses)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)


class Upstreams(_Group):
    """Where calls to the services go: host:port of every instance, separated by commas; with `discovery=consul` the one
    host:port at which this gateway's sidecar listens for the service.
    """

    embedding: Addresses = ("127.0.0.1:50051",)
    """Instances of the embedding service, or the sidecar's listener for it."""

    reranking: Addresses = ("127.0.0.1:50052",)
    """Instances of the reranking service, or the sidecar's listener for it."""

    documents: Addresses = ("127.0.0.1:50053",)
    """Instances of the documents service, or the sidecar's listener for it."""

    gpu: Addresses = ("127.0.0.1:50054",)
    """Instances of the GPU manager, or the sidecar's listener for it. They inform; requests do not depend on them."""


class Consul(_Group):
    """The Consul agent that is asked for instances."""

    address: str = Field(default="http://127.0.0.1:8500", pattern=r"^https?://[^/\s]+/?$")
    """URL of the agent."""

    auth_method: str = ""
    """Consul's auth method at which the gateway logs in; empty asks without a token."""

    jwt_file: str = ""
    """File with the gateway's identity for `auth_method`, read anew for every login."""

    ca_file: str = ""
    """File of the authorities that may have signed the agent's certificate; empty for the system's."""

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if bool(self.auth_method) != bool(self.jwt_file):
            raise ValueError("auth_method and jwt_file need each other; set both or neither")
        if self.ca_file and not self.address.startswith("https:"):
            raise ValueError("ca_file is for https:// alone; write the address so or leave ca_file out")
        return self


class Limits(_Group):
    """What one request of an API family may cost."""

    timeout_s: float = Field(default=30.0, gt=0)
    """Time for a request that brings no X-Request-Timeout-Ms. Unit: seconds."""

    max_timeout_s: float = Field(default=300.0, gt=0)
    """Longest time that X-Request-Timeout-Ms may ask for. Unit: seconds."""

    attempt_timeout_s: float | None = Field(default=None, gt=0)
    """Longest time for one attempt, so that an instance that hangs is left in time for another; unset: the request's
    whole time. Unit: seconds."""

    # OpenAI counts at most 300,000 tokens a request: about 1.2 MB of English, 2.7 MB of CJK text as \\u escapes.
    max_body_bytes: int = Field(default=4 * MIB, ge=1)
    """Largest body. Unit: bytes."""

    max_in_flight: int = Field(default=1536, ge=1)
    """Requests of the family in progress at once; more are refused with Retry-After. One client gets two thirds of them
    at most, one address four fifths."""


class ConvertLimits(Limits):
    """What one conversion may cost."""

    timeout_s: float = Field(default=120.0, gt=0)
    """Time for a request that brings no X-Request-Timeout-Ms. Unit: seconds."""

    max_timeout_s: float = Field(default=600.0, gt=0)
    """Longest time that X-Request-Timeout-Ms may ask for. Unit: seconds."""

    # The documents service takes files of 50 MiB; the rest is for the multipart frame and the options.
    max_body_bytes: int = Field(default=50 * MIB + 64 * 1024, ge=1)
    """Largest body, file and options together. Unit: bytes."""

    # A conversion holds its file about four times over: the body, the file, the message and its wire form. 12 of the
    # largest are 12 * 50 MiB * 4 = 2.3 GiB. One client gets 8 of 12, so that a program with 8 threads is served.
    max_in_flight: int = Field(default=12, ge=1)
    """Conversions in progress at once; more are refused with Retry-After. Of 12 one client gets 8 at most, one address
    10, bulk 9."""


class GatewaySettings(ProcessSettings):
    """Settings of the gateway."""

    service: ClassVar[str] = "gateway"

    host: str = "127.0.0.1"
    """Address that the HTTP server binds."""

    port: int = Field(default=8080, ge=0, le=65535)
    """Port of the HTTP server; 0 takes a free one."""

    tls_cert_file: str = ""
    """PEM file with the server's certificate and its chain; with a key the gateway speaks https alone. SIGHUP reads
    both files anew."""

    tls_key_file: str = ""
    """PEM file with the certificate's private key, not encrypted."""

    allowed_hosts: Names = ("127.0.0.1", "localhost", "[::1]")
    """Host names under which the gateway may be called, without ports, separated by commas; `*` allows any. Others get
    421, so that a web page cannot reach a local gateway through a name of its own (DNS rebinding)."""

    discovery: Literal["static", "consul"] = "static"
    """How instances are found: `static` dials those that `upstreams` names; `consul` calls the sidecar's listeners that
    `upstreams` names, and asks Consul which services have a passing instance."""

    allowed_peers: Networks = ()
    """Networks from which connections are served, separated by commas, for example 10.0.0.0/8; empty serves any. Not a
    stand-in for authentication: it keeps neighbours out that reach the port past where it is published."""

    upstreams: Upstreams = Upstreams()
    """Where calls to the services go."""

    consul: Consul = Consul()
    """The agent that `discovery=consul` asks."""

    embedding: Limits = Limits()
    """Limits of /v1/embeddings."""

    reranking: Limits = Limits()
    """Limits of /v1/rerank and /v2/rerank."""

    documents: ConvertLimits = ConvertLimits()
    """Limits of /v1/convert."""

    head_timeout_s: float = Field(default=10.0, gt=0)
    """Time for the request line and headers to arrive, also on a new connection. Unit: seconds."""

    body_timeout_s: float = Field(default=60.0, gt=0)
    """Time for the whole body to arrive, within the time of its request. Unit: seconds."""

    answer_timeout_s: float = Field(default=60.0, gt=0)
    """Time for the client to take a whole answer; then its connection is closed. Unit: seconds."""

    max_head_bytes: int = Field(default=32 * 1024, ge=1024)
    """Largest request line and headers together. Unit: bytes."""

    shutdown_delay_s: float = Field(default=0.0, ge=0)
    """Wait between the readiness check's 503 and the refusal of connections, so that callers notice. Unit: seconds."""

    drain_s: float = Field(default=30.0, gt=0)
    """Time that requests in progress get to finish after SIGTERM. Unit: seconds."""

    @model_validator(mode="after")
    def _has_both_tls_files_or_neither(self) -> Self:
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("tls_cert_file and tls_key_file: one is set alone; set both, or neither for plain HTTP")
        return self

    @model_validator(mode="after")
    def _check_listeners(self) -> Self:
        """A sidecar has one listener for each service."""
        if self.discovery == "consul":
            given: dict[str, tuple[str, ...]] = self.upstreams.model_dump()
            wrong = [name for name, addresses in given.items() if len(addresses) != 1]
            if wrong:
                raise ValueError(_listeners_problem(wrong, self.prefix()))
        return self


def _listeners_problem(services: Sequence[str], prefix: str) -> str:
    variables = ", ".join(f"{prefix}UPSTREAMS__{name.upper()} (upstreams.{name})" for name in services)
    return f"{variables}: with discovery=consul write one address, that of the sidecar's listener for the service"
