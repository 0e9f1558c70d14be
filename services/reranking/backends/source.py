"""Where the cross-encoder's files are; needs no torch, so that a missing model is found at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.common.config import models_dir
from services.common.errors import StartupError
from services.common.models import locate
from services.reranking.backends.development import location
from services.reranking.settings import DEVELOPMENT

_TAG = "development-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model's files."""

    folder: Path
    development_only: bool
    """Its model card carries the tag development-only."""


def find_model(source: str) -> FoundModel:
    """Look where a model source points.

    Args:
        source: `development`, or as `services.common.models.locate` takes it.

    Raises:
        StartupError: there is no model; the message says what to do.
    """
    folder = _development() if source == DEVELOPMENT else locate(source)
    return FoundModel(folder=folder, development_only=_has_tag(folder / "README.md"))


def _development() -> Path:
    folder = location.model_folder(models_dir())
    if not location.is_complete(folder):
        raise StartupError(
            f"the development reranker is not in {folder}: run `just models` to make it, or set "
            "ISOLANE_RERANKING_MODEL_SOURCE (and _MODEL_ID) to a cross-encoder of your own"
        )
    return folder


def _has_tag(card: Path) -> bool:
    """True when the card's front matter, between its first two lines of dashes, has the tag."""
    if not card.is_file():
        return False
    opening, _, rest = card.read_text(encoding="utf-8", errors="replace").partition("---\n")
    front_matter = rest.partition("\n---\n")[0] if not opening.strip() else ""
    return _TAG in front_matter
