"""Fairness: what a quiet client notices when another one floods the service at 50 times its rate.

The engine is the fake one at a fixed cost; with --real also the real one. Both clients name themselves in
X-Isolane-Client. Latency counts from the moment at which a request was to be sent; one that failed or was refused has
an infinite one.
"""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.answers import require_good
from bench.calibration import calibrate
from bench.lab import FIXED_COST, OTHERS, Lab
from bench.load import Generator
from bench.refusals import Overload
from bench.report import Figure, parser, publish, say
from bench.serving import Served
from bench.stack import local_stack
from bench.texts import Texts
from bench.vegeta import vegeta
from ops.progress import Progress

_LEAD_S = 1.0
"""The flood is there before the quiet client is measured."""


def measure(lab: Lab, served: Served, name: str, options: Namespace) -> Iterator[Figure]:
    """All figures of one engine."""
    lab.warm_up(served)
    peak = lab.peak(served)
    quiet_rate = peak * options.quiet
    alone, flooded, floods = [], [], []
    for turn in range(options.rounds):
        say(f"{name}: round {turn + 1} of {options.rounds}")
        alone.append(lab.load(served, quiet_rate, X_Isolane_Client="b")())
        require_good(alone[-1].schedule.answers, f"{name}: quiet client alone")
        flood_load = lab.load(served, quiet_rate * options.times, X_Isolane_Client="a")
        quiet_load = lab.load(served, quiet_rate, seconds=lab.seconds - 2 * _LEAD_S, X_Isolane_Client="b")
        with ThreadPoolExecutor() as pool:
            flood = pool.submit(flood_load)
            time.sleep(_LEAD_S)
            flooded.append(quiet_load())
            floods.append(flood.result())
        time.sleep(2 * lab.deadline_ms / 1e3)
    labels = {"engine": name}
    yield Figure.of(f"{name}: peak", "requests/s", [peak], **labels, metric="peak")
    yield from _of_client(f"{name}: quiet client alone", alone, labels)
    yield from _of_client(f"{name}: quiet client, flooded", flooded, labels)
    yield from _of_client(f"{name}: flooding client", floods, labels)
    for percent in (50, 99):
        ratios = [
            after.felt_ms(percent) / before.felt_ms(percent) for before, after in zip(alone, flooded, strict=True)
        ]
        what = f"{name}: quiet client, p{percent} flooded / alone"
        yield Figure.of(what, "ratio", ratios, **labels, metric=f"p{percent} ratio")


def _of_client(where: str, runs: Sequence[Overload], labels: dict[str, str]) -> Iterator[Figure]:
    total = [len(run.schedule.answers) for run in runs]
    good = [run.statuses[200] / count * 100 for run, count in zip(runs, total, strict=True)]
    refused = [len(run.refused) / count * 100 for run, count in zip(runs, total, strict=True)]
    rows: dict[str, tuple[str, list[float]]] = {
        "sent": ("requests/s", [run.schedule.achieved for run in runs]),
        "p50": ("ms", [run.felt_ms(50) for run in runs]),
        "p99": ("ms", [run.felt_ms(99) for run in runs]),
        "p50 of good answers": ("ms", [run.latency_ms(50) for run in runs]),
        "p99 of good answers": ("ms", [run.latency_ms(99) for run in runs]),
        "answered": ("%", good),
        "refused": ("%", refused),
    }
    for name, (unit, values) in rows.items():
        yield Figure.of(f"{where}, {name}", unit, values, **labels, metric=name)


def run(options: Namespace) -> list[Figure]:
    """Measure every engine that is asked for."""
    lab = Lab(
        generator=Generator(program=vegeta(Progress())),
        texts=Texts(options.seed),
        seconds=options.seconds,
        deadline_ms=options.deadline_ms,
    )
    engines = {"fixed cost": {**FIXED_COST, **OTHERS}} | ({"real engine": OTHERS} if options.real else {})
    figures = []
    for name, settings in engines.items():
        with local_stack(name, **settings) as served:
            figures += list(measure(lab, served, name, options))
    return figures


def parse() -> Namespace:
    """The command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3, help="alone and flooded, in turns")
    arguments.add_argument("--seconds", type=float, default=20.0, help="length of a load")
    arguments.add_argument("--quiet", type=float, default=0.1, help="the quiet client's rate, as a part of the peak")
    arguments.add_argument("--times", type=float, default=50.0, help="the flood's rate, in times of the quiet one's")
    arguments.add_argument("--deadline-ms", type=int, default=1000, help="of each request")
    arguments.add_argument("--real", action="store_true", help="the real engine too")
    arguments.add_argument("--seed", type=int, default=1, help="of the texts")
    return arguments.parse_args()


if __name__ == "__main__":
    chosen = parse()
    calibration = asyncio.run(calibrate())
    publish([*calibration, *run(chosen)], chosen.json, seed=chosen.seed, seconds=chosen.seconds)
