"""Where the cross-encoder's files are; needs no torch, so that a missing model is found at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.common.config import models_dir
from services.common.errors import StartupError
from services.common.models import locate
from services.reranking.backends.development import location
from services.reranking.settings import DEVELOPMENT, DEVELOPMENT_ID, RerankingModelSettings

_CARD, _TAG = "README.md", "development-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model's files."""

    folder: Path
    development_only: bool
    """Its model card carries the tag development-only."""


def find_model(model: RerankingModelSettings) -> FoundModel:
    """Look where a model's source points.

    Raises:
        StartupError: there is no model, or another goes by the development model's name; the message says what to do.
    """
    folder = _development(model) if model.source == DEVELOPMENT else locate(model.source, wanted=model.revision)
    found = FoundModel(folder=folder, development_only=_has_tag(folder / _CARD))
    if model.id == DEVELOPMENT_ID and not found.development_only:
        raise StartupError(f"model {DEVELOPMENT_ID}: {model.source} is another model; give it an id of its own")
    return found


def _development(model: RerankingModelSettings) -> Path:
    folder = location.model_folder(models_dir())
    if not location.is_complete(folder):
        raise StartupError(
            f"the development reranker is not in {folder}: run `just models` to make it, or name a cross-encoder of "
            "your own in the settings (models)"
        )
    return locate(f"path:{folder}", wanted=model.revision)


def _has_tag(card: Path) -> bool:
    """True when the card's front matter, between its first two lines of dashes, has the tag."""
    if not card.is_file():
        return False
    opening, _, rest = card.read_text(encoding="utf-8", errors="replace").partition("---\n")
    front_matter = rest.partition("\n---\n")[0] if not opening.strip() else ""
    return _TAG in front_matter
