"""Convert the reranking service's models for OpenVINO: `python -m services.reranking.backends.export`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from services.common.devices import export
from services.common.devices.export import Comparison, Job, Results
from services.common.devices.sample_texts import sample_texts
from services.common.devices.tokenizer import ModelTokenizer
from services.common.models import Tokens, locate
from services.reranking.backends.cross_encoder import OUTPUT, opener_of
from services.reranking.settings import RerankingModelSettings, RerankingSettings

_DOCUMENTS, _QUERIES, _QUERY_WORDS = 40, 6, 12
_MOST_DIFFERENCE = 1e-3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return export.main("reranking", lambda: [_job(model) for model in RerankingSettings.load().models], arguments)


def compare(expected: Results, found: Results) -> Comparison:
    """The scores of pairs, shape (pairs, 1), with the same in another number type."""
    differences = np.abs(expected - found)
    mean, most, span = (f"{number:.5f}" for number in (differences.mean(), differences.max(), np.ptp(expected)))
    return Comparison(
        is_equal=bool(differences.max() <= _MOST_DIFFERENCE),
        text=(
            f"scores that span {span} differ from torch float32 by {mean} in the mean, {most} at most; "
            f"rank correlation {np.corrcoef(_ranks(expected), _ranks(found))[0, 1]:.5f}"
        ),
    )


def _ranks(scores: Results) -> Results:
    return np.argsort(np.argsort(scores.reshape(-1))).astype(np.float32)


def _job(model: RerankingModelSettings) -> Job:
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
    """Each query with each document: the beginnings of some texts, and other texts whole."""
    queries = [" ".join(text.split()[:_QUERY_WORDS]) for text in sample_texts(2 * _QUERIES, seed=1)[-_QUERIES:]]
    documents = sample_texts(_DOCUMENTS)
    found = [tokenizer.pairs(query, documents, max_second_tokens=0, max_passages=1) for query in queries]
    return [pair for query in found for pairs in query for pair in pairs]


if __name__ == "__main__":
    sys.exit(main())
