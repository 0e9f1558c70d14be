"""Documents: small HTML and DOCX files to Markdown, through the gateway, beside docling-serve and Docling itself.

One caller's time stands beside Docling called directly in a warm process. Many callers stand beside docling-serve and
beside a pool of two processes that call Docling; Isolane as a user gets it who sets nothing, and once more with workers
that are replaced often. All take turns with the same files, and those whose turn it is not are halted. Then thousands
of files show whether memory grows.
"""

from __future__ import annotations

import asyncio
import math
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from bench.answers import Answer, percentile, rate, require_good, steady
from bench.calibration import calibrate
from bench.calls import post
from bench.direct import WORKERS, Convert, closed, docling_loop, docling_pool
from bench.docling_serve import docling_serve
from bench.files import FORM_TYPE, File, Files, python_docx_package, small_package
from bench.inprocess import Task, worker
from bench.load import Closed, Generator
from bench.metrics import difference, scrape
from bench.report import Figure, parser, publish, say
from bench.resident import ENDS, memory, wait_until_warm
from bench.serving import Served
from bench.stack import local_stack
from bench.vegeta import vegeta
from ops.progress import Progress
from services.documents.settings import DocumentsSettings

ISOLANE = "isolane"
_DIRECT, _POOL = "Docling directly", f"pool of {WORKERS} over Docling"
_ALONE_S = 5.0
"""One caller needs no longer turn for a median."""
_PER_CALLER_S, _AT_ONCE_S = 80, 240
"""More files than any of these converts in a second, for one caller and for many."""
_OTHERS = {"EMBEDDING_BACKEND": "fake", "RERANKING_BACKEND": "fake"}
_FACTOR, _ADDED_MS = 1.1, 4.0
"""The bar for one caller: so many times Docling's own time, and so much more."""

Measured = Mapping[str, list[float]]
"""Seconds of one caller, by format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What many callers saw in one turn."""

    per_s: float
    latencies_s: Sequence[float]
    replaced: float = 0.0
    """Workers that ended meanwhile."""

    @classmethod
    def of(cls, answers: Sequence[Answer], callers: int, replaced: float = 0.0) -> Load:
        """From the answers of a closed loop, all of them good.

        Raises:
            SystemExit: they are too few for a rate.
        """
        latencies = [answer.latency_s for answer in steady(answers, callers=callers)]
        return cls(per_s=rate(answers, lambda _answer: 1.0, callers=callers), latencies_s=latencies, replaced=replaced)

    def ms(self, percent: float) -> float:
        """A percentile of the latency."""
        return percentile(self.latencies_s, percent) * 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """What is measured."""

    servers: Sequence[Served]
    direct: Task
    pool: Convert | None


@dataclass(frozen=True, slots=True)
class Results:
    """All turns, by system, round by round."""

    alone: dict[str, list[Measured]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[str, list[Load]] = field(default_factory=lambda: defaultdict(list))

    def figures(self, callers: int) -> Iterator[Figure]:
        """The table."""
        yield from _of_one_caller(self.alone)
        yield from _of_many(f"{callers} callers", self.loads)


def measure(options: Namespace) -> Iterator[Figure]:
    """All figures."""
    progress = Progress()
    generator, supply, results = Generator(program=vegeta(progress)), Files(options.seed), Results()
    count = int(_PER_CALLER_S * alone_s(options.seconds)) + 1
    # Files with all of Word's styles take longer: a median of both kinds would be that of either, by chance.
    alone = {
        "html": supply.html(count),
        "docx": supply.docx(count, python_docx_package),
        "small docx": supply.docx(count, small_package),
    }
    mixed = supply.mixed(int(_AT_ONCE_S * options.seconds))
    with systems(options, progress) as found:
        turns = Turns(
            generator=generator,
            seconds=options.seconds,
            callers=options.callers,
            alone=alone,
            mixed=mixed,
        )
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for take in turns.round(found, results, backwards=bool(number % 2)):
                take()
    yield from results.figures(options.callers)
    if options.files:
        yield from _memory(supply.mixed(options.files), options.callers)


def _memory(files: Sequence[File], callers: int) -> Iterator[Figure]:
    defaults = DocumentsSettings()
    with local_stack(ISOLANE, **_OTHERS) as served:
        yield from memory(served, files, workers=defaults.workers + defaults.spare_workers, callers=callers)


@contextmanager
def systems(options: Namespace, progress: Progress) -> Iterator[Systems]:
    """Start everything; every server is halted until its turn."""
    often = f"{ISOLANE}, workers replaced after {options.recycle_files} files"
    ours = {ISOLANE: {}, often: {"DOCUMENTS_WORKER_RECYCLE_FILES": str(options.recycle_files)}}
    defaults = DocumentsSettings()
    with ExitStack() as stack:
        servers = []
        for name, settings in ours.items():
            say(f"starting {name}")
            servers.append(stack.enter_context(local_stack(name, **_OTHERS, **settings)))
            wait_until_warm(servers[-1], defaults.workers + defaults.spare_workers)
            servers[-1].halt()
        if options.peers:
            say("starting docling-serve")
            servers.append(stack.enter_context(docling_serve(progress)))
            servers[-1].halt()
        say("loading Docling")
        direct = stack.enter_context(worker(docling_loop))
        pool = stack.enter_context(docling_pool()) if options.peers else None
        yield Systems(servers=servers, direct=direct, pool=pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Gives systems their turns, one at a time, with the same files."""

    generator: Generator
    seconds: float
    callers: int
    alone: Mapping[str, Sequence[File]]
    """Files of one caller, by format."""
    mixed: Sequence[File]
    """Files of many callers."""

    def round(self, found: Systems, results: Results, *, backwards: bool) -> Sequence[Callable[[], None]]:
        """The turns of a round; every other one goes the other way, so that no system always follows the same one."""
        turns = [partial(self._server, served, results) for served in found.servers]
        turns.append(partial(self._direct, found.direct, results))
        if found.pool:
            turns.append(partial(self._pool, found.pool, results))
        return turns[::-1] if backwards else turns

    def _server(self, served: Served, results: Results) -> None:
        target = served.target("convert", Content_Type=FORM_TYPE)
        url = served.metrics_urls.get("documents")

        def closed_loop(files: Sequence[File], callers: int, seconds: float) -> Sequence[Answer]:
            load = Closed(callers=callers, duration_s=seconds)
            answers = self.generator.closed(target, [file.request for file in files], load).answers
            require_good(answers, served.name)
            return answers

        with served.awake(partial(post, target.url, self.mixed[0].form, {"Content-Type": FORM_TYPE})):
            closed_loop(self.mixed, self.callers, min(1.0, self.seconds))  # all of its workers are warm
            alone = {
                format_: [one.latency_s for one in steady(closed_loop(files, 1, alone_s(self.seconds)), callers=1)]
                for format_, files in self.alone.items()
            }
            before = scrape(url) if url else {}
            answers = closed_loop(self.mixed, self.callers, self.seconds)
            happened = difference(before, scrape(url)) if url else {}
        results.alone[served.name].append(alone)
        results.loads[served.name].append(self._load(served.name, answers, happened.get(ENDS, 0.0)))
        say(f"  {served.name}: {results.loads[served.name][-1].per_s:.1f} files/s")

    def _direct(self, direct: Task, results: Results) -> None:
        results.alone[_DIRECT].append(
            {format_: direct(files, alone_s(self.seconds)) for format_, files in self.alone.items()}
        )

    def _pool(self, pool: Convert, results: Results) -> None:
        answers = closed(pool, self.mixed, callers=self.callers, seconds=self.seconds)
        results.loads[_POOL].append(self._load(_POOL, answers))
        say(f"  {_POOL}: {results.loads[_POOL][-1].per_s:.1f} files/s")

    def _load(self, system: str, answers: Sequence[Answer], replaced: float = 0.0) -> Load:
        try:
            return Load.of(answers, self.callers, replaced)
        except SystemExit as problem:
            raise SystemExit(f"{system}: {problem}") from problem


def alone_s(seconds: float) -> float:
    """How long one caller's turn with a format is."""
    return min(seconds, _ALONE_S)


def _of_one_caller(alone: Mapping[str, Sequence[Measured]]) -> Iterator[Figure]:
    direct = alone[_DIRECT]
    for format_ in direct[0]:
        theirs = [percentile(turn[format_], 50) * 1e3 for turn in direct]
        for system, turns in alone.items():
            ours = [percentile(turn[format_], 50) * 1e3 for turn in turns]
            labels = {"system": system, "format": format_}
            where = f"one caller, {format_}: {system}"
            yield Figure.of(f"{where}, p50", "ms", ours, **labels, metric="p50")
            if system == _DIRECT:
                continue
            pairs = list(zip(ours, theirs, strict=True))
            yield Figure.of(f"{where} / {_DIRECT}", "ratio", [a / b for a, b in pairs], **labels, metric="ratio")
            yield Figure.of(f"{where} - {_DIRECT}", "ms", [a - b for a, b in pairs], **labels, metric="added")
            over = [a - over_bar for (a, _), over_bar in zip(pairs, map(bar_ms, theirs), strict=True)]
            name = f"{where} - ({_FACTOR} x {_DIRECT} + {_ADDED_MS:g} ms)"
            yield Figure.of(name, "ms", over, **labels, metric="over the bar")


def bar_ms(direct_ms: float) -> float:
    """The most that one caller's time may be."""
    return _FACTOR * direct_ms + _ADDED_MS


def _of_many(where: str, loads: Mapping[str, Sequence[Load]]) -> Iterator[Figure]:
    for system, turns in loads.items():
        rows = {
            "throughput": ("files/s", [turn.per_s for turn in turns]),
            "p50": ("ms", [turn.ms(50) for turn in turns]),
            "p99": ("ms", [turn.ms(99) for turn in turns]),
            "p99 / p50": ("ratio", [turn.ms(99) / turn.ms(50) for turn in turns]),
        }
        if system.startswith(ISOLANE):
            rows["workers replaced meanwhile"] = ("workers", [turn.replaced for turn in turns])
        for name, (unit, values) in rows.items():
            yield Figure.of(f"{where}: {system}, {name}", unit, values, system=system, metric=name)
    for ours in (system for system in loads if system.startswith(ISOLANE)):
        for theirs in (system for system in loads if not system.startswith(ISOLANE)):
            pairs = zip(loads[ours], loads[theirs], strict=True)
            values = [a.per_s / b.per_s for a, b in pairs if not math.isnan(b.per_s)]
            yield Figure.of(f"{where}: {ours} / {theirs}", "ratio", values, system=ours, metric=f"ratio to {theirs}")


def parse(given: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3, help="turns of each")
    arguments.add_argument("--seconds", type=float, default=20.0, help="length of a turn; one caller's is shorter")
    arguments.add_argument("--callers", type=int, default=8, help="at once")
    arguments.add_argument(
        "--recycle-files", type=int, default=100, help="workers of the second Isolane are replaced after so many"
    )
    arguments.add_argument("--files", type=int, default=2000, help="of the runs in which memory is looked at; 0: none")
    arguments.add_argument(
        "--no-peers", dest="peers", action="store_false", help="no docling-serve and no pool, only Docling directly"
    )
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the files")
    return arguments.parse_args(given)


if __name__ == "__main__":
    chosen = parse()
    calibration = asyncio.run(calibrate())
    facts = {"seed": chosen.seed, "seconds": chosen.seconds, "callers": chosen.callers}
    publish([*calibration, *measure(chosen)], chosen.json, **facts)
