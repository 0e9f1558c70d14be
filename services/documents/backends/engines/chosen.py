"""Docling's own models in a folder of the user's, as `docling-tools models download` makes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from services.documents.backends.engines.base import Picture, Region

_HERON = "docling-project--docling-layout-heron"
_FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
_GET = "set page_models_dir to what `docling-tools models download -o FOLDER layout` made, or unset it"


class ModelsUnusable(Exception):
    """The models of a folder cannot be used; says which one, why and what to do."""


class Finder(Protocol):
    """Finds regions; see `Engines`."""

    def regions(self, page: Picture) -> Sequence[Region]: ...  # noqa: D102


def region_finder(models: Path, *, threads: int) -> Finder:
    """Docling's layout model of a folder.

    Args:
        models: the folder.
        threads: that compute one call.

    Raises:
        ModelsUnusable: it lacks the model or a file of it, the model cannot be loaded, or there is no torch.
    """
    folder = _whole(models)
    try:
        from services.documents.backends.engines.heron import Heron  # noqa: PLC0415 - torch, where it is asked for
    except ImportError as exc:
        raise ModelsUnusable(
            f"{models} needs torch and transformers ({exc}); install the extra `torch`, or unset page_models_dir"
        ) from exc
    try:
        return Heron(folder, threads=threads)
    except Exception as exc:  # of many libraries, of as many kinds
        raise ModelsUnusable(f"{folder} cannot be loaded ({type(exc).__name__}: {exc}); {_GET}") from exc


def _whole(models: Path) -> Path:
    """The folder of the layout model, with all files."""
    if not models.is_dir():
        raise ModelsUnusable(f"{models} is no folder; {_GET}")
    folder = models / _HERON
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        what = f"{_HERON}/{', '.join(missing)}" if folder.is_dir() else _HERON
        raise ModelsUnusable(f"{models} holds no {what}; {_GET}")
    return folder
