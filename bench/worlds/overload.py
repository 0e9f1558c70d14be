"""More than can be computed, callers that obey, room in the queue, predictions that are wrong."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

from bench.simulation import Engine, World
from bench.worlds.base import (
    CPU,
    FIXED,
    FLOOD,
    LONG_S,
    QUIET,
    SHORT_S,
    TEXT,
    Scenario,
    answered_tokens,
    asks,
    peak,
    poisson,
    served,
    took_ms,
)
from services.common.caller import Caller, Priority
from services.scheduler.policy import Policy

_QUEUED = 16 * 1024
"""Tokens that may wait where room is what matters: 256 texts."""


def overload(engine: Engine, factor: float) -> Scenario:
    """A load of so many times the peak, of one client, with a deadline of 1 s."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        load = poisson(peak(engine) * factor, SHORT_S, seed, asks(FLOOD))
        world = World(policy, engine, seed=seed).run(load, until_s=SHORT_S)
        good = answered_tokens(world)
        return {
            "goodput / peak, %": good / TEXT / SHORT_S / peak(engine) * 100,
            "computed for nothing, %": (1 - good / world.computed) * 100,
            "p99, ms": took_ms(world, FLOOD, 99),
        }

    return run


def obedient(factor: float) -> Scenario:
    """A burst of so many times the peak for 3 s, of requests that come back when they are told."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        burst = poisson(peak(FIXED) * factor, 3.0, seed, asks(FLOOD, tries=6))
        world = World(policy, FIXED, seed=seed).run(burst, until_s=120.0)
        told = [each for each in world.outcomes if each.arrival.number > 1 or each.kind == "refused"]
        first = sum(each.kind == "good" and each.arrival.number == 2 for each in told)
        good = sum(each.kind == "good" for each in told)
        return {"served at the first retry, %": first / len(told) * 100, "within 6 tries, %": good / len(told) * 100}

    return run


def bursts(policy: Policy, seed: int) -> Mapping[str, float]:
    """Now and then 20 clients send as much at once as is computed in 0.4 s, and have 1 s."""
    number = int(0.4 * peak(FIXED))
    names = [Caller(client=f"{at}", origin=f"{at}") for at in range(20)]
    moments = poisson(0.1, 200.0, seed, asks(FLOOD))
    load = [replace(each, caller=names[at % 20]) for each in moments for at in range(number)]
    world = World(policy, FIXED, seed=seed).run(load, until_s=202.0)
    return {"answered, %": answered_tokens(world) / TEXT / len(load) * 100}


def wrong_first_speed(policy: Policy, seed: int) -> Mapping[str, float]:
    """A model whose first batches took ten times as long as the rest, and requests that it computes in 0.3 s."""
    first = replace(CPU, per_token=10 * CPU.per_token, per_batch=10 * CPU.per_batch)
    load = poisson(0.1, 600.0, seed, asks(FLOOD, items=50))
    world = World(policy, CPU, seed=seed, first=first).run(load, until_s=602.0)
    good = [each.arrival.at_s for each in world.outcomes if each.kind == "good"]
    return {"answered, %": served(world, FLOOD), "the first of them after, ms": min(good, default=math.inf) * 1e3}


def too_long(policy: Policy, seed: int) -> Mapping[str, float]:
    """Requests that need 2.5 times what their deadline leaves, beside a client with a text now and then."""
    long = poisson(0.1, 600.0, seed, asks(FLOOD, items=500))
    small = poisson(1.0, 600.0, seed + 99, asks(QUIET))
    world = World(policy, CPU, seed=seed).run([*long, *small], until_s=602.0)
    good = answered_tokens(world)
    return {
        "computed for nothing / useful, %": (world.computed - good) / good * 100,
        "the other's p99, ms": took_ms(world, QUIET, 99),
    }


def room(number: int, *, same_origin: bool, priority: Priority = Priority.INTERACTIVE, items: int = 4) -> Scenario:
    """Clients that fill the queue, and what a quiet client gets that asks for so many texts at a time."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        names = [
            Caller(client=f"flood {at}", origin="f" if same_origin else f"f{at}", priority=priority)
            for at in range(number)
        ]
        rate = peak(FIXED) * 5 / 4 / number
        loads = [
            poisson(rate, LONG_S, seed + at, asks(name, items=4, deadline_s=60.0)) for at, name in enumerate(names)
        ]
        quiet = poisson(peak(FIXED) * 0.1 / items, LONG_S, seed + 99, asks(QUIET, items=items, deadline_s=60.0))
        world = World(policy, FIXED, seed=seed, most_queued=_QUEUED)
        world.run(itertools.chain(quiet, *loads), until_s=LONG_S + 60.0)
        return {"the quiet one's answered, %": served(world, QUIET)}

    return run


def large_alone(part: float, priority: Priority = Priority.INTERACTIVE) -> Scenario:
    """A client that is alone and asks for a part of what the queue holds."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        alone = Caller(client="alone", priority=priority)
        load = poisson(0.1, LONG_S, seed, asks(alone, items=int(part * _QUEUED / TEXT), deadline_s=60.0))
        world = World(policy, CPU, seed=seed, most_queued=_QUEUED).run(load, until_s=LONG_S + 60.0)
        return {"answered, %": served(world, alone)}

    return run
