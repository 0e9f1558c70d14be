"""Retrieval: embed a query, then rerank 50 passages of about 64 tokens, at 60 % of what the machine can do.

Capacity is found by a closed loop; the loop that is measured is open: visits come at their rate whatever happens, at
equal distances or at random ones, and latency counts from the moment at which a visit was to begin. Every text is new,
so that no cache helps. The callers are Python's (`bench.callers`), on the same cores.
"""

from __future__ import annotations

import asyncio
import json
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from bench.answers import percentile
from bench.calibration import calibrate
from bench.callers import Client, Visit, closed_loop, evenly, open_loop, randomly, visits_per_s
from bench.calls import post
from bench.embedding import DEFAULT
from bench.report import Figure, parser, publish, say
from bench.reranking import Question, questions, reranking_settings
from bench.serving import Served
from bench.shapes import MODEL, embed_body
from bench.stack import local_stack
from bench.texts import MODEL_SOURCE, Texts

Visits = Sequence[Visit[tuple[float, float]]]
"""With the seconds of embedding and of reranking."""

_CALLERS = 4
_VISITS_PER_S = 20


async def measure(served: Served, texts: Texts, options: Namespace, dtype: str) -> list[Figure]:
    """All figures of one number type."""
    for question in questions(texts, 3):
        post(served.target("embed").url, embed_body([question.query]))
        post(served.target("rerank").url, question.body)
    async with Client(served.target("embed")) as embedding, Client(served.target("rerank")) as reranking:

        def visits(count: int) -> Callable[[int], Awaitable[tuple[float, float]]]:
            asked = questions(texts, count)
            return lambda number: visit(embedding, reranking, asked[number])

        capacities: list[float] = []
        loads: dict[str, list[Visits]] = {"even": [], "random": []}
        for turn in range(options.rounds):
            say(f"{dtype}: round {turn + 1} of {options.rounds}")
            done = await closed_loop(_CALLERS, options.seconds, visits(int(_VISITS_PER_S * options.seconds)))
            capacities.append(visits_per_s(done, _CALLERS))
            rate = options.load * capacities[-1]
            for arrivals, found in loads.items():
                moments = (
                    evenly(rate, options.seconds)
                    if arrivals == "even"
                    else randomly(rate, options.seconds, options.seed + turn)
                )
                found.append(await open_loop(moments, visits(len(moments))))
    return list(_figures(dtype, capacities, loads, options.load))


async def visit(embedding: Client, reranking: Client, question: Question) -> tuple[float, float]:
    """Embed, then rerank; returns the seconds of each.

    Raises:
        SystemExit: one of them is not answered as asked.
    """
    began_s = time.perf_counter()
    embedded = await embedding.post(embed_body([question.query]))
    then_s = time.perf_counter()
    ranked = await reranking.post(question.body)
    for reply in (embedded, ranked):
        if reply.is_error:
            raise SystemExit(f"{reply.url} answered {reply.status_code}: {reply.text[:300]}")
    return then_s - began_s, time.perf_counter() - then_s


def _figures(
    dtype: str, capacities: Sequence[float], loads: Mapping[str, Sequence[Visits]], load: float
) -> Iterator[Figure]:
    yield Figure.of(f"{dtype}: capacity, {_CALLERS} callers", "visits/s", capacities, dtype=dtype, metric="capacity")
    for arrivals, rounds in loads.items():
        labels = {"dtype": dtype, "arrivals": arrivals}
        where = f"{dtype}: at {load:.0%} of it, {arrivals} arrivals"
        for percent in (50, 95, 99):
            values = [percentile([one.latency_s * 1e3 for one in visits], percent) for visits in rounds]
            yield Figure.of(f"{where}, p{percent}", "ms", values, **labels, metric=f"p{percent}")
        every = [one.latency_s * 1e3 for visits in rounds for one in visits]
        name = f"{where}, p95 of all {len(every)} visits"
        yield Figure.of(name, "ms", [percentile(every, 95)], **labels, metric="p95 of all")
        for place, part in enumerate(("embedding", "reranking")):
            values = [percentile([one.result[place] * 1e3 for one in visits], 50) for visits in rounds]
            yield Figure.of(f"{where}, {part} p50", "ms", values, **labels, metric=part)
        lags = [max(one.lag_s * 1e3 for one in visits) for visits in rounds]
        yield Figure.of(f"{where}, begun behind schedule, most", "ms", lags, **labels, metric="lag")


def settings(dtype: str) -> dict[str, str]:
    """Settings of a stack of which both model services are measured."""
    ours = {name: value for name, value in reranking_settings(dtype).items() if name != "EMBEDDING_BACKEND"}
    if dtype == DEFAULT:
        return ours
    return {"EMBEDDING_MODELS": json.dumps([{"id": MODEL, "source": MODEL_SOURCE, "dtype": dtype}]), **ours}


def parse() -> Namespace:
    """The command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3, help="capacity and load, in turns")
    arguments.add_argument("--seconds", type=float, default=30.0, help="length of each")
    arguments.add_argument("--load", type=float, default=0.6, help="as a part of the capacity")
    arguments.add_argument(
        "--dtype", nargs="+", default=[DEFAULT, "int8"], help="of both models; auto is their default"
    )
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the texts")
    return arguments.parse_args()


if __name__ == "__main__":
    chosen = parse()
    found = asyncio.run(calibrate())
    supply = Texts(chosen.seed)
    for kind in chosen.dtype:
        with local_stack(**settings(kind)) as running:
            found += asyncio.run(measure(running, supply, chosen, kind))
    publish(found, chosen.json, seed=chosen.seed, seconds=chosen.seconds)
