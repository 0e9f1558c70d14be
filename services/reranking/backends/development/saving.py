"""Put a model in its folder whole or not at all, as sentence-transformers expects it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sentence_transformers import CrossEncoder

from services.common.devices.whole_folder import whole_folder
from services.common.errors import StartupError
from services.reranking.backends.development.evaluation import CANDIDATES, Comparison
from services.reranking.backends.development.location import BASE_DISTRIBUTION, NAME, base_version, is_complete
from services.reranking.backends.development.model import MOST_TOKENS


@contextlib.contextmanager
def folder_in_one_piece(folder: Path) -> Iterator[Path]:
    """Give a scratch folder that becomes `folder` when the block succeeds, replacing what was there.

    Raises:
        StartupError: the disk is full or the place cannot be written to.
    """
    try:
        with whole_folder(folder) as scratch:
            yield scratch
    except OSError as exc:
        raise StartupError(
            f"{NAME}: cannot write to {folder.parent} ({exc.strerror or exc}); free some space, or name a folder you "
            "may write to with --output or ISOLANE_MODELS_DIR"
        ) from exc


def write_model(folder: Path, model: CrossEncoder, card: str) -> None:
    """Write a sentence-transformers CrossEncoder as safetensors.

    Raises:
        StartupError: files are missing afterwards, which a full disk can cause.
    """
    model.save_pretrained(str(folder), create_model_card=False)
    (folder / "README.md").write_text(card, encoding="utf-8")
    if not is_complete(folder):
        raise StartupError(f"{NAME}: files are missing after writing to {folder.parent}; free some space and try again")


def model_card(result: Comparison, *, seed: int, pairs: int) -> str:
    """Return the README of the model, which says first that it is for development only."""
    return f"""---
library_name: sentence-transformers
pipeline_tag: text-ranking
tags: [cross-encoder, reranker, development-only]
license: apache-2.0
---
# {NAME}

**For development only.** Made in minutes on one machine so that Isolane's reranking service has something real to run.
Do not use it in production, and do not judge reranking by its results: serve a published cross-encoder instead.

- {BASE_DISTRIBUTION} {base_version()} (all-MiniLM-L6-v2) reads both texts apart; two trained layers compare them.
- Learned from {pairs} pairs of documentation text of installed Python packages, seed {seed}.
- English; at most {MOST_TOKENS} tokens, trained on at most 80; one logit, to be put through a sigmoid.

On {result.queries} held-out queries, of package parts that it did not learn from, with {CANDIDATES} candidates each:

| order | result |
| --- | --- |
| random | {result.random_order} |
| MiniLM bi-encoder | {result.bi_encoder} |
| this model | {result.cross_encoder} |

Seven of the wrong candidates are the bi-encoder's nearest, which is hard on the bi-encoder.
{result.verdict}
On other text than documentation expect about the bi-encoder's ranking.
"""
