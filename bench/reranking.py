"""Reranking: a query and 50 passages of about 64 tokens, through the gateway, beside CrossEncoder.predict in process.

The model is the packaged cross-encoder, its float weights for both. Every pair is new, so that no cache helps.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.answers import percentile, rate, require_good, steady
from bench.calibration import calibrate
from bench.calls import post
from bench.embedding import DEFAULT, name_of
from bench.inprocess import Task, cross_encoder_loop, worker
from bench.load import Closed, Generator, Request
from bench.report import Figure, parser, publish, say
from bench.serving import Served
from bench.shapes import rerank_body
from bench.stack import local_stack
from bench.texts import Texts
from bench.vegeta import vegeta
from ops.progress import Progress
from services.models.backends.openvino.graph.unfolding import unfold
from services.models.models import locate
from services.reranking.settings import RerankingSettings

PASSAGES = 50
_CALLERS = 4
_REQUESTS_PER_S = 20
"""More than two cores can do."""
_COMPARED = 10
_LOOP = "CrossEncoder.predict"
_NO_PEER = "infinity: not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query and its passages."""

    query: str
    passages: Sequence[str]

    @property
    def body(self) -> bytes:
        """As a request."""
        return rerank_body(self.query, self.passages)


def questions(texts: Texts, count: int) -> list[Question]:
    """Unique queries, each with passages of its own."""
    return [Question(query=query, passages=texts.passages(PASSAGES)) for query in texts.queries(count)]


def reranking_settings(dtype: str) -> dict[str, str]:
    """Settings of a stack of which only the reranking service is measured."""
    others = {"EMBEDDING_BACKEND": "fake", "DOCUMENTS_BACKEND": "fake"}
    if dtype == DEFAULT:
        return others
    models = [model.model_dump(exclude_defaults=True) | {"dtype": dtype} for model in RerankingSettings().models]
    return {"RERANKING_MODELS": json.dumps(models), **others}


def scores(served: Served, question: Question) -> npt.NDArray[np.float64]:
    """A server's relevance of each passage, in their order."""
    reply = post(served.target("rerank").url, question.body)
    found = np.zeros(len(question.passages))
    for result in reply["results"]:
        found[int(result["index"])] = float(result["relevance_score"])
    return found


def measure(options: Namespace) -> list[Figure]:
    """All figures."""
    generator, texts = Generator(program=vegeta(Progress())), Texts(options.seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isolane-bench-")))
        servers = []
        for dtype in options.dtype:
            say(f"starting Isolane, {dtype}")
            servers.append(stack.enter_context(local_stack(name_of(dtype), **reranking_settings(dtype))))
            servers[-1].halt()
        loop = stack.enter_context(
            worker(cross_encoder_loop, str(unfold(locate(RerankingSettings().models[0].source), folder)))
        )
        return [*_agreement(servers, loop, texts), *_speed(servers, loop, texts, generator, options)]


def _agreement(servers: Sequence[Served], loop: Task, texts: Texts) -> Iterator[Figure]:
    """How far each server's scores are from those in process, and how often the best passage is another one."""
    compared = questions(texts, _COMPARED)
    reference = [np.asarray(loop(one.query, one.passages)[1], dtype=np.float64) for one in compared]
    for served in servers:
        with served.awake(partial(scores, served, questions(texts, 1)[0])):
            found = [scores(served, one) for one in compared]
        apart = [float(np.abs(a - b).max()) for a, b in zip(reference, found, strict=True)]
        best = [float(a.argmax() == b.argmax()) for a, b in zip(reference, found, strict=True)]
        where = f"{served.name} and {_LOOP}"
        yield Figure.of(f"{where}: largest difference of a score", "", apart, system=served.name, metric="difference")
        yield Figure.of(f"{where}: same best passage", "%", [100 * sum(best) / len(best)], system=served.name)


def _speed(
    servers: Sequence[Served], loop: Task, texts: Texts, generator: Generator, options: Namespace
) -> Iterator[Figure]:
    alone: dict[str, list[list[float]]] = defaultdict(list)
    pairs: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds):
        say(f"round {turn + 1} of {options.rounds}")
        asked = questions(texts, int(_REQUESTS_PER_S * options.seconds))
        for served in servers:
            with served.awake(partial(scores, served, questions(texts, 1)[0])):
                times, per_s = _turn(generator, served, asked, options.seconds)
            alone[served.name].append(times)
            pairs[served.name].append(per_s)
        times = _loop_times(loop, asked, options.seconds)
        alone[_LOOP].append(times)
        pairs[_LOOP].append(PASSAGES * len(times) / sum(times))
    yield from _latency(alone)
    yield from _throughput(pairs)


def _turn(generator: Generator, served: Served, asked: Sequence[Question], seconds: float) -> tuple[list[float], float]:
    """Latencies of one caller alone, then pairs per second of several callers, with other questions."""
    requests = [Request(body=one.body, tokens=0, texts=PASSAGES) for one in asked]
    half = len(requests) // 2
    target = served.target("rerank")
    alone = generator.closed(target, requests[:half], Closed(callers=1, duration_s=seconds / 2))
    several = generator.closed(target, requests[half:], Closed(callers=_CALLERS, duration_s=seconds / 2))
    require_good([*alone.answers, *several.answers], served.name)
    times = [answer.latency_s for answer in steady(alone.answers, callers=1)]
    return times, rate(several.answers, lambda _answer: PASSAGES, callers=_CALLERS)


def _loop_times(loop: Task, asked: Sequence[Question], seconds: float) -> list[float]:
    """The same questions, one after the other, in process."""
    times: list[float] = []
    for question in asked:
        times.append(float(loop(question.query, question.passages)[0]))
        if sum(times) > seconds / 2:
            break
    return times


def _latency(alone: dict[str, list[list[float]]]) -> Iterator[Figure]:
    for system, rounds in alone.items():
        for percent in (50, 95, 99):
            values = [percentile(times, percent) * 1e3 for times in rounds]
            name = f"{system}: alone, p{percent}"
            yield Figure.of(name, "ms", values, system=system, metric=f"p{percent}")
    for system, rounds in alone.items():
        if system != _LOOP:
            pairs = zip(alone[_LOOP], rounds, strict=True)
            values = [percentile(theirs, 50) / percentile(ours, 50) for theirs, ours in pairs]
            name = f"{_LOOP} / {system}: alone, p50"
            yield Figure.of(name, "ratio", values, system=system, metric="ratio alone")


def _throughput(pairs: dict[str, list[float]]) -> Iterator[Figure]:
    for system, values in pairs.items():
        name = f"{system}: one call after the other" if system == _LOOP else f"{system}: {_CALLERS} callers"
        yield Figure.of(name, "pairs/s", values, system=system, metric="throughput")
    for system, values in pairs.items():
        if system != _LOOP:
            quotients = [ours / theirs for ours, theirs in zip(values, pairs[_LOOP], strict=True)]
            name = f"{system}: {_CALLERS} callers / {_LOOP}"
            yield Figure.of(name, "ratio", quotients, system=system, metric="ratio")


def parse() -> Namespace:
    """The command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3, help="turns of each")
    arguments.add_argument("--seconds", type=float, default=40.0, help="length of a turn, half of it one caller alone")
    arguments.add_argument(
        "--dtype", nargs="+", default=[DEFAULT, "float32", "int8"], help="of Isolane; auto is its default"
    )
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the texts")
    return arguments.parse_args()


if __name__ == "__main__":
    chosen = parse()
    calibration = asyncio.run(calibrate())
    facts = {"seed": chosen.seed, "seconds": chosen.seconds}
    publish([*calibration, *measure(chosen)], chosen.json, notes=[_NO_PEER], **facts)
