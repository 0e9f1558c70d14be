"""Train the comparison of tokens on mined pairs: the right passage first, and otherwise what the bi-encoder thinks.

MiniLM itself stays as it is, so every text is read once, before the training.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from services.reranking.backends.development.model import Interaction
from services.reranking.backends.development.pairs import TextPair
from services.reranking.backends.development.progress import Progress
from services.reranking.backends.development.teacher import Teacher


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what is learned, apart from the pairs."""

    seed: int
    pairs: int = 2000
    steps: int = 250
    queries_per_step: int = 8
    candidates_per_query: int = 8
    hard_candidates: int = 4
    learning_rate: float = 2e-4
    warm_up_steps: int = 20
    teacher_temperature: float = 0.05
    calibration_weight: float = 0.3
    """Of the loss that fixes what 0.5 means after a sigmoid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPairs:
    """Token vectors of pairs, one tensor of shape (tokens, width) per text, and the bi-encoder's similarities."""

    queries: Sequence[Tensor]
    passages: Sequence[Tensor]
    similarities: Tensor
    """Shape (queries, passages)."""


def read_pairs(pairs: Sequence[TextPair], teacher: Teacher, progress: Progress) -> ReadPairs:
    """Read every text once."""
    queries = teacher.read([pair.query for pair in pairs], progress, "queries")
    passages = teacher.read([pair.passage for pair in pairs], progress, "passages")
    return ReadPairs(queries=queries, passages=passages, similarities=_means(queries) @ _means(passages).T)


def train(texts: ReadPairs, recipe: Recipe, progress: Progress) -> Interaction:
    """Return a trained comparison; the same texts, recipe and processor give the same weights."""
    torch.manual_seed(recipe.seed)
    head = Interaction()
    optimizer = torch.optim.AdamW(head.parameters(), lr=recipe.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    choices = random.Random(recipe.seed)  # noqa: S311 - not for secrets
    waiting: list[int] = []
    for step in range(recipe.steps):
        if len(waiting) < recipe.queries_per_step:
            waiting = choices.sample(range(len(texts.queries)), len(texts.queries))
        queries = [waiting.pop() for _ in range(recipe.queries_per_step)]
        candidates = torch.tensor([_candidates(query, texts.similarities[query], recipe, choices) for query in queries])
        loss = _loss(score(head, texts, queries, candidates), texts.similarities[queries].gather(1, candidates), recipe)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.update(f"training: step {step + 1} of {recipe.steps}, loss {loss.item():.3f}")
    head.train(mode=False)
    return head


def score(head: Interaction, texts: ReadPairs, queries: Sequence[int], candidates: Tensor) -> Tensor:
    """One logit per query and candidate passage, of the shape of `candidates`."""
    left = [texts.queries[query] for query, row in zip(queries, candidates, strict=True) for _ in row]
    right = [texts.passages[index] for index in candidates.flatten().tolist()]
    return head.score(*_padded(left), *_padded(right)).view(candidates.shape)


def _padded(states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(state) for state in states])
    padded = torch.nn.utils.rnn.pad_sequence(list(states), batch_first=True)
    return padded, torch.arange(padded.shape[1])[None, :] < lengths[:, None]


def _means(states: Sequence[Tensor]) -> Tensor:
    return functional.normalize(torch.stack([state.mean(0) for state in states]), dim=1)


def _rate(step: int, recipe: Recipe) -> float:
    rest = (recipe.steps - step) / (recipe.steps - recipe.warm_up_steps)
    return min((step + 1) / recipe.warm_up_steps, max(0.02, rest))


def _candidates(query: int, similarities: Tensor, recipe: Recipe, choices: random.Random) -> list[int]:
    """Choose the right passage, some that the bi-encoder takes for right, and some at random."""
    # What is far more similar than the right passage often is another right one.
    ceiling = max(0.5, float(similarities[query]) + 0.15)
    allowed = similarities.masked_fill(similarities > ceiling, -1.0)
    allowed[query] = -1.0
    nearest = allowed.topk(30).indices.tolist()
    chosen = [query, *choices.sample(nearest, recipe.hard_candidates)]
    while len(chosen) < recipe.candidates_per_query:
        other = choices.randrange(len(similarities))
        if other not in chosen:
            chosen.append(other)
    return chosen


def _loss(scores: Tensor, similarities: Tensor, recipe: Recipe) -> Tensor:
    right_first = functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))
    taught = functional.softmax(similarities / recipe.teacher_temperature, dim=1)
    like_teacher = functional.kl_div(functional.log_softmax(scores, dim=1), taught, reduction="batchmean")
    likely = torch.sigmoid(8 * (similarities - 0.25))
    calibration = functional.binary_cross_entropy_with_logits(scores, likely)
    return right_first + like_teacher + recipe.calibration_weight * calibration
