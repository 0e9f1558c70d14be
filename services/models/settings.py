"""Settings of services that serve models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from services.common.config import ServerSettings

Dtype = Literal["auto", "float32", "bfloat16", "float16", "int8"]


class ModelSettings(BaseModel):
    """One served model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)

    id: str = Field(min_length=1, max_length=256)
    """Name that requests use for the model."""

    source: str
    """Where the model's files are: `package:NAME/FOLDER` in an installed package, `path:FOLDER`, or `hub:OWNER/NAME`,
    which is fetched once where HF_HUB_OFFLINE is 0."""

    revision: str = ""
    """What the files must be: the revision that the log and /v1/models show, or its beginning; for `hub:` a branch, tag
    or commit to fetch. Empty takes what is there."""

    dtype: Dtype = "auto"
    """Number type of the computation. `auto` takes bfloat16 where the device computes it natively and the model loses
    little by it, which is measured as it is loaded, else float32: instances on other processors may then differ, so
    name the type for a fleet. `int8` is for CPUs and rounds: `isolane models losses` prints what each type loses."""

    max_tokens: int = Field(default=0, ge=0)
    """Longest input, special tokens included; the rest is cut off and reported. 0 takes the model's own limit, which is
    also the most."""

    @property
    def options(self) -> Mapping[str, str]:
        """What else decides the results, as arguments of what builds and of what opens models of its kind."""
        return {}


ModelT = TypeVar("ModelT", bound=ModelSettings)


def _have_ids_of_their_own(models: tuple[ModelT, ...]) -> tuple[ModelT, ...]:
    ids = [model.id for model in models]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)}: more than one model has this id; give each its own")
    return models


Models = Annotated[tuple[ModelT, ...], Field(min_length=1), AfterValidator(_have_ids_of_their_own)]
"""The models of a service: at least one, each with an id of its own."""


class ModelServerSettings(ServerSettings):
    """What every service with batched models has in common."""

    backend: Literal["auto", "openvino", "torch", "fake"] = "auto"
    """What computes: `openvino` on the CPU, `torch` on either, `auto` the faster one for the device, or `fake`, a
    deterministic stand-in for tests and for trying the API without weights."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where models run: auto, cpu, cuda or cuda:N."""

    require_gpu: bool = False
    """End the process at start when no GPU is usable, rather than run on the CPU."""

    threads: int = Field(default=0, ge=0)
    """CPU threads of a model; 0 takes one per core."""

    replicas: int = Field(default=0, ge=0)
    """Batches that a model computes at once; 0 takes what was measured best: with OpenVINO one per
    thread for a small model, else one."""

    max_batch_tokens: int = Field(default=8192, ge=1)
    """Largest batch; batches are smaller where more tokens would gain no speed. Unit: tokens."""

    max_queued_tokens: int = Field(default=1_048_576, ge=1)
    """Tokens of one model that may wait; more is refused with a retry delay. One request may have four fifths of them,
    or half of them as bulk work: by default 2,048 texts of 256 tokens."""

    cache_bytes: int = Field(default=64 * 1024 * 1024, ge=0)
    """Memory for results that may be asked for again, over all models; 0 keeps none. Unit: bytes."""

    cache_scope: Literal["shared", "client"] = "shared"
    """Who may be answered from another's results: `shared` everybody, `client` nobody but the client itself."""

    admin_token: SecretStr = SecretStr("")
    """Token that lets its bearer load and unload models while the service runs; empty lets nobody."""

    fake_token_us: float = Field(default=0.0, ge=0)
    """Time that the fake backend takes for a token. Unit: microseconds."""

    fake_batch_us: float = Field(default=0.0, ge=0)
    """Time that the fake backend takes for a batch, besides that of its tokens. Unit: microseconds."""


def models_dir() -> Path:
    """Folder of the models that torch converted on this machine: ISOLANE_MODELS_DIR, or ~/.cache/isolane/models."""
    chosen = os.environ.get("ISOLANE_MODELS_DIR")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "isolane" / "models"
