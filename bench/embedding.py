"""Embedding: throughput, latency and padding of Isolane through its gateway, beside infinity and sentence-transformers.

The same weights, texts and threads for all. Isolane is measured as a user gets it who sets nothing, which is bfloat16
on processors that have it, and beside it like with like: the peers compute in float32, their default on CPUs. The
servers take turns, and all but one are halted. The dev mesh (--mesh) cannot be: its idle processes run beside all.
The loop of sentence-transformers runs in process, over the same texts, and sorts them by length itself.
"""

from __future__ import annotations

import asyncio
import json
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from bench import peers
from bench.calibration import calibrate
from bench.calls import post
from bench.inprocess import Task, isolane_forward, sentence_transformers_loop, worker
from bench.load import Generator
from bench.quality import embed, losses
from bench.report import Figure, parser, publish, say
from bench.results import Results
from bench.serving import Served
from bench.shapes import MODEL, SHAPES, SINGLE, Shape, embed_body, embed_requests
from bench.stack import local_stack, running_mesh
from bench.texts import MIXES, MODEL_SOURCE, Texts
from bench.tokens import TokenCounter
from bench.turns import Turns
from bench.vegeta import vegeta
from ops.progress import Progress

DEFAULT = "auto"
"""The number type that nobody names."""

_TEXTS_PER_S = 600
"""More than any of these servers computes in a second: a turn must not run out of texts."""
_LOOP_TEXTS = 1024
_COMPARED_TEXTS = 256
_SINGLE_S = 6.0
"""A turn of one caller needs less time for as many answers."""
_BATCH_FACTOR = 4
"""A turn of many texts a request is so many times longer: the slowest server answers few such requests in a second."""
_MESH_NOTE = "the dev mesh cannot be halted: its idle processes ran beside the others in their turns"
_BARE = "isolane, bare forward"
_LOOP = "sentence-transformers loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """What is measured."""

    servers: Sequence[Served]
    loop: Task | None
    forward: Task | None


def measure(options: Namespace) -> list[Figure]:
    """All figures."""
    progress = Progress()
    generator = Generator(program=vegeta(progress))
    texts, counter = Texts(options.seed), TokenCounter.of_embedding()
    results = Results()
    with systems(options, progress) as found:
        figures = quality(found, texts)
        for mix in options.mix:
            for shape in options.shape:
                turns = Turns(
                    generator=generator,
                    seconds=turn_s(shape, options.seconds),
                    deadline_ms=options.deadline_ms,
                )
                for turn in range(options.rounds):
                    say(f"{mix}, {shape}: round {turn + 1} of {options.rounds}")
                    _round(found, turns, results, mix, shape, texts, counter)
    return [*figures, *results.figures()]


def turn_s(shape: Shape, seconds: float) -> float:
    """How long a turn of a shape is, so that enough answers count."""
    if shape == SINGLE:
        return min(seconds, _SINGLE_S)
    return seconds * _BATCH_FACTOR if shape.texts > 1 else seconds


@contextmanager
def systems(options: Namespace, progress: Progress) -> Iterator[Systems]:
    """Start everything; every server is halted until its turn."""
    mesh = [running_mesh()] if options.mesh else []
    with ExitStack() as stack:
        servers = []
        for dtype in options.dtype:
            say(f"starting Isolane, {dtype}")
            servers.append(stack.enter_context(local_stack(name_of(dtype), **embedding_settings(dtype))))
            servers[-1].halt()
        servers += mesh
        if options.peers:
            for engine in ("torch", "optimum"):
                say(f"starting infinity, {engine}")
                infinity = peers.infinity(engine, MODEL, progress, batch_size=options.infinity_batch_size)
                servers.append(stack.enter_context(infinity))
                servers[-1].halt()
        loop = stack.enter_context(worker(sentence_transformers_loop)) if options.peers else None
        forward = stack.enter_context(worker(isolane_forward)) if SINGLE in options.shape else None
        yield Systems(servers=servers, loop=loop, forward=forward)


def name_of(dtype: str) -> str:
    """Isolane in tables: without a number type it is what a user gets by default."""
    return "isolane" if dtype == DEFAULT else f"isolane, {dtype}"


def embedding_settings(dtype: str) -> dict[str, str]:
    """Settings of a stack of which only the embedding service is measured."""
    others = {"RERANKING_BACKEND": "fake", "DOCUMENTS_BACKEND": "fake"}
    if dtype == DEFAULT:
        return others
    return {"EMBEDDING_MODELS": json.dumps([{"id": MODEL, "source": MODEL_SOURCE, "dtype": dtype}]), **others}


def quality(found: Systems, texts: Texts) -> list[Figure]:
    """How near each server's vectors are to those in float32: what a number type or another engine loses."""
    compared = texts.lognormal(_COMPARED_TEXTS)
    vectors = {}
    for served in found.servers:
        with served.awake(partial(embed, served, compared[:1])):
            vectors[served.name] = embed(served, compared)
    if found.loop:
        vectors[_LOOP] = found.loop(compared)[1]
    reference = next((name for name in (name_of("float32"), _LOOP) if name in vectors), found.servers[0].name)
    others = [name for name in vectors if name != reference]
    return [
        Figure.of(f"1 - cosine of {name} and {reference}: {which}", "1e-6", [loss * 1e6], system=name, metric="loss")
        for name in others
        for which, loss in losses(vectors[reference], vectors[name]).items()
    ]


def _round(
    found: Systems, turns: Turns, results: Results, mix: str, shape: Shape, texts: Texts, counter: TokenCounter
) -> None:
    """A turn of every system with the same texts."""
    count = int(_TEXTS_PER_S * turns.seconds)
    batch = MIXES[mix](texts, count)
    tokens = counter.texts(batch)
    requests = embed_requests(batch, tokens, shape.texts)
    warm = [embed_body(texts.lognormal(max(8, shape.texts))) for _ in found.servers]
    for served, body in zip(found.servers, warm, strict=True):
        turn = turns.take(served, requests, shape, partial(post, served.target("embed").url, body))
        results.add(mix, shape, served.name, turn)
        say(f"  {served.name}: {turn.tokens_per_s:,.0f} tokens/s")
    if found.loop and shape.texts > 1:
        seconds, _ = found.loop(batch[:_LOOP_TEXTS])
        results.add_rate(mix, shape, _LOOP, sum(tokens[:_LOOP_TEXTS]) / seconds)
    if found.forward and shape == SINGLE:
        results.add_forward(mix, shape, _BARE, found.forward(batch[:_COMPARED_TEXTS]))


def parse(arguments: Sequence[str] | None, description: str) -> Namespace:
    """The command line."""
    options = parser(description)
    options.add_argument("--rounds", type=int, default=3, help="turns of each server")
    options.add_argument(
        "--seconds", type=float, default=15.0, help="length of a turn; with many texts a request, four times that"
    )
    options.add_argument("--deadline-ms", type=int, default=5000, help="of each request, for goodput")
    options.add_argument("--mix", nargs="+", choices=list(MIXES), default=list(MIXES))
    options.add_argument("--shape", nargs="+", type=Shape.parse, default=list(SHAPES), metavar="TEXTSxCALLERS")
    options.add_argument(
        "--dtype", nargs="+", default=[DEFAULT, "float32", "int8"], help="of Isolane; auto is its default"
    )
    options.add_argument(
        "--mesh", action="store_true", help="also the dev mesh that runs here; its idle processes run beside the others"
    )
    options.add_argument("--no-peers", dest="peers", action="store_false", help="Isolane alone")
    options.add_argument("--infinity-batch-size", type=int, default=32, help="texts; 32 is its own default")
    # From the clock: a mesh that runs on may still know the texts of an earlier run.
    options.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the texts")
    return options.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, description: str = (__doc__ or "").splitlines()[0]) -> None:
    """Measure and print."""
    options = parse(arguments, description)
    calibration = asyncio.run(calibrate())
    notes = [_MESH_NOTE] if options.mesh else []
    figures = [*calibration, *measure(options)]
    publish(figures, options.json, notes=notes, seed=options.seed, seconds=options.seconds)


if __name__ == "__main__":
    main()
