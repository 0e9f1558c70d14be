"""Make the development reranker: mine, train, judge, save."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch

from services.common.errors import StartupError
from services.reranking.backends.development.evaluation import Comparison, compare
from services.reranking.backends.development.location import NAME
from services.reranking.backends.development.model import assemble
from services.reranking.backends.development.pairs import PairSplit, TextPair, mine_pairs, split_pairs
from services.reranking.backends.development.progress import Progress
from services.reranking.backends.development.saving import folder_in_one_piece, model_card, write_model
from services.reranking.backends.development.teacher import Teacher
from services.reranking.backends.development.training import Recipe, read_pairs, train

_FEWEST_TRAINING_PAIRS, _FEWEST_HELD_OUT_PAIRS = 2500, 200
_HELD_OUT_POOL, _HELD_OUT_QUERIES = 1000, 150
_THREADS = 2


def make_reranker(folder: Path, *, seed: int, progress: Progress) -> Comparison:
    """Train the model into `folder` and return how it compares; minutes on two idle cores, far longer on busy ones.

    Raises:
        StartupError: too little text is installed, or the folder cannot be written.
    """
    with folder_in_one_piece(folder) as scratch:
        # Sums depend on how work is divided, so a fixed number makes runs repeatable.
        torch.set_num_threads(_THREADS)
        torch.use_deterministic_algorithms(mode=True)
        recipe = Recipe(seed=seed)
        split = _mined(recipe, progress)
        teacher = Teacher()
        progress.step("reading")
        head = train(read_pairs(split.training, teacher, progress), recipe, progress)
        held_out = read_pairs(split.held_out, teacher, progress)
        result = compare(head, held_out, split.held_out, queries=_HELD_OUT_QUERIES, seed=seed, progress=progress)
        progress.step("saving")
        write_model(scratch, assemble(teacher.reader, head), model_card(result, seed=seed, pairs=len(split.training)))
    return result


def _mined(recipe: Recipe, progress: Progress) -> PairSplit:
    progress.step("reading the documentation of installed packages")
    found = split_pairs(mine_pairs(progress.update))
    if len(found.training) < _FEWEST_TRAINING_PAIRS or len(found.held_out) < _FEWEST_HELD_OUT_PAIRS:
        raise StartupError(
            f"{NAME}: {len(found.training)} training and {len(found.held_out)} held-out text pairs were found in the "
            f"installed packages; at least {_FEWEST_TRAINING_PAIRS} and {_FEWEST_HELD_OUT_PAIRS} are needed: install "
            "the reranking extra with its sources (.py files), and the standard library's package where it is apart"
        )
    progress.step(f"found {len(found.training)} training and {len(found.held_out)} held-out pairs")
    return PairSplit(
        training=_sample(found.training, recipe.pairs, recipe.seed),
        held_out=_sample(found.held_out, _HELD_OUT_POOL, recipe.seed),
    )


def _sample(pairs: Sequence[TextPair], count: int, seed: int) -> tuple[TextPair, ...]:
    choices = random.Random(seed)  # noqa: S311 - not for secrets
    return tuple(choices.sample(pairs, min(count, len(pairs))))
