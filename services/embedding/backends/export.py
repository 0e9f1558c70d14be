"""Convert the embedding service's models for OpenVINO: `python -m services.embedding.backends.export`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from services.common.devices import export
from services.common.devices.export import Comparison, Job, Results
from services.common.devices.sample_texts import sample_texts
from services.common.devices.tokenizer import ModelTokenizer
from services.common.models import Tokens, locate
from services.embedding.backends.bi_encoder import OUTPUT, opener_of
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings

_TEXTS = 240
_LEAST_COSINE = 0.9999


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return export.main("embedding", lambda: [_job(model) for model in EmbeddingSettings.load().models], arguments)


def compare(expected: Results, found: Results) -> Comparison:
    """The cosines of vectors of shape (texts, dimensions) with the same in another number type."""
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    cosines = (expected * found).sum(axis=1) / lengths
    return Comparison(
        is_equal=bool(cosines.min() >= _LEAST_COSINE),
        text=f"cosine with torch float32 {cosines.mean():.5f} in the mean, {cosines.min():.5f} at least",
    )


def _job(model: EmbeddingModelSettings) -> Job:
    folder = locate(model.source, wanted=model.revision)
    return Job(
        model=model,
        folder=folder,
        output=OUTPUT,
        open_pipeline=opener_of(model.id, folder),
        sample=_sample,
        compare=compare,
    )


def _sample(tokenizer: ModelTokenizer) -> list[Tokens]:
    return [tokens for tokens in tokenizer.texts(sample_texts(_TEXTS)) if isinstance(tokens, Tokens)]


if __name__ == "__main__":
    sys.exit(main())
