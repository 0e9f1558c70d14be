"""Models as the services see them: what they are, and where their files come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from services.common.errors import StartupError

_WEIGHTS = ("*.safetensors", "*.json", "*.txt", "*.model")
"""The files that decide what a model computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One served model."""

    id: str
    """Name that requests use."""
    revision: str
    """Hash of the files; the same revision gives the same results."""
    max_tokens: int
    """Longest input that is computed, special tokens included."""
    dtype: str
    """Number type of the computation."""
    device: str
    """Where it runs."""
    dimensions: int = 0
    """Length of a vector; 0 for models without vectors."""
    matryoshka_dimensions: tuple[int, ...] = ()
    """Shorter lengths that the model declares, ascending."""
    development_only: bool = False
    """Made for development; not to be judged by its results."""
    fake: bool = False
    """The deterministic fake backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """One input as the model computes it."""

    ids: tuple[int, ...]
    """Token ids after truncation, special tokens included."""
    truncated: bool
    """True when the input was longer than the model's limit."""
    type_ids: tuple[int, ...] = ()
    """Which text of a pair each token belongs to; empty for single texts and for models without token types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where a request's time went. Unit: microseconds."""

    tokenize_us: int
    queue_us: int
    compute_us: int


def locate(source: str) -> Path:
    """The folder with a model's files.

    Args:
        source: `package:NAME/FOLDER` inside an installed Python package, or `path:FOLDER`.

    Raises:
        StartupError: there is no such folder; the message says what to do.
    """
    kind, _, name = source.partition(":")
    if kind == "package":
        folder = _in_package(name)
    elif kind == "path":
        folder = Path(name).expanduser()
    else:
        raise StartupError(f"model source {source!r}: begin it with package: or path:")
    if not (folder / "config.json").is_file():
        raise StartupError(f"model source {source!r}: no model there (config.json is missing); correct the setting")
    return folder


def revision(folder: Path) -> str:
    """First 16 hex digits of the SHA-256 over the names and contents of a model's files."""
    digest = hashlib.sha256()
    for path in _model_files(folder):
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _in_package(name: str) -> Path:
    package, _, folder = name.partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(f"model source package:{name}: the package {package} is not installed; run `just setup`")
    return Path(spec.submodule_search_locations[0]) / folder


def _model_files(folder: Path) -> Iterator[Path]:
    yield from sorted({path for pattern in _WEIGHTS for path in folder.rglob(pattern) if path.is_file()})
