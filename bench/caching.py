"""Caching: how many tokens are not computed when 40 % of the texts come again.

Each round has a turn of unique texts, for which nothing may be saved, and one with repetitions. What was computed is
what the service counts; what was answered are the real tokens of all good answers.
"""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bench.answers import require_good
from bench.calibration import calibrate
from bench.calls import post
from bench.embedding import embedding_settings
from bench.load import Closed, Generator, Run
from bench.metrics import TOKENS, difference, scrape
from bench.report import Figure, parser, publish, say
from bench.serving import Served
from bench.shapes import SHAPES, SINGLE, Shape, embed_body, embed_requests
from bench.stack import local_stack
from bench.texts import Texts
from bench.tokens import TokenCounter
from bench.vegeta import vegeta
from ops.progress import Progress

_TEXTS_PER_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What was asked for, answered and computed. All in tokens."""

    answered: int
    computed: float
    repeated: int
    """Answered, of texts that were among those sent before."""
    seconds: float

    @property
    def saved_percent(self) -> float:
        """Share of the answered tokens that were not computed."""
        return (1 - self.computed / self.answered) * 100

    @property
    def repeated_percent(self) -> float:
        """The most that can be saved."""
        return self.repeated / self.answered * 100


def take(
    generator: Generator, served: Served, texts: Sequence[str], counter: TokenCounter, shape: Shape, seconds: float
) -> Turn:
    """One turn with these texts."""
    tokens = counter.texts(texts)
    requests = embed_requests(texts, tokens, shape.texts)
    before = scrape(served.metrics_urls["embedding"])
    load = Closed(callers=shape.callers, duration_s=seconds)
    run = generator.closed(served.target("embed"), requests, load)
    computed = difference(before, scrape(served.metrics_urls["embedding"]))[TOKENS]
    sent = sent_texts(run, texts, tokens, shape.texts)
    return Turn(
        answered=sum(count for _, count in sent),
        computed=computed,
        repeated=repeated(sent),
        seconds=max(answer.done_s for answer in run.answers) - run.answers[0].sent_s,
    )


def sent_texts(run: Run, texts: Sequence[str], tokens: Sequence[int], size: int) -> list[tuple[str, int]]:
    """Texts and tokens of the good answers, in the order of sending.

    Raises:
        SystemExit: a request failed, so that what was computed for it is not known.
    """
    require_good(run.answers, "caching")
    starts = [answer.number * size for answer in run.answers]
    return [pair for at in starts for pair in zip(texts[at : at + size], tokens[at : at + size], strict=True)]


def repeated(sent: Sequence[tuple[str, int]]) -> int:
    """Tokens of texts that came before."""
    return sum(count for _, count in sent) - sum(dict(sent).values())


def measure(served: Served, options: Namespace) -> Iterator[Figure]:
    """All figures."""
    generator = Generator(program=vegeta(Progress()))
    supply, counter = Texts(options.seed), TokenCounter.of_embedding()
    for shape in options.shape:
        unique, mixed = [], []
        post(served.target("embed").url, embed_body(supply.lognormal(32)))
        turn = partial(take, generator, served, counter=counter, shape=shape, seconds=options.seconds)
        for number in range(options.rounds):
            say(f"{shape}: round {number + 1} of {options.rounds}")
            count = int(_TEXTS_PER_S * options.seconds)
            unique.append(turn(supply.lognormal(count)))
            mixed.append(turn(supply.with_duplicates(supply.lognormal(count), options.share)))
        yield from _figures(f"{shape}, unique texts", unique, shape)
        yield from _figures(f"{shape}, {options.share:.0%} repeated", mixed, shape)
        faster = [(b.answered / b.seconds) / (a.answered / a.seconds) for a, b in zip(unique, mixed, strict=True)]
        yield Figure.of(f"{shape}: tokens/s, repeated / unique", "ratio", faster, shape=str(shape), metric="faster")


def _figures(where: str, turns: Sequence[Turn], shape: Shape) -> Iterator[Figure]:
    rows = {
        "answered": ("tokens/s", [turn.answered / turn.seconds for turn in turns]),
        "answered tokens of repeated texts": ("%", [turn.repeated_percent for turn in turns]),
        "answered tokens that were not computed": ("%", [turn.saved_percent for turn in turns]),
    }
    if all(turn.repeated for turn in turns):
        shares = [turn.saved_percent / turn.repeated_percent * 100 for turn in turns]
        rows["of the repeated tokens, not computed"] = ("%", shares)
    for name, (unit, values) in rows.items():
        yield Figure.of(f"{where}: {name}", unit, values, shape=str(shape), metric=name)


def parse() -> Namespace:
    """The command line."""
    shapes = [shape for shape in SHAPES if shape != SINGLE]
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3, help="turns of each kind")
    arguments.add_argument("--seconds", type=float, default=10.0, help="length of a turn")
    arguments.add_argument("--share", type=float, default=0.4, help="of the texts that are repetitions")
    arguments.add_argument("--shape", nargs="+", type=Shape.parse, default=shapes, metavar="TEXTSxCALLERS")
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the texts")
    return arguments.parse_args()


if __name__ == "__main__":
    chosen = parse()
    calibration = asyncio.run(calibrate())
    with local_stack(**embedding_settings("float32")) as running:
        figures = list(measure(running, chosen))
    publish([*calibration, *figures], chosen.json, seed=chosen.seed, seconds=chosen.seconds)
