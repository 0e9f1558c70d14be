"""The scheduler's mechanisms and numbers, each against being off or otherwise, in simulated worlds.

Nothing takes real time and there is no noise but the world's own, which every variant gets alike. What cannot be seen
here, as it is the cost of a call, is the gateway's record of refusals: `just bench overload` shows that.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from unittest import mock

from bench.machine import cores
from bench.report import Figure, parser, publish, say
from bench.worlds import batches, overload, sharing
from bench.worlds.base import CPU, FIXED, GPU, STALLED, STOPPED, Scenario
from services.common.caller import Priority
from services.common.refusals import Refusals
from services.scheduler import speed
from services.scheduler.policy import Policy

SCENARIOS: Mapping[str, Scenario] = {
    "1 x the peak": overload.overload(FIXED, 1),
    "2 x": overload.overload(FIXED, 2),
    "10 x": overload.overload(FIXED, 10),
    "2 x, CPU": overload.overload(CPU, 2),
    "1 x, stalls": overload.overload(STALLED, 1),
    "2 x, stalls": overload.overload(STALLED, 2),
    "5 x, stalls": overload.overload(STALLED, 5),
    "2 x, long stalls": overload.overload(STOPPED, 2),
    "burst of 2 x": overload.obedient(2),
    "burst of 5 x": overload.obedient(5),
    "bursts of 0.4 s": overload.bursts,
    "first speed ten times too slow": overload.wrong_first_speed,
    "requests that are too long": overload.too_long,
    "next client": overload.room(1, same_origin=True, items=30),
    "client alone, 3/4 of the queue": overload.large_alone(0.75),
    "beside 50 names of one origin": overload.room(50, same_origin=True),
    "beside bulk work of 20 clients": overload.room(20, same_origin=False, priority=Priority.BULK, items=30),
    "bulk work alone, 0.4 of the queue": overload.large_alone(0.4, Priority.BULK),
    "quiet beside 1 flood": sharing.beside_floods(1),
    "quiet beside 5 floods": sharing.beside_floods(5),
    "beside one that comes and goes": sharing.beside_comers_and_goers,
    "beside newcomers": sharing.beside_newcomers,
    "beside 200 names": sharing.many_names,
    "bulk beside interactive 2 x": sharing.with_bulk,
    "small beside large": sharing.small_beside_large,
    "visits": sharing.visits,
    "20 visits at once": sharing.many_visits,
    "rare visits": sharing.rare_visits,
    "1 x 32": batches.closed(CPU, 1, 32),
    "32 x 4": batches.closed(CPU, 32, 4),
    "32 x 4, noise": batches.closed(batches.NOISY, 32, 4),
    "32 x 4, GPU": batches.closed(GPU, 32, 4),
    "32 clients": batches.clients(CPU),
    "32 clients, GPU": batches.clients(GPU),
    "after short texts": batches.after_small(batches.FLOORED_CPU, 100.0),
    "after short texts, GPU": batches.after_small(batches.FLOORED_GPU, 100.0),
    "memory full for 1 s": batches.memory_full,
    "memory scarce": batches.memory_scarce,
}

_LESS_IS_BETTER = ("ms", "computed for nothing", "padding")
_LEAST_POINTS, _LEAST_PART = 0.5, 0.05
"""What counts as a difference, if it is one in every world: of percentages half a point, of times a twentieth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A policy that differs, or a part that is otherwise while the body runs."""

    name: str
    policy: Policy = Policy()  # noqa: RUF009 - frozen
    patch: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A mechanism or number."""

    scenarios: Sequence[str]
    """Where it should matter."""
    variants: Sequence[Variant]
    """What it is measured against."""
    fields: Sequence[str] = field(default=())
    """Of the policy."""


class _AllAtOnce(Refusals):
    """Gives everybody the same time."""

    def retry_after_s(self, key: object, *, earliest_s: float, work_s: float, now_s: float) -> float:  # noqa: ARG002
        return max(0.001, earliest_s)


def _patched(target: str, new: object) -> Callable[[], AbstractContextManager[object]]:
    return lambda: mock.patch(target, new)


def _with_trials(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every 64th solution lets batches have 256 tokens at least."""
    number = 0

    def limits(self: speed.Speed, policy: Policy, **options: Any) -> Any:
        nonlocal number
        number += 1
        found = original(self, policy, **options)
        return replace(found, own=max(found.own, 256)) if number % 64 == 0 else found

    return limits


def numbers(scenarios: Sequence[str], **values: Sequence[float]) -> Row:
    """Of some numbers of the policy, each of these values; the first of the fields names the row."""
    variants = [
        Variant(name=f"{name} {value:g}", policy=replace(Policy(), **{name: value}))  # type: ignore[arg-type]
        for name, tried in values.items()
        for value in tried
    ]
    return Row(scenarios=scenarios, variants=variants, fields=list(values))


_OFF = 1e9
_STALLS = ("1 x, stalls", "2 x, stalls", "5 x, stalls", "2 x, long stalls")
_SIZES = ("1 x 32", "32 x 4", "32 x 4, GPU", "small beside large")
_LEARNED = (*_STALLS, "32 x 4, noise", "after short texts", "after short texts, GPU", "first speed ten times too slow")
TABLE: Mapping[str, Row] = {
    "quantum": numbers(
        ("visits", "20 visits at once", "quiet beside 5 floods", "beside 200 names"), quantum_s=(0.0, 0.1, 0.4)
    ),
    "bulk floor": numbers(("bulk beside interactive 2 x",), bulk_floor=(1e-6, 0.05, 0.2)),
    "pace of newcomers": numbers(
        ("quiet beside 1 flood", "quiet beside 5 floods", "beside newcomers"), newcomer_pace=(0.0, 0.25, 1.0)
    ),
    "room of a client": numbers(("next client", "client alone, 3/4 of the queue"), client_factor=(2.0, 8.0, _OFF)),
    "room of an origin": numbers(
        ("beside 50 names of one origin", "client alone, 3/4 of the queue"), origin_factor=(2.0, 8.0, 32.0, _OFF)
    ),
    "room of bulk work": numbers(
        ("beside bulk work of 20 clients", "bulk work alone, 0.4 of the queue"), bulk_room=(0.25, 1.0)
    ),
    "clients remembered": numbers(
        ("beside one that comes and goes", "quiet beside 5 floods", "beside newcomers"),
        most_idle=(0, 16, 256, 65_536),
    ),
    "overhead": numbers((*_SIZES, "32 x 4, noise", "2 x"), overhead=(0.0025, 0.005, 0.02, 0.05)),
    "longest batch of one client": numbers(
        ("1 x 32", "32 x 4", "32 x 4, GPU", "2 x", "2 x, CPU", "rare visits"), longest_s=(0.025, 0.05, 0.2, _OFF)
    ),
    "longest batch of several": numbers(
        ("small beside large", "visits", "quiet beside 5 floods", "rare visits", "32 clients, GPU"),
        longest_contended_s=(0.0125, 0.05, 0.1, _OFF),
        contended_s=(0.0, 1.0, 60.0),
    ),
    "others' tasks in a batch": numbers(
        ("quiet beside 5 floods", "32 clients", "32 clients, GPU", "small beside large", "rare visits"),
        fill_overhead=(0.02, 0.05, 0.2, _OFF),
    ),
    "least batch": numbers(
        (*_SIZES, *_LEARNED, "32 clients", "quiet beside 5 floods", "visits", "rare visits"),
        least_tokens=(1, 16, 128, 256),
    ),
    "padding": numbers(
        ("1 x 32", "32 x 4", "32 clients", "32 x 4, GPU", "32 clients, GPU"), padding_overhead=(0.0, 0.25, 1.0)
    ),
    "memory": numbers(
        ("memory full for 1 s", "memory scarce"), memory_near=(0.0, 0.5, 0.95), memory_regrowth=(1.0, 1.025, 1.1, 2.0)
    ),
    "margin": numbers(
        ("1 x the peak", "2 x", "10 x", "2 x, CPU", "bursts of 0.4 s", *_STALLS), margin=(1.0, 1.1, 1.5, 3.0, 4.0)
    ),
    "doubt": numbers(
        ("first speed ten times too slow", "requests that are too long", *_STALLS),
        doubt_factor=(1.0, 2.0, 6.0),
        doubt_s=(0.0, 2.5, 10.0, _OFF),
    ),
    "memory of the speed": numbers(_LEARNED, forget=(0.9, 0.96, 0.99)),
    "surprises": numbers(_LEARNED, most_surprise=(1.5, 6.0, _OFF)),
    "settled": numbers(_LEARNED, settled=(3, 5, 20, 100)),
    "solutions": numbers((*_LEARNED, "32 x 4"), solve_every=(1, 4, 16)),
    "pull to the last solution": Row(
        scenarios=_LEARNED,
        variants=[
            Variant(name=f"{pull:g}", patch=_patched("services.scheduler.speed._PULL", pull))
            for pull in (1e-6, 1e-4, 1e-2)
        ],
    ),
    "trial batches": Row(
        scenarios=(*_LEARNED, "small beside large"),
        variants=[
            Variant(
                name="with them",
                patch=_patched("services.scheduler.speed.Speed.limits", _with_trials(speed.Speed.limits)),
            )
        ],
    ),
    "retry times": Row(
        scenarios=("burst of 2 x", "burst of 5 x"),
        variants=[Variant(name="one for all", patch=_patched("services.scheduler.admission.Refusals", _AllAtOnce))],
    ),
}

Runs = Mapping[str, Sequence[float]]
"""By figure with its unit, the values in all worlds."""


def run(scenario: Scenario, policy: Policy, seeds: Iterable[int]) -> Runs:
    """One scenario in several worlds."""
    found = [scenario(policy, seed) for seed in seeds]
    return {figure: [each[figure] for each in found] for figure in found[0]}


def difference(figure: str, before: Sequence[float], after: Sequence[float]) -> float | None:
    """What a variant changes: more than zero is better; None where not every world agrees, or it is little.

    Unit: points of percentages, parts of times; the median of what it is in equal worlds.
    """
    is_time = figure.endswith("ms")
    changes = [_change(one, other, is_time=is_time) for one, other in zip(before, after, strict=True)]
    median = statistics.median(changes)
    if min(changes) * max(changes) <= 0 or abs(median) < (_LEAST_PART if is_time else _LEAST_POINTS):
        return None
    return -median if any(word in figure for word in _LESS_IS_BETTER) else median


def _change(before: float, after: float, *, is_time: bool) -> float:
    if before == after:
        return 0.0
    if is_time:
        return after / before - 1 if math.isfinite(before) else -1.0
    return after - before


@functools.cache
def as_it_is(where: str, seeds: tuple[int, ...]) -> Runs:
    """A scenario with the policy as it is, which several mechanisms have."""
    return run(SCENARIOS[where], Policy(), seeds)


def measure(name: str, seeds: tuple[int, ...]) -> tuple[Sequence[Figure], Sequence[str]]:
    """The figures of all variants of a mechanism, and of each what it loses and gains."""
    say(name)
    row = TABLE[name]
    figures = [each for where in row.scenarios for each in _figures("as it is", where, as_it_is(where, seeds))]
    notes = []
    for variant in row.variants:
        changes: list[tuple[float, str]] = []
        for where in row.scenarios:
            with variant.patch():
                runs = run(SCENARIOS[where], variant.policy, seeds)
            figures += _figures(f"{name}, {variant.name}", where, runs)
            changes += _changes(where, as_it_is(where, seeds), runs)
        notes.append(f"{name}: {variant.name} {_verdict(changes)}")
    return figures, notes


def _figures(variant: str, where: str, runs: Runs) -> Iterator[Figure]:
    for figure, values in runs.items():
        what, _, unit = figure.rpartition(", ")
        yield Figure.of(f"{variant}: {where}, {what}", unit, values)


def _changes(where: str, before: Runs, after: Runs) -> Iterator[tuple[float, str]]:
    for figure in before:
        if (change := difference(figure, before[figure], after[figure])) is not None:
            what, _, unit = figure.rpartition(", ")
            one, other = statistics.median(before[figure]), statistics.median(after[figure])
            yield change, f"{what} ({where}) {one:.3g} -> {other:.3g} {unit}"


def _verdict(changes: Sequence[tuple[float, str]]) -> str:
    """What is lost and what is gained, the most first."""
    lost = [line for change, line in sorted(changes) if change < 0]
    gained = [line for change, line in sorted(changes, reverse=True) if change > 0]
    return f"loses {'; '.join(lost) or 'nothing'} | gains {'; '.join(gained) or 'nothing'}"


def main() -> None:
    """Run the command line."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=3, help="simulated worlds of each kind")
    arguments.add_argument("--only", nargs="+", choices=list(TABLE), default=list(TABLE), metavar="MECHANISM")
    chosen = arguments.parse_args()
    seeds = tuple(range(1, chosen.seeds + 1))
    with ProcessPoolExecutor(cores()) as pool:
        found = [*pool.map(partial(measure, seeds=seeds), chosen.only)]
    # By name: several mechanisms have the same scenarios as they are.
    figures = {figure.name: figure for of_one, _ in found for figure in of_one}
    publish([*figures.values()], chosen.json, notes=[note for _, notes in found for note in notes], seeds=chosen.seeds)


if __name__ == "__main__":
    main()
