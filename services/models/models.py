"""Models as the services see them: what they are, and where their files come from."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from services.common.errors import RequestError, StartupError

ONNX = "model.onnx"
"""Holds the weights, and says what config.json would, where a folder has no safetensors."""

_WEIGHTS = ("*.safetensors", "*.json", "*.txt", "*.model")
"""
The files that decide what a model computes, with `ONNX` at the folder's top where there are no safetensors. Other ONNX
files are not read.
"""

_CARD = "README.md"
"""Says by its tags what a model is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One served model."""

    id: str
    """Name that requests use."""
    revision: str
    """Hash of the files; the same revision and number type give the same results."""
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
    fake: bool = False
    """The deterministic fake backend."""
    backend: str = "fake"
    """What computes: openvino, torch or fake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """One input as the model computes it."""

    ids: tuple[int, ...]
    """Token ids after truncation, special tokens included."""
    dropped: int = 0
    """Tokens that were cut off because the input was longer than the limit."""
    type_ids: tuple[int, ...] = ()
    """Which text of a pair each token belongs to; empty for single texts and for models without token types."""

    @property
    def truncated(self) -> bool:
        """True when the input was longer than what is computed of it."""
        return self.dropped > 0


Item = Tokens | RequestError
"""One item of a request: what is computed of it, or why it is not."""


def locate(source: str, *, wanted: str = "") -> Path:
    """The folder with a model's files.

    Args:
        source: `package:NAME/FOLDER` inside an installed Python package, `path:FOLDER`, or `hub:OWNER/NAME`, which is
            fetched once where HF_HUB_OFFLINE is 0 or not set.
        wanted: the revision that the files must have, or its beginning; for `hub:` a branch, tag or commit.

    Raises:
        StartupError: there is no such folder, or another revision in it; the message says what to do.
    """
    kind, _, name = source.partition(":")
    if kind == "hub":
        return _from_hub(name, wanted)
    if kind == "package":
        folder = _in_package(name)
    elif kind == "path":
        folder = Path(name).expanduser()
    else:
        raise StartupError(f"model source {source!r}: begin it with package:, path: or hub:")
    _check(source, folder)
    if wanted and not (found := revision(folder)).startswith(wanted):
        raise StartupError(
            f"model source {source!r}: its files have revision {found}, and {wanted} is asked for; restore them or "
            "correct the setting"
        )
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


def _from_hub(name: str, wanted: str) -> Path:
    """The repository's snapshot in the hub's cache, fetched when it is not there and the network may be used."""
    source = f"hub:{name}"
    # Imported only now: most models come with a package or a folder, and this file is light.
    hub = importlib.import_module("huggingface_hub")
    is_offline: bool = hub.is_offline_mode()
    try:
        folder = Path(
            hub.snapshot_download(
                name, revision=wanted or None, allow_patterns=[*_WEIGHTS, ONNX, _CARD], local_files_only=is_offline
            )
        )
    except (OSError, ValueError) as exc:
        raise StartupError(f"model source {source!r}: {_hub_problem(wanted, is_offline=is_offline)} ({exc})") from exc
    _check(source, folder)
    return folder


def _hub_problem(wanted: str, *, is_offline: bool) -> str:
    what = f"revision {wanted}" if wanted else "it"
    if is_offline:
        return (
            f"{what} is not in the hub's cache and HF_HUB_OFFLINE is set; run `HF_HUB_OFFLINE=0 ./just local` once, or "
            "name a copy of the model with path:"
        )
    return f"{what} cannot be fetched; check the name, the network and HF_TOKEN, or name a copy with path:"


def _check(source: str, folder: Path) -> None:
    if not any((folder / name).is_file() for name in ("config.json", ONNX)):
        raise StartupError(
            f"model source {source!r}: no model there (it has neither config.json nor {ONNX}); correct the setting"
        )


def _model_files(folder: Path) -> Iterator[Path]:
    found = {path for pattern in _WEIGHTS for path in folder.rglob(pattern) if path.is_file()}
    is_read = not any(path.suffix == ".safetensors" for path in found)
    yield from sorted(found | {path for path in folder.glob(ONNX) if is_read and path.is_file()})
