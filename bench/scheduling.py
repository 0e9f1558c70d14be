"""The scheduler's mechanisms and numbers, each against being off or otherwise, in simulated worlds.

Nothing takes real time and there is no noise but the world's own, which every variant gets alike. What cannot be seen
here, as it is the cost of a call, is the gateway's record of refusals: `just bench overload` shows that.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from unittest import mock

from bench.answers import percentile
from bench.report import Figure, parser, publish, say
from bench.simulation import Arrival, Engine, World
from services.common.caller import Caller, Priority
from services.common.refusals import Refusals
from services.models.scheduler.policy import Policy

FIXED = Engine()
"""As the fake backend of `bench overload`: a text of 64 tokens takes 18 ms."""
STALLED = Engine(noise=0.3, stalls_per_s=2.0, stall_s=0.2)
"""The same on cores that something else takes for 0.2 s twice a second."""
CPU = Engine(per_token=80e-6, per_batch=0.5e-3)
"""MiniLM in float32 on a core, about."""
GPU = Engine(per_token=2e-6, per_batch=3e-3)

_TEXT = 64
"""Tokens."""
_LONG_S, _SHORT_S = 40.0, 15.0
_QUIET, _FLOOD, _OLD = Caller(client="quiet", origin="q"), Caller(client="flood", origin="f"), Caller(client="old")
_LOGNORMAL = 4.05, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A policy that differs, or a part that is left out while the body runs."""

    name: str
    policy: Policy = Policy()  # noqa: RUF009 - frozen
    without: Callable[[], AbstractContextManager[object]] = nullcontext


Scenario = Callable[[Policy, int], Mapping[str, float]]
"""Figures of a policy and a seed, by name with their unit."""


def peak(engine: Engine) -> float:
    """Texts a second that the engine computes in batches of eight."""
    return 1 / (engine.per_token * _TEXT + engine.per_batch / 8)


def poisson(rate: float, until_s: float, seed: int, make: Callable[[float, random.Random], Arrival]) -> list[Arrival]:
    """Arrivals by chance."""
    chance, now_s, found = random.Random(seed), 0.0, []
    while (now_s := now_s + chance.expovariate(rate)) < until_s:
        found.append(make(now_s, chance))
    return found


def one(caller: Caller, *, deadline_s: float = 1.0, items: int = 1, tries: int = 1) -> Callable[..., Arrival]:
    """Requests of equal texts."""

    def make(at_s: float, _chance: random.Random) -> Arrival:
        return Arrival(at_s=at_s, caller=caller, lengths=(_TEXT,) * items, deadline_s=deadline_s, tries=tries)

    return make


def took_ms(world: World, caller: Caller, percent: float) -> float:
    """A percentile of the times of a caller's good answers; infinite when it had none."""
    good = [each.took_s * 1e3 for each in world.outcomes if each.arrival.caller is caller and each.kind == "good"]
    return percentile(good, percent) if good else float("inf")


def overload(engine: Engine, factor: float) -> Scenario:
    """A load of so many times the peak, of one client, with a deadline of 1 s."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        load = poisson(peak(engine) * factor, _SHORT_S, seed, one(_FLOOD))
        world = World(policy, engine, seed=seed).run(load, until_s=_SHORT_S)
        good = [each for each in world.outcomes if each.kind == "good"]
        used = sum(sum(each.arrival.lengths) for each in good)
        return {
            "goodput / peak, %": len(good) / _SHORT_S / peak(engine) * 100,
            "computed for nothing, %": (1 - used / world.computed) * 100,
        }

    return run


def obedient(factor: float) -> Scenario:
    """A burst of so many times the peak for 3 s, of many clients' requests that come back when they are told."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        burst = poisson(peak(FIXED) * factor, 3.0, seed, one(_FLOOD, tries=6))
        world = World(policy, FIXED, seed=seed).run(burst, until_s=120.0)
        told = [each for each in world.outcomes if each.arrival.number > 1 or each.kind == "refused"]
        first = sum(each.kind == "good" and each.arrival.number == 2 for each in told)
        served = sum(each.kind == "good" for each in told)
        return {"served at the first retry, %": first / len(told) * 100, "within 6 tries, %": served / len(told) * 100}

    return run


def beside_floods(number: int) -> Scenario:
    """A client with a tenth of the peak beside clients that flood with five times the peak together."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        rate = peak(FIXED)
        floods = [one(Caller(client=f"flood {n}", origin=f"f{n}")) for n in range(number)]
        loads = [poisson(rate * 5 / number, _LONG_S, seed + n, make) for n, make in enumerate(floods)]
        quiet = poisson(rate * 0.1, _LONG_S, seed + 99, one(_QUIET))
        world = World(policy, FIXED, seed=seed).run(itertools.chain(quiet, *loads), until_s=_LONG_S)
        return {"its p50, ms": took_ms(world, _QUIET, 50), "its p99, ms": took_ms(world, _QUIET, 99)}

    return run


def beside_newcomers(policy: Policy, seed: int) -> Mapping[str, float]:
    """A client that always waits beside new ones without end, of which one or two wait at a time."""
    numbers = itertools.count()

    def newcomer() -> Arrival:
        name = f"new {next(numbers)}"
        return Arrival(at_s=0.0, caller=Caller(client=name, origin=name), lengths=(_TEXT,) * 4, then=newcomer)

    old = Arrival(at_s=0.0, caller=_OLD, lengths=(_TEXT,) * 3000, deadline_s=1e4)
    world = World(policy, FIXED, seed=seed).run([old, newcomer(), newcomer()], until_s=_SHORT_S)
    new = sum(sum(each.arrival.lengths) for each in world.outcomes if each.kind == "good")
    return {"its part of the tokens, %": (world.computed - new) / world.computed * 100}


def many_names(policy: Policy, seed: int) -> Mapping[str, float]:
    """A client beside 200 names of another origin that all always have a text waiting."""
    names = [Caller(client=f"name {number}", origin="f") for number in range(200)]

    def ask(name: Caller) -> Arrival:
        return Arrival(at_s=0.0, caller=name, lengths=(_TEXT,), deadline_s=30.0, then=lambda: ask(name))

    quiet = poisson(peak(FIXED) * 0.1, _SHORT_S, seed, one(_QUIET, deadline_s=30.0))
    world = World(policy, FIXED, seed=seed).run([*map(ask, names), *quiet], until_s=_SHORT_S)
    return {"its p99, ms": took_ms(world, _QUIET, 99)}


def with_bulk(policy: Policy, seed: int) -> Mapping[str, float]:
    """Interactive work of twice the peak beside bulk work that always waits."""
    bulk = Arrival(at_s=0.0, caller=Caller(client="b", priority=Priority.BULK), lengths=(_TEXT,) * 3000, deadline_s=1e4)
    load = poisson(peak(FIXED) * 2, _SHORT_S, seed, one(_FLOOD))
    world = World(policy, FIXED, seed=seed).run([bulk, *load], until_s=_SHORT_S)
    used = sum(sum(each.arrival.lengths) for each in world.outcomes if each.kind == "good")
    return {"bulk work's part of the tokens, %": (1 - used / world.computed) * 100}


def closed(engine: Engine, texts: int, callers: int) -> Scenario:
    """A closed loop of one client's requests of log-normal texts."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        chance = random.Random(seed)

        def lengths() -> tuple[int, ...]:
            return tuple(max(4, min(256, int(chance.lognormvariate(*_LOGNORMAL)))) for _ in range(texts))

        def ask() -> Arrival:
            return Arrival(at_s=0.0, caller=_FLOOD, lengths=lengths(), deadline_s=1e3, then=ask)

        world = World(policy, engine, seed=seed).run([ask() for _ in range(callers)], until_s=5.0)
        return {
            "tokens / the engine's, %": world.computed * engine.per_token / 5.0 * 100,
            "padding, %": (1 - world.computed / world.padded) * 100,
        }

    return run


def clients(engine: Engine) -> Scenario:
    """A closed loop of 32 clients with one log-normal text each."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        chance = random.Random(seed)

        def ask(name: Caller) -> Arrival:
            length = max(4, min(256, int(chance.lognormvariate(*_LOGNORMAL))))
            return Arrival(at_s=0.0, caller=name, lengths=(length,), deadline_s=1e3, then=lambda: ask(name))

        names = [Caller(client=f"{number}", origin=f"{number}") for number in range(32)]
        world = World(policy, engine, seed=seed).run([ask(name) for name in names], until_s=5.0)
        return {"tokens / the engine's, %": world.computed * engine.per_token / 5.0 * 100}

    return run


def small_beside_large(policy: Policy, seed: int) -> Mapping[str, float]:
    """A client with one text at a time, half of the time, beside one that always has hundreds waiting."""

    def ask() -> Arrival:
        return Arrival(at_s=0.0, caller=_FLOOD, lengths=(_TEXT,) * 256, deadline_s=1e3, then=ask)

    small = poisson(20.0, _SHORT_S, seed, one(_QUIET))
    world = World(policy, CPU, seed=seed).run([ask(), ask(), *small], until_s=_SHORT_S)
    return {
        "its p99, ms": took_ms(world, _QUIET, 99),
        "tokens / the engine's, %": world.computed * CPU.per_token / _SHORT_S * 100,
    }


def rerankings(policy: Policy, seed: int) -> Mapping[str, float]:
    """A visit of 50 pairs now and then beside one client that always has 50 waiting."""

    def ask() -> Arrival:
        return Arrival(at_s=0.0, caller=_FLOOD, lengths=(_TEXT,) * 50, deadline_s=1e3, then=ask)

    visits = poisson(0.5, _LONG_S, seed, one(_QUIET, items=50, deadline_s=10.0))
    world = World(policy, CPU, seed=seed).run([ask(), ask(), *visits], until_s=_LONG_S)
    return {"its p50, ms": took_ms(world, _QUIET, 50), "its p99, ms": took_ms(world, _QUIET, 99)}


def wrong_first_speed(policy: Policy, seed: int) -> Mapping[str, float]:
    """A model whose first batches took ten times as long as the rest, and requests that it computes in 0.3 s."""
    first = replace(CPU, per_token=10 * CPU.per_token, per_batch=10 * CPU.per_batch)
    load = poisson(0.1, 600.0, seed, one(_FLOOD, items=50, deadline_s=1.0))
    world = World(policy, CPU, seed=seed, first=first).run(load, until_s=601.0)
    return {"answered, %": sum(each.kind == "good" for each in world.outcomes) / len(load) * 100}


class _AllAtOnce(Refusals):
    """Gives everybody the same time."""

    def retry_after_s(self, key: object, *, earliest_s: float, work_s: float, now_s: float) -> float:  # noqa: ARG002
        return max(0.001, earliest_s)


def _same_times() -> AbstractContextManager[object]:
    return mock.patch("services.models.scheduler.admission.Refusals", _AllAtOnce)


_P = Policy()
TABLE: Mapping[str, tuple[Mapping[str, Scenario], Iterable[Variant]]] = {
    "margin": (
        {"overload 2 x": overload(FIXED, 2), "2 x with stalls": overload(STALLED, 2), "5 x": overload(STALLED, 5)},
        [Variant(name=f"{margin:g}", policy=replace(_P, margin=margin)) for margin in (1.0, 1.1, 1.5, 3.0)],
    ),
    "retry times": (
        {"burst of 2 x": obedient(2), "burst of 5 x": obedient(5)},
        [Variant(name="one for all", without=_same_times)],
    ),
    "newcomer_pace": (
        {"quiet beside 1 flood": beside_floods(1), "beside 5": beside_floods(5), "beside newcomers": beside_newcomers},
        [Variant(name=f"{pace:g}", policy=replace(_P, newcomer_pace=pace)) for pace in (0.0, 0.25, 1.0)],
    ),
    "quantum_s": (
        {"quiet beside 1 flood": beside_floods(1), "50 pairs": rerankings, "200 names": many_names},
        [Variant(name=f"{each:g}", policy=replace(_P, quantum_s=each)) for each in (0.0, 0.1, 0.4)],
    ),
    "bulk_floor": (
        {"beside interactive 2 x": with_bulk},
        [Variant(name=f"{each:g}", policy=replace(_P, bulk_floor=each)) for each in (1e-6, 0.05, 0.2)],
    ),
    "longest_s": (
        {"1 x 32": closed(CPU, 1, 32), "32 x 4": closed(CPU, 32, 4), "overload 2 x": overload(FIXED, 2)},
        [Variant(name=f"{each:g}", policy=replace(_P, longest_s=each)) for each in (0.025, 0.05, 0.2)],
    ),
    "longest_contended_s": (
        {"small beside large": small_beside_large},
        [Variant(name=f"{each:g}", policy=replace(_P, longest_contended_s=each)) for each in (0.0125, 0.05, 0.1)],
    ),
    "overhead": (
        {"1 x 32": closed(CPU, 1, 32), "32 x 4": closed(CPU, 32, 4), "overload 2 x": overload(FIXED, 2)},
        [Variant(name=f"{each:g}", policy=replace(_P, overhead=each)) for each in (0.005, 0.02, 0.05)],
    ),
    "fill_overhead": (
        {"beside 5 floods": beside_floods(5), "32 clients, GPU": clients(GPU), "32 clients": clients(CPU)},
        [Variant(name=f"{each:g}", policy=replace(_P, fill_overhead=each)) for each in (0.01, 0.05, 0.2, 1.0)],
    ),
    "padding_overhead": (
        {"1 x 32": closed(CPU, 1, 32), "32 x 4": closed(CPU, 32, 4)},
        [Variant(name=f"{each:g}", policy=replace(_P, padding_overhead=each)) for each in (0.0, 0.25, 1.0)],
    ),
    "padding_share": (
        {"1 x 32": closed(CPU, 1, 32), "32 x 4": closed(CPU, 32, 4)},
        [Variant(name=f"{each:g}", policy=replace(_P, padding_share=each)) for each in (0.0, 0.04, 0.08)],
    ),
    "doubt_factor": (
        {"wrong first speed": wrong_first_speed},
        [Variant(name=f"{each:g}", policy=replace(_P, doubt_factor=each)) for each in (1.0, 2.0, 10.0)],
    ),
    "solve_every": (
        {"2 x with stalls": overload(STALLED, 2), "32 x 4": closed(CPU, 32, 4)},
        [Variant(name=f"{each}", policy=replace(_P, solve_every=each)) for each in (1, 32)],
    ),
    "forget": (
        {"2 x with stalls": overload(STALLED, 2)},
        [Variant(name=f"{each:g}", policy=replace(_P, forget=each)) for each in (0.9, 0.99)],
    ),
    "most_surprise": (
        {"2 x with stalls": overload(STALLED, 2), "5 x with stalls": overload(STALLED, 5)},
        [Variant(name=f"{each:g}", policy=replace(_P, most_surprise=each)) for each in (1.5, 1e9)],
    ),
}
"""Of each mechanism or number: where it should matter, and what it is measured against."""


def measure(names: Iterable[str], seeds: Iterable[int]) -> Iterator[Figure]:
    """The figures of all variants of these mechanisms."""
    seeds = list(seeds)
    for name in names:
        scenarios, variants = TABLE[name]
        say(name)
        for variant in (Variant(name="as it is"), *variants):
            for where, scenario in scenarios.items():
                with variant.without():
                    runs = [scenario(variant.policy, seed) for seed in seeds]
                for figure in runs[0]:
                    what, _, unit = figure.rpartition(", ")
                    values = [run[figure] for run in runs]
                    labels = {"mechanism": name, "variant": variant.name, "scenario": where}
                    yield Figure.of(f"{name}, {variant.name}: {where}, {what}", unit, values, **labels, metric=what)


def main() -> None:
    """Run the command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=3, help="simulated worlds of each kind")
    arguments.add_argument("--only", nargs="+", choices=list(TABLE), default=list(TABLE), metavar="MECHANISM")
    chosen = arguments.parse_args()
    publish([*measure(chosen.only, range(1, chosen.seeds + 1))], chosen.json, seed=chosen.seeds)


if __name__ == "__main__":
    main()
