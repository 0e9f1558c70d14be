from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import fields, replace
from unittest import mock

import pytest

from bench import scheduling
from bench.scheduling import SCENARIOS, TABLE, Row, Variant, difference, measure
from bench.simulation import Arrival, Engine, World
from bench.worlds.base import FLOOD, GPU, QUIET, always, asks
from services.scheduler.admission import Admission
from services.scheduler.lines import Lines
from services.scheduler.policy import Policy

POLICY = Policy()
LOST = 0.0
"""What a part that is left out costs."""


def margin(policy: Policy, seed: int) -> Mapping[str, float]:
    """A scenario in which the goodput is the margin, and which waits the longer for it in each later world."""
    return {
        "goodput, %": 10 * policy.margin + seed - LOST,
        "its p99, ms": 100 * policy.margin * seed,
        "its p50, ms": 5.0,
    }


def several(at_s: float, *lengths: int, tries: int = 1) -> Arrival:
    return Arrival(at_s=at_s, caller=FLOOD, lengths=lengths, tries=tries)


def retry_times() -> list[float]:
    refusals = Admission(POLICY, Lines(POLICY), most=1, seconds=float)._refusals
    return [refusals.retry_after_s("a", earliest_s=1.0, work_s=1.0, now_s=0.0) for _ in range(2)]


def test_every_number_of_the_policy_is_measured() -> None:
    measured = [name for row in TABLE.values() for name in row.fields]

    assert sorted(measured) == sorted(field.name for field in fields(Policy))


def test_every_variant_differs_and_every_scenario_is_there() -> None:
    for name, row in TABLE.items():
        assert all(variant.policy != POLICY or variant.patch is not nullcontext for variant in row.variants)
        assert row.variants, name
        assert set(row.scenarios) <= set(SCENARIOS), name


@pytest.mark.parametrize(
    ("figure", "before", "after", "expected"),
    [
        ("goodput, %", [90, 95], [80, 83], -11.0),
        ("padding, %", [1, 1], [3, 3], -2.0),
        ("its p99, ms", [100, 100], [50, 50], 0.5),
        ("its p99, ms", [math.inf, math.inf], [50, 50], 1.0),
        ("goodput, %", [90, 95], [80, 96], None),
        ("goodput, %", [90, 95], [90.1, 95.1], None),
        ("its p99, ms", [100, 100], [104, 104], None),
        ("its p99, ms", [math.inf, math.inf], [math.inf, math.inf], None),
    ],
)
def test_a_difference_is_one_that_every_world_shows_and_that_is_not_little(
    figure: str, before: list[float], after: list[float], expected: float | None
) -> None:
    assert difference(figure, before, after) == (None if expected is None else pytest.approx(expected))


def test_of_each_variant_it_is_said_what_is_lost_and_what_is_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    variants = [
        Variant(name="margin 1", policy=replace(POLICY, margin=1.0)),
        Variant(name="left out", patch=lambda: mock.patch(f"{__name__}.LOST", 5.0)),
        Variant(name="the same"),
    ]
    monkeypatch.setattr(scheduling, "TABLE", {"margin": Row(scenarios=("alone",), variants=variants)})
    monkeypatch.setattr(scheduling, "SCENARIOS", {"alone": margin})

    figures, notes = measure("margin", (1, 2, 3))

    assert notes == [
        "margin: margin 1 loses goodput (alone) 22 -> 12 % | gains its p99 (alone) 400 -> 200 ms",
        "margin: left out loses goodput (alone) 22 -> 17 % | gains nothing",
        "margin: the same loses nothing | gains nothing",
    ]
    assert [(figure.name, figure.median, figure.low, figure.high) for figure in figures][:2] == [
        ("as it is: alone, goodput", 22, 21, 23),
        ("as it is: alone, its p99", 400, 200, 600),
    ]


def test_a_patch_holds_only_while_its_variant_runs() -> None:
    (variant,) = TABLE["retry times"].variants

    with variant.patch():
        told = retry_times()

    assert told == [1.0, 1.0]
    assert retry_times() == [1.0, 2.0]


def test_a_seed_gives_the_same_world_again() -> None:
    engine = Engine(noise=0.3, stalls_per_s=2.0)
    one, again, other = (
        World(POLICY, engine, seed=seed).run([always(FLOOD, lambda: (64,))], until_s=3.0).batches_s
        for seed in (1, 1, 2)
    )

    assert one == again
    assert one != other


def test_who_is_refused_comes_back_when_it_was_told() -> None:
    load = [asks(FLOOD, tries=2)(0.0) for _ in range(60)]

    world = World(POLICY, Engine()).run(load, until_s=60.0)

    second = [each for each in world.outcomes if each.arrival.number == 2]
    assert len(world.outcomes) == 60
    assert second
    assert all(each.arrival.at_s > 0 for each in second)
    assert all(each.took_s > each.arrival.at_s for each in second if each.kind == "good")


def test_a_batch_for_which_there_is_no_memory_is_halved_and_the_next_are_smaller() -> None:
    scarce = replace(GPU, memory_tokens=1024, memory_until_s=1e9)
    load = [several(0.0, *[64] * 64), several(0.0, *[64] * 64)]

    plenty, full = (World(POLICY, engine).run(load, until_s=9.0) for engine in (GPU, scarce))

    assert [each.kind for each in plenty.outcomes + full.outcomes] == ["good"] * 4
    assert len(plenty.batches_s) == 2
    assert len(full.batches_s) > 3
    assert full.batches_s[0] == pytest.approx(3 * 3e-3 + 4 * (3e-3 + 1024 * 2e-6))


def test_a_run_goes_on_where_it_ended() -> None:
    world = World(POLICY, Engine()).run([asks(QUIET)(0.0)], until_s=0.01)
    before = len(world.outcomes)

    world.run([asks(QUIET)(1.0)], until_s=2.0)

    assert before == 0
    assert [each.kind for each in world.outcomes] == ["good", "good"]
