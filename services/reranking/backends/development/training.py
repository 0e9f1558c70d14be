"""Train the cross-encoder on mined pairs: the right passage first, and otherwise what the bi-encoder thinks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

from services.reranking.backends.development import architecture
from services.reranking.backends.development.pairs import TextPair
from services.reranking.backends.development.progress import Progress
from services.reranking.backends.development.teacher import MOST_TOKENS, Teacher, reduced_precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what is learned, apart from the pairs."""

    seed: int
    steps: int = 200
    queries_per_step: int = 8
    candidates_per_query: int = 8
    hard_candidates: int = 4
    learning_rate: float = 8e-5
    warm_up_share: float = 0.08
    frozen_layers: int = 2
    """The lowest layers, which encode both texts nearly apart, stay as they are."""
    teacher_temperature: float = 0.05
    calibration_weight: float = 0.3
    """Of the loss that fixes what 0.5 means after a sigmoid."""

    @property
    def pairs_needed(self) -> int:
        """Each query is used once; passages also serve as wrong candidates for others."""
        return self.steps * self.queries_per_step


def train(
    pairs: Sequence[TextPair],
    teacher: Teacher,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    progress: Progress,
) -> BertForSequenceClassification:
    """Return a trained model; the same pairs, recipe and processor give the same weights."""
    torch.manual_seed(recipe.seed)
    similarities = _similarities(pairs, teacher, progress)
    model = _initial_model(pairs, teacher, tokenizer)
    parameters = architecture.hold_layout(model, frozen_layers=recipe.frozen_layers)
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    choices = random.Random(recipe.seed)  # noqa: S311 - not for secrets
    order = choices.sample(range(len(pairs)), len(pairs))
    model.train()
    for step in range(recipe.steps):
        first = step * recipe.queries_per_step
        queries = [order[index % len(order)] for index in range(first, first + recipe.queries_per_step)]
        candidates = torch.tensor([_candidates(query, similarities[query], recipe, choices) for query in queries])
        wanted = similarities[torch.tensor(queries)[:, None], candidates]
        scores = _score(model, tokenizer, pairs, queries, candidates)
        loss = _loss(scores, wanted, recipe)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        progress.update(f"training: step {step + 1} of {recipe.steps}, loss {loss.item():.3f}")
    model.train(mode=False)
    return model


def _similarities(pairs: Sequence[TextPair], teacher: Teacher, progress: Progress) -> Tensor:
    queries = teacher.embed([pair.query for pair in pairs], progress, "queries")
    passages = teacher.embed([pair.passage for pair in pairs], progress, "passages")
    return queries @ passages.T


def _initial_model(
    pairs: Sequence[TextPair], teacher: Teacher, tokenizer: PreTrainedTokenizerBase
) -> BertForSequenceClassification:
    sample = [text for pair in pairs[:32] for text in (pair.query, pair.passage)]
    features = tokenizer(sample, padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
    base = teacher.base()
    return architecture.widen(base, architecture.measure_scales(base, dict(features)))


def _rate(step: int, recipe: Recipe) -> float:
    warm_up = recipe.warm_up_share * recipe.steps
    return min((step + 1) / warm_up, max(0.02, (recipe.steps - step) / (recipe.steps - warm_up)))


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


def _score(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[TextPair],
    queries: Sequence[int],
    candidates: Tensor,
) -> Tensor:
    texts = [
        (pairs[query].query, pairs[index].passage)
        for query, row in zip(queries, candidates.tolist(), strict=True)
        for index in row
    ]
    return score_texts(model, tokenizer, texts).view(candidates.shape)


def score_texts(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, texts: Sequence[tuple[str, str]]
) -> Tensor:
    """Return one logit per (query, passage), float32 of shape (len(texts),)."""
    first, second = [query for query, _ in texts], [passage for _, passage in texts]
    features = tokenizer(first, second, padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
    with reduced_precision():
        logits: Tensor = model(**features).logits
    return logits.float().squeeze(-1)


def _loss(scores: Tensor, similarities: Tensor, recipe: Recipe) -> Tensor:
    right_first = functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))
    taught = functional.softmax(similarities / recipe.teacher_temperature, dim=1)
    like_teacher = functional.kl_div(functional.log_softmax(scores, dim=1), taught, reduction="batchmean")
    likely = torch.sigmoid(8 * (similarities - 0.25))
    calibration = functional.binary_cross_entropy_with_logits(scores, likely)
    return right_first + like_teacher + recipe.calibration_weight * calibration
