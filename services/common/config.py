"""Settings of a deployable: defaults, then a TOML file, then secret files, then the environment.

A deployable subclasses `Settings` in its `settings.py` and calls `load`. For the service `embedding`, the field `port`
is `port` in the file that ISOLANE_EMBEDDING_CONFIG names, ISOLANE_EMBEDDING_PORT in the environment, and a file
isolane_embedding_port in the folder ISOLANE_SECRETS_DIR (how secrets arrive: as files, never in the environment).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self
from urllib.parse import unquote

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from services.common.errors import ConfigInvalid

LogLevel = Literal["debug", "info", "warning", "error"]
Dtype = Literal["auto", "float32", "bfloat16", "float16", "int8"]

SECRETS_DIR = "ISOLANE_SECRETS_DIR"
_METADATA_NAME = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)")
_METADATA_VALUE = re.compile(r"[\x20-\x7e]+")


class Settings(BaseSettings):
    """Base of every settings class: frozen, unknown names refused, every field documented by the text below it."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_nested_delimiter="__", validate_default=True
    )

    service: ClassVar[str]
    """Name of the deployable; gives the environment prefix."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Give the class of a deployable its own prefix, so that it never reads another's variables."""
        super().__pydantic_init_subclass__(**kwargs)
        if hasattr(cls, "service"):
            cls.model_config["env_prefix"] = cls.prefix()

    @classmethod
    def prefix(cls) -> str:
        """Start of this deployable's environment variables, for example ISOLANE_EMBEDDING_."""
        return f"ISOLANE_{cls.service.upper()}_"

    @classmethod
    def load(cls) -> Self:
        """Read the settings from file, secret files and environment.

        Raises:
            ConfigInvalid: something is wrong; it lists every problem at once.
        """
        problems = _file_problems(cls) + _secrets_problems(cls) + _unknown_variables(cls, os.environ)
        try:
            settings = cls()
        except ValidationError as exc:
            problems += [_sentence(cls, error["loc"], error["msg"]) for error in exc.errors()]
            raise ConfigInvalid(cls.service, problems) from None
        except SettingsError as exc:  # a list or an object in the environment that is not JSON
            raise ConfigInvalid(cls.service, [*problems, f"{exc}; write it as JSON"]) from None
        if problems:
            raise ConfigInvalid(cls.service, problems)
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """First source wins; one that cannot be read is left out, so that the problems of the others are found too."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        folder = os.environ.get(SECRETS_DIR)
        if folder and not _secrets_problems(cls):
            sources.append(SecretsSettingsSource(settings_cls, secrets_dir=folder, env_prefix=cls.prefix()))
        path = os.environ.get(f"{cls.prefix()}CONFIG")
        if path and not _file_problems(cls):
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=path))
        return tuple(sources)


class ProcessSettings(Settings):
    """What every process has in common."""

    log_level: LogLevel = "info"
    """Least severe log line that is written."""

    otlp_endpoint: str = ""
    """OTLP gRPC collector for spans, for example http://127.0.0.1:4317; empty exports nothing."""

    otlp_headers: SecretStr = SecretStr("")
    """Headers for the collector, `name=value,name=value` with percent-encoded values, for example a token."""

    @field_validator("otlp_headers")
    @classmethod
    def _are_headers(cls, headers: SecretStr) -> SecretStr:
        metadata_of(headers.get_secret_value())
        return headers


class ServerSettings(ProcessSettings):
    """What every gRPC service has in common."""

    host: str = "127.0.0.1"
    """Address that the gRPC server binds. Loopback alone: elsewhere it would bypass the mesh's mTLS."""

    port: int = Field(ge=0, le=65535)
    """Port of the gRPC server; 0 takes a free one."""

    metrics_host: str = "127.0.0.1"
    """Address of the Prometheus endpoint."""

    metrics_port: int = Field(ge=0, le=65535)
    """Port of the Prometheus endpoint `/metrics`; 0 takes a free one."""

    max_message_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Largest gRPC message that is received. Unit: bytes."""

    max_deadline_s: float = Field(default=300.0, gt=0)
    """Longest time that a call may take, and the deadline of a call that brings none. Unit: seconds."""

    shutdown_delay_s: float = Field(default=0.0, ge=0)
    """Wait between NOT_SERVING and the refusal of new calls, so that callers notice. Unit: seconds."""

    drain_s: float = Field(default=30.0, gt=0)
    """Time that calls in progress get to finish after SIGTERM. Unit: seconds."""


def metadata_of(headers: str) -> tuple[tuple[str, str], ...]:
    """Pairs of gRPC metadata from text in the syntax of OTEL_EXPORTER_OTLP_HEADERS; names in lower case.

    Raises:
        ValueError: an entry is wrong. It is named by its place, because any part of it may be the secret.
    """
    entries = [entry for entry in headers.split(",") if entry.strip()]
    return tuple(_metadata_entry(place, entry) for place, entry in enumerate(entries, start=1))


def _metadata_entry(place: int, entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    pair = (name.strip().lower(), unquote(value.strip()))
    if not _METADATA_NAME.fullmatch(pair[0]) or not _METADATA_VALUE.fullmatch(pair[1]):
        raise ValueError(
            f"entry {place} is not name=value: names have letters, digits, '-', '_' and '.', and neither begin with "
            "'grpc-' nor end with '-bin'; values are ASCII, others and ',' percent-encoded"
        )
    return pair


def _file_problems(cls: type[Settings]) -> list[str]:
    """What is wrong with the settings file as a file."""
    variable = f"{cls.prefix()}CONFIG"
    if not (path := os.environ.get(variable)):
        return []
    try:
        tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [f"{variable}: {path}: no such file; create it or unset the variable"]
    except (OSError, UnicodeDecodeError) as exc:
        return [f"{variable}: {path}: cannot be read ({exc}); fix the file or unset the variable"]
    except tomllib.TOMLDecodeError as exc:
        return [f"{variable}: {path}: not TOML ({exc}); fix the file"]
    return []


def _secrets_problems(cls: type[Settings]) -> list[str]:
    """What is wrong with the folder of secret files, and with this deployable's files in it."""
    if not (folder := os.environ.get(SECRETS_DIR)):
        return []
    path = Path(folder).expanduser()
    if not path.is_dir():
        return [f"{SECRETS_DIR}: {folder}: no such folder; create it or unset the variable"]
    return [problem for file in sorted(path.glob(f"{cls.prefix().lower()}*")) if (problem := _unreadable(file))]


def _unreadable(file: Path) -> str:
    try:
        file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8"
        return f"{SECRETS_DIR}: {file}: cannot be read ({reason}); let the user of this process read it"
    return ""


def _unknown_variables(cls: type[Settings], environ: Mapping[str, str]) -> list[str]:
    """Variables with our prefix that name no setting: a typing error would otherwise be silent."""
    known = {name.upper() for name in cls.model_fields} | {"CONFIG"}
    return [
        f"{name}: no such setting; known ones are in docs/configuration.md"
        for name in sorted(environ)
        if name.startswith(cls.prefix()) and name.removeprefix(cls.prefix()).split("__")[0] not in known
    ]


def _sentence(cls: type[Settings], location: tuple[int | str, ...], message: str) -> str:
    """One problem, named as the environment and as the file spell it."""
    path = [str(part) for part in location]
    if not path:
        return message
    return f"{cls.prefix()}{'__'.join(path).upper()} ({'.'.join(path)}): {message}"
