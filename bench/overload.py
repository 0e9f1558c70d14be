"""Overload: what stays useful at 2, 5 and 10 times the load that Isolane can take, and how it refuses the rest.

Then callers that obey: they wait as long as a refusal says and try again, alone in a burst of so many times the peak,
and beside such a flood that obeys nobody. They are Python's, on the same cores; the table shows how late they began.

The engine is the fake one at a fixed cost, so that the figures are the queue's and not the model's; with --real also
the real one. The loop is open: requests come at their rate whatever happens, and latency counts from the moment at
which a request was to be sent. The table shows the rate that was meant and the one that was sent.
"""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.answers import percentile
from bench.calibration import calibrate
from bench.lab import FIXED_COST, OTHERS, Lab
from bench.load import Generator
from bench.obedience import MOST_TRIES, Obedience, obey
from bench.refusals import Overload
from bench.report import Figure, parser, publish, say
from bench.serving import Served
from bench.stack import local_stack
from bench.texts import Texts
from bench.vegeta import vegeta
from ops.progress import Progress

_BURST_S = 3.0
_OBEDIENT_SHARE = 0.25


def measure(lab: Lab, served: Served, name: str, options: Namespace) -> Iterator[Figure]:
    """All figures of one engine."""
    lab.warm_up(served)
    peaks, loads = [], defaultdict(list)
    for turn in range(options.rounds):
        say(f"{name}: peak, round {turn + 1} of {options.rounds}")
        peaks.append(lab.peak(served))
        for factor in options.factor:
            say(f"{name}: {factor:g} times the peak")
            loads[factor].append(lab.load(served, factor * peaks[-1])())
            time.sleep(2 * lab.deadline_ms / 1e3)  # what still waits is not the next load's
    labels = {"engine": name}
    yield Figure.of(f"{name}: peak", "requests/s", peaks, **labels, metric="peak")
    for factor, runs in loads.items():
        yield from of_load(f"{name}, {factor:g} x", runs, peaks, {**labels, "factor": f"{factor:g}"})
    for factor in options.obey:
        yield from obedience(lab, served, name, peaks[-1], factor)


def of_load(where: str, runs: Sequence[Overload], peaks: Sequence[float], labels: dict[str, str]) -> Iterator[Figure]:
    """The figures of one factor."""
    schedules = [run.schedule for run in runs]
    relative = [run.goodput / peak * 100 for run, peak in zip(runs, peaks, strict=True)]
    shares = [run.share_with_delay * 100 for run in runs if run.share_with_delay is not None]
    delays = [delay for run in runs for delay in run.delays_ms()]
    lags = [[lag * 1e3 for lag in schedule.lags_s] for schedule in schedules]
    rows: dict[str, tuple[str, list[float]]] = {
        "offered": ("requests/s", [schedule.rate for schedule in schedules]),
        "sent": ("requests/s", [schedule.achieved for schedule in schedules]),
        "send behind schedule, p50": ("ms", [percentile(lag, 50) for lag in lags]),
        "send behind schedule, p99": ("ms", [percentile(lag, 99) for lag in lags]),
        "send behind schedule, most": ("ms", [max(lag) for lag in lags]),
        "goodput": ("requests/s", [run.goodput for run in runs]),
        "goodput / peak": ("%", relative),
        "good answers, p50": ("ms", [run.latency_ms(50) for run in runs]),
        "good answers, p99": ("ms", [run.latency_ms(99) for run in runs]),
        "refused": ("requests", [float(len(run.refused)) for run in runs]),
        "neither good nor refused": (
            "requests",
            [float(len(run.schedule.answers) - len(run.refused) - run.statuses[200]) for run in runs],
        ),
    }
    if shares:
        rows |= {
            "refusal p50, since intended": ("ms", [run.refusal_ms(50) for run in runs if run.refused]),
            "refusal p99, since intended": ("ms", [run.refusal_ms(99) for run in runs if run.refused]),
            "refusal p99, since sent": ("ms", [run.refusal_ms(99, since_sent=True) for run in runs if run.refused]),
            "refusals with Retry-After and retry-after-ms": ("%", shares),
        }
    if delays:
        rows["retry delay p50"] = ("ms", [percentile(delays, 50)])
        rows["retry delay p99"] = ("ms", [percentile(delays, 99)])
    for name, (unit, values) in rows.items():
        yield Figure.of(f"{where}: {name}", unit, values, **labels, metric=name)


def obedience(lab: Lab, served: Served, name: str, peak: float, factor: float) -> Iterator[Figure]:
    """Callers that wait as long as they are told: alone in a burst, and beside a flood that obeys nobody."""
    say(f"{name}: callers that obey, {factor:g} times the peak")
    burst = _obey(lab, served, factor * peak, _BURST_S)
    time.sleep(2 * lab.deadline_ms / 1e3)
    flood_load = lab.load(served, factor * peak, X_Isolane_Client="flood")
    with ThreadPoolExecutor() as pool:
        flood = pool.submit(flood_load)
        time.sleep(1.0)
        among = _obey(lab, served, _OBEDIENT_SHARE * peak, max(1.0, lab.seconds - 2.0), X_Isolane_Client="obedient")
        flood.result()
    time.sleep(2 * lab.deadline_ms / 1e3)
    labels = {"engine": name, "factor": f"{factor:g}"}
    yield from _of_obedience(f"{name}: burst of {factor:g} x for {_BURST_S:g} s, all obey", burst, labels)
    yield from _of_obedience(f"{name}: {_OBEDIENT_SHARE:g} x obeys beside a flood of {factor:g} x", among, labels)


def _obey(lab: Lab, served: Served, offered: float, seconds: float, **headers: str) -> Obedience:
    bodies = [request.body for request in lab.requests(offered * seconds)]
    target = served.target("embed", **lab.headers, **headers)
    return asyncio.run(obey(target, bodies, rate=offered, duration_s=seconds))


def _of_obedience(where: str, found: Obedience, place: dict[str, str]) -> Iterator[Figure]:
    labels = {**place, "metric": "obedience"}
    share = len(found.refused) / len(found.visits) * 100
    yield Figure.of(f"{where}: begun behind schedule, most", "ms", [found.most_lag_s * 1e3], **labels)
    yield Figure.of(f"{where}: refused at first", "%", [share], **labels)
    yield Figure.of(f"{where}: without an answer", "callers", [float(found.unanswered)], **labels)
    for tries, words in ((2, "at the first retry"), (MOST_TRIES, f"within {MOST_TRIES} tries")):
        served = found.share_served_by(tries)
        if served is not None:
            yield Figure.of(f"{where}: of these served {words}", "%", [served * 100], **labels)


def run(options: Namespace, seed: int) -> list[Figure]:
    """Measure every engine that is asked for."""
    lab = Lab(
        generator=Generator(program=vegeta(Progress())),
        texts=Texts(seed),
        seconds=options.seconds,
        deadline_ms=options.deadline_ms,
    )
    engines = {"fixed cost": {**FIXED_COST, **OTHERS}} | ({"real engine": OTHERS} if options.real else {})
    figures = []
    for name, settings in engines.items():
        with local_stack(name, **settings) as served:
            figures += list(measure(lab, served, name, options))
    return figures


def parse(given: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3, help="times that each load is put on")
    arguments.add_argument("--seconds", type=float, default=10.0, help="length of a load")
    arguments.add_argument("--deadline-ms", type=int, default=1000, help="of each request")
    arguments.add_argument("--factor", nargs="+", type=float, default=[1.0, 2.0, 5.0, 10.0], help="times the peak")
    arguments.add_argument(
        "--obey", nargs="+", type=float, default=[2.0, 5.0], metavar="FACTOR", help="the same, of those who obey"
    )
    arguments.add_argument("--real", action="store_true", help="the real engine too")
    arguments.add_argument("--seed", type=int, default=1, help="of the texts")
    return arguments.parse_args(given)


if __name__ == "__main__":
    chosen = parse()
    calibration = asyncio.run(calibrate())
    figures = run(chosen, chosen.seed)
    publish(
        [*calibration, *figures], chosen.json, seed=chosen.seed, seconds=chosen.seconds, deadline_ms=chosen.deadline_ms
    )
