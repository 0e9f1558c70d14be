"""Judge rankings of held-out passages: the right one among nineteen others."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from services.reranking.backends.development.model import Interaction
from services.reranking.backends.development.pairs import TextPair
from services.reranking.backends.development.progress import Progress
from services.reranking.backends.development.training import ReadPairs, score

CANDIDATES, _NEAREST, _SIBLINGS = 20, 7, 6
_BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well the right passage was ranked."""

    mrr_at_10: float
    accuracy_at_1: float

    def __str__(self) -> str:
        return f"MRR@10 {self.mrr_at_10:.3f}, accuracy@1 {self.accuracy_at_1:.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The quality of three rankings of the same candidates."""

    queries: int
    random_order: Quality
    bi_encoder: Quality
    cross_encoder: Quality
    gain: float
    """MRR@10 of the cross-encoder less that of the bi-encoder."""
    gain_error: float
    """Standard error of `gain`, from the paired differences per query."""

    @property
    def verdict(self) -> str:
        """One sentence: better, worse, or not to be told apart (within two standard errors)."""
        if abs(self.gain) <= 2 * self.gain_error:
            word = "cannot be told apart from"
        else:
            word = "ranks better than" if self.gain > 0 else "ranks worse than"
        return f"It {word} the bi-encoder here: MRR@10 {self.gain:+.3f}, standard error {self.gain_error:.3f}."


def reciprocal_ranks(scores: Tensor) -> Tensor:
    """Return 1 / rank of column 0 per row of (queries, candidates), 0 below rank 10; ties count against it."""
    ranks = (scores[:, 1:] >= scores[:, :1]).sum(1) + 1
    return torch.where(ranks <= 10, 1 / ranks, 0.0)


def quality(scores: Tensor) -> Quality:
    """Return the quality of scores of shape (queries, candidates), the right passage in column 0."""
    found = reciprocal_ranks(scores)
    return Quality(mrr_at_10=float(found.mean()), accuracy_at_1=float((found == 1).float().mean()))


def compare(
    head: Interaction, texts: ReadPairs, pairs: Sequence[TextPair], *, queries: int, seed: int, progress: Progress
) -> Comparison:
    """Rank for the first `queries` held-out pairs, whose texts are read in `texts`; all serve as wrong candidates."""
    choices = random.Random(seed)  # noqa: S311 - not for secrets
    asked = range(min(queries, len(pairs)))
    candidates = torch.tensor([_candidates(i, texts.similarities[i], pairs, choices) for i in asked])
    by_teacher = texts.similarities[: len(asked)].gather(1, candidates)
    by_model = _scores(head, texts, candidates, progress)
    gains = reciprocal_ranks(by_model) - reciprocal_ranks(by_teacher)
    return Comparison(
        queries=len(asked),
        random_order=_random_order(),
        bi_encoder=quality(by_teacher),
        cross_encoder=quality(by_model),
        gain=float(gains.mean()),
        gain_error=float(gains.std()) / len(asked) ** 0.5,
    )


def _candidates(query: int, similarities: Tensor, pairs: Sequence[TextPair], choices: random.Random) -> list[int]:
    """Mix the bi-encoder's nearest, passages of the same module, and random ones: not only its own mistakes."""
    others = similarities.clone()
    others[query] = -2.0
    chosen = [query, *others.topk(_NEAREST).indices.tolist()]
    siblings = [i for i, pair in enumerate(pairs) if pair.group == pairs[query].group and i not in chosen]
    chosen += choices.sample(siblings, min(_SIBLINGS, len(siblings)))
    rest = sorted(set(range(len(pairs))) - set(chosen))
    return chosen + choices.sample(rest, CANDIDATES - len(chosen))


def _random_order() -> Quality:
    """Return what shuffling gives on average, which needs no sample."""
    expected = sum(1 / rank for rank in range(1, 11)) / CANDIDATES
    return Quality(mrr_at_10=expected, accuracy_at_1=1 / CANDIDATES)


@torch.inference_mode()
def _scores(head: Interaction, texts: ReadPairs, candidates: Tensor, progress: Progress) -> Tensor:
    rows = []
    for first in range(0, len(candidates), _BATCH):
        progress.update(f"judging: {first} of {len(candidates)} held-out queries")
        asked = range(first, min(first + _BATCH, len(candidates)))
        rows.append(score(head, texts, asked, candidates[first : first + _BATCH]))
    return torch.cat(rows)
