"""Ranking quality: of 150 held-out queries, where a reranker puts the right passage among 20, beside the bi-encoder.

Queries and passages are mined from the documentation of installed packages. The reranker is a served one: the first of
a local stack that is started, or any of a gateway that runs.
"""

from __future__ import annotations

import random
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.calls import post
from bench.held_out.pairs import TextPair, held_out_pairs
from bench.quality import embed
from bench.report import Figure, parser, publish, say
from bench.serving import Served
from bench.shapes import rerank_body
from bench.stack import local_stack

Matrix = npt.NDArray[np.float64]

CANDIDATES, _NEAREST, _SIBLINGS = 20, 7, 6
_QUERIES, _POOL, _FEWEST = 150, 1000, 200
_SEED = 7
"""Of the choice of pairs and candidates; figures of one seed and one installation are of the same candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two rankings of the same candidates."""

    bi_encoder: npt.NDArray[np.float64]
    """Reciprocal rank of the right passage, one per query."""
    reranker: npt.NDArray[np.float64]

    @property
    def gain(self) -> float:
        """MRR@10 of the reranker less that of the bi-encoder."""
        return float((self.reranker - self.bi_encoder).mean())

    @property
    def error(self) -> float:
        """Standard error of `gain`, from the paired differences per query."""
        return float((self.reranker - self.bi_encoder).std(ddof=1) / np.sqrt(len(self.reranker)))

    @property
    def verdict(self) -> str:
        """One sentence: better, worse, or not to be told apart (within two standard errors)."""
        if abs(self.gain) <= 2 * self.error:
            word = "cannot be told apart from"
        else:
            word = "ranks better than" if self.gain > 0 else "ranks worse than"
        return f"The reranker {word} the bi-encoder: MRR@10 {self.gain:+.3f}, standard error {self.error:.3f}."


def reciprocal_ranks(scores: Matrix) -> Matrix:
    """Return 1 / rank of column 0 per row of (queries, candidates), 0 below rank 10; ties count against it."""
    ranks = (scores[:, 1:] >= scores[:, :1]).sum(1) + 1
    return np.where(ranks <= 10, 1 / ranks, 0.0)


def candidates(query: int, similarities: Matrix, pairs: Sequence[TextPair], choices: random.Random) -> list[int]:
    """The right passage, the bi-encoder's nearest, others of the same module, and random ones: not only its mistakes.

    Args:
        query: index of the pair that is asked.
        similarities: of its query to every passage, shape (pairs,).
        pairs: all of them.
        choices: of the random ones.
    """
    nearest = [int(index) for index in np.argsort(-similarities, kind="stable") if index != query]
    chosen = [query, *nearest[:_NEAREST]]
    siblings = [i for i, pair in enumerate(pairs) if pair.group == pairs[query].group and i not in chosen]
    chosen += choices.sample(siblings, min(_SIBLINGS, len(siblings)))
    rest = sorted(set(range(len(pairs))) - set(chosen))
    return chosen + choices.sample(rest, CANDIDATES - len(chosen))


def sampled_pairs(seed: int) -> list[TextPair]:
    """Held-out pairs, the first of which are asked and all of which are candidates.

    Raises:
        SystemExit: too little text is installed.
    """
    found = held_out_pairs()
    if len(found) < _FEWEST:
        raise SystemExit(f"{len(found)} pairs of held-out text are installed, {_FEWEST} are needed; run `just setup`")
    return random.Random(seed).sample(found, min(_POOL, len(found)))


def compare(served: Served, model: str | None, seed: int) -> Comparison:
    """Rank the candidates of each query by a gateway's embedding model, and by one of its rerankers."""
    say("reading the documentation of installed packages")
    pairs = sampled_pairs(seed)
    asked = range(min(_QUERIES, len(pairs)))
    say(f"embedding {len(pairs)} passages")
    passages = embed(served, [pair.passage for pair in pairs])
    queries = embed(served, [pairs[index].query for index in asked])
    similarities = (queries @ passages.T).astype(np.float64)
    choices = random.Random(seed)
    chosen = np.asarray([candidates(index, similarities[index], pairs, choices) for index in asked])
    say(f"reranking {CANDIDATES} candidates of each of {len(asked)} queries")
    scores = [_scores(served, model, pairs, row) for row in chosen.tolist()]
    return Comparison(
        bi_encoder=reciprocal_ranks(np.take_along_axis(similarities, chosen, axis=1)),
        reranker=reciprocal_ranks(np.asarray(scores)),
    )


def _scores(served: Served, model: str | None, pairs: Sequence[TextPair], row: Sequence[int]) -> list[float]:
    """Relevance of each candidate to the query of the first."""
    body = rerank_body(pairs[row[0]].query, [pairs[index].passage for index in row], model)
    results = post(served.target("rerank").url, body)["results"]
    return [float(result["relevance_score"]) for result in sorted(results, key=lambda one: int(one["index"]))]


def figures(found: Comparison) -> Iterator[Figure]:
    """As a table."""
    shuffled = sum(1 / rank for rank in range(1, 11)) / CANDIDATES
    yield Figure.of("random order: MRR@10", "", [shuffled], system="random", metric="mrr@10")
    for system, ranks in (("bi-encoder", found.bi_encoder), ("reranker", found.reranker)):
        yield Figure.of(f"{system}: MRR@10", "", [float(ranks.mean())], system=system, metric="mrr@10")
        first = 100 * float((ranks == 1).mean())
        yield Figure.of(f"{system}: right passage first", "%", [first], system=system, metric="accuracy@1")
    yield Figure.of("reranker less bi-encoder: MRR@10", "", [found.gain], metric="gain")
    yield Figure.of("standard error of that", "", [found.error], metric="gain error")


def parse() -> Namespace:
    """The command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--url", help="of a gateway that runs; without it a local stack is started")
    arguments.add_argument("--model", help="id of the reranker to judge; without it the gateway's default")
    arguments.add_argument("--models", help="JSON list of rerankers that the started stack serves, as in its settings")
    arguments.add_argument("--seed", type=int, default=_SEED, help="of the pairs and candidates")
    return arguments.parse_args()


def served_by(options: Namespace) -> AbstractContextManager[Served]:
    """The gateway that is asked."""
    if options.url:
        return nullcontext(Served(name="gateway", url=options.url.rstrip("/")))
    settings = {"RERANKING_MODELS": options.models} if options.models else {}
    say("starting a local stack")
    return local_stack(DOCUMENTS_BACKEND="fake", **settings)


def main() -> None:
    """Run and print."""
    options = parse()
    with served_by(options) as served:
        found = compare(served, options.model, options.seed)
    publish(list(figures(found)), options.json, notes=[found.verdict], seed=options.seed, queries=len(found.reranker))


if __name__ == "__main__":
    main()
