"""The gateway by itself: time to its first healthy answer, resident memory, and what it and a service cost per request.

The services run their fake backends, and every request has the same text, so that no figure has a model's work in it.
What a request costs stands beside a bare gateway and a bare service that do the same (see `bench.bare`), and with
`--before` beside another checkout's, in alternating turns of one run: only their ratios compare between machines.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path

from grpc import aio
from isolane.embedding.v1 import embedding_service_pb2 as pb
from isolane.embedding.v1 import embedding_service_pb2_grpc as pb_grpc

from bench.answers import require_good
from bench.calibration import calibrate
from bench.load import Closed, Generator, Request, Target
from bench.pairs import MODEL, Cost, Pair, bare_pair, fake_services, our_pair
from bench.report import Figure, parser, publish, say
from bench.vegeta import vegeta
from ops.progress import Progress

_TEXT = "What does the gateway add to a call?"
_BODY = json.dumps({"model": MODEL, "input": _TEXT, "encoding_format": "base64"}).encode()
_MOST_PER_S = 20_000
"""More than any gateway in Python answers: a turn must not run out of requests."""


def http_times(pair: Pair, calls: int) -> list[float]:
    """Seconds of each of `calls` requests over one connection."""
    with pair.connection() as ask:
        moments = [time.perf_counter()]
        for _ in range(calls):
            ask(_BODY)
            moments.append(time.perf_counter())
    return [after - before for before, after in pairwise(moments)]


async def grpc_times(port: int, calls: int) -> list[float]:
    """The same work asked of the service directly."""
    request = pb.EmbedRequest(model=MODEL, inputs=[pb.Input(text=_TEXT)])
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        embed = pb_grpc.EmbeddingServiceStub(channel).Embed
        moments = [time.perf_counter()]
        for _ in range(calls):
            await embed(request, timeout=10)
            moments.append(time.perf_counter())
    return [after - before for before, after in pairwise(moments)]


def alone(upstreams: Mapping[str, int]) -> Iterator[Figure]:
    """What needs no load: start, memory, the time that the gateway adds."""
    starts, idle, loaded, through, direct = [], [], [], [], []
    with our_pair("", upstreams):
        pass  # the first start reads files that the later ones find in memory
    for _ in range(5):
        with our_pair("", upstreams) as pair:
            starts.append(pair.start_s)
            idle.append(pair.resident_mib())
            http_times(pair, 50)
            through += http_times(pair, 500)
            direct += asyncio.run(grpc_times(upstreams["embedding"], 500))
            loaded.append(pair.resident_mib())
    p50_through, p50_direct = statistics.median(through) * 1e3, statistics.median(direct) * 1e3
    yield Figure.of("gateway: start to first healthy answer", "s", starts)
    yield Figure.of("gateway: resident memory, idle", "MiB", idle)
    yield Figure.of("gateway: resident memory, after 550 calls", "MiB", loaded)
    yield Figure.of("one caller: through the gateway, p50", "ms", [p50_through])
    yield Figure.of("one caller: the service directly, p50", "ms", [p50_direct])
    yield Figure.of("one caller: added by the gateway, p50", "ms", [p50_through - p50_direct])


def turn(generator: Generator, pair: Pair, callers: int, seconds: float) -> Cost:
    """What a request costs the pair while so many callers ask."""
    requests = [Request(body=_BODY, tokens=0)] * int(_MOST_PER_S * seconds)
    before = pair.cpu_s()
    run = generator.closed(Target(url=pair.url), requests, Closed(callers=callers, duration_s=seconds))
    require_good(run.answers, pair.name)
    return Cost.between(before, pair.cpu_s(), len(run.answers))


def costs(pairs: Sequence[Pair], options: Namespace) -> Iterator[Figure]:
    """CPU per request of every pair, and ours as a ratio of each other's."""
    measure = partial(turn, Generator(program=vegeta(Progress())), seconds=options.seconds)
    for callers in options.callers:
        rounds: list[list[Cost]] = []
        for number in range(options.rounds):
            say(f"{callers} callers: round {number + 1} of {options.rounds}")
            # Every other round goes the other way, so that no pair always follows the same one.
            order = pairs if number % 2 == 0 else pairs[::-1]
            taken = {pair.name: measure(pair, callers) for pair in order}
            rounds.append([taken[pair.name] for pair in pairs])
        yield from _figures(f"{callers} callers" if callers > 1 else "one caller", pairs, rounds)


def _figures(where: str, pairs: Sequence[Pair], rounds: Sequence[Sequence[Cost]]) -> Iterator[Figure]:
    for place, pair in enumerate(pairs):
        for part in Cost.PARTS:
            values = [taken[place].of(part) for taken in rounds]
            yield Figure.of(f"{where}, CPU per request: {pair.name}, {part}", "ms", values, pair=pair.name, part=part)
    ours, *others = pairs
    for place, other in enumerate(others, start=1):
        for part in Cost.PARTS:
            values = [taken[0].of(part) / taken[place].of(part) for taken in rounds]
            name = f"{where}, CPU per request: {ours.name} / {other.name}, {part}"
            yield Figure.of(name, "ratio", values, pair=other.name, part=part)


def measure(options: Namespace) -> Iterator[Figure]:
    """All figures."""
    with ExitStack() as stack:
        upstreams = stack.enter_context(fake_services())
        if not options.costs_only:
            yield from alone(upstreams)
        pairs = [
            stack.enter_context(our_pair("ours", upstreams)),
            stack.enter_context(bare_pair()),
        ]
        if options.before is not None:
            pairs.append(stack.enter_context(our_pair("before", upstreams, folder=options.before)))
        for pair in pairs:
            http_times(pair, 200)
        yield from costs(pairs, options)


def parse() -> Namespace:
    """The command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5, help="turns of each pair and number of callers")
    arguments.add_argument("--seconds", type=float, default=5.0, help="length of a turn")
    arguments.add_argument("--callers", type=int, nargs="+", default=[1, 32], help="closed loops of so many")
    arguments.add_argument("--before", type=Path, metavar="FOLDER", help="another checkout, with its .venv, to compare")
    arguments.add_argument("--costs-only", action="store_true", help="leave start, memory and p50 out")
    return arguments.parse_args()


if __name__ == "__main__":
    chosen = parse()
    calibration = asyncio.run(calibrate())
    publish([*calibration, *measure(chosen)], chosen.json, rounds=chosen.rounds, seconds=chosen.seconds)
