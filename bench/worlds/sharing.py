"""Clients beside each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from bench.simulation import Arrival, World
from bench.worlds.base import (
    CPU,
    FIXED,
    FLOOD,
    LONG_S,
    QUIET,
    SHORT_S,
    SLOW,
    TEXT,
    Scenario,
    always,
    answered_tokens,
    asks,
    peak,
    poisson,
    took_ms,
)
from services.common.caller import Caller, Priority
from services.scheduler.policy import Policy

_WAITING = (TEXT,) * 3000
"""What takes longer than the run."""


def beside_floods(number: int) -> Scenario:
    """A client with a tenth of the peak beside so many that flood with five times the peak together."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        rate = peak(FIXED)
        floods = [asks(Caller(client=f"flood {at}", origin=f"f{at}")) for at in range(number)]
        loads = [poisson(rate * 5 / number, LONG_S, seed + at, make) for at, make in enumerate(floods)]
        quiet = poisson(rate * 0.1, LONG_S, seed + 99, asks(QUIET))
        world = World(policy, FIXED, seed=seed).run(itertools.chain(quiet, *loads), until_s=LONG_S)
        return {"its p50, ms": took_ms(world, QUIET, 50), "its p99, ms": took_ms(world, QUIET, 99)}

    return run


def beside_newcomers(policy: Policy, seed: int) -> Mapping[str, float]:
    """A client that always waits beside new ones without end, of which one or two wait at a time."""
    numbers = itertools.count()

    def newcomer() -> Arrival:
        name = f"new {next(numbers)}"
        return Arrival(at_s=0.0, caller=Caller(client=name, origin=name), lengths=(TEXT,) * 4, then=newcomer)

    old = Arrival(at_s=0.0, caller=Caller(client="old"), lengths=_WAITING, deadline_s=1e4)
    world = World(policy, FIXED, seed=seed).run([old, newcomer(), newcomer()], until_s=SHORT_S)
    return {"its part of the tokens, %": (1 - answered_tokens(world) / world.computed) * 100}


def beside_comers_and_goers(policy: Policy, seed: int) -> Mapping[str, float]:
    """A client that always waits beside one with a text at a time, and ten a second that come once with a text."""
    numbers = itertools.count()

    def once(at_s: float) -> Arrival:
        name = f"once {next(numbers)}"
        return Arrival(at_s=at_s, caller=Caller(client=name, origin=name), lengths=(TEXT,), deadline_s=1e4)

    old = Arrival(at_s=0.0, caller=Caller(client="old"), lengths=_WAITING, deadline_s=1e4)
    load = [old, always(FLOOD, lambda: (TEXT,)), *poisson(10.0, LONG_S, seed, once)]
    world = World(policy, FIXED, seed=seed).run(load, until_s=LONG_S)
    return {"its part of the tokens, %": (1 - answered_tokens(world) / world.computed) * 100}


def many_names(policy: Policy, seed: int) -> Mapping[str, float]:
    """A client beside 200 names of another origin that all always have a text waiting."""
    names = [always(Caller(client=f"name {at}", origin="f"), lambda: (TEXT,)) for at in range(200)]
    quiet = poisson(peak(FIXED) * 0.1, SHORT_S, seed, asks(QUIET, deadline_s=30.0))
    world = World(policy, FIXED, seed=seed).run([*names, *quiet], until_s=SHORT_S)
    return {"its p99, ms": took_ms(world, QUIET, 99)}


def with_bulk(policy: Policy, seed: int) -> Mapping[str, float]:
    """Interactive work of twice the peak beside bulk work that always waits."""
    bulk = Arrival(at_s=0.0, caller=Caller(client="b", priority=Priority.BULK), lengths=_WAITING, deadline_s=1e4)
    load = poisson(peak(FIXED) * 2, SHORT_S, seed, asks(FLOOD))
    world = World(policy, FIXED, seed=seed).run([bulk, *load], until_s=SHORT_S)
    good = answered_tokens(world)
    return {
        "bulk work's part of the tokens, %": (1 - good / world.computed) * 100,
        "interactive goodput / peak, %": good / TEXT / SHORT_S / peak(FIXED) * 100,
    }


def small_beside_large(policy: Policy, seed: int) -> Mapping[str, float]:
    """A client with one text at a time, half of the time, beside one that always has hundreds waiting."""
    large = [always(FLOOD, lambda: (TEXT,) * 256) for _ in range(2)]
    small = poisson(20.0, SHORT_S, seed, asks(QUIET))
    world = World(policy, CPU, seed=seed).run([*large, *small], until_s=SHORT_S)
    return {
        "its p99, ms": took_ms(world, QUIET, 99),
        "tokens / the engine's, %": world.computed * CPU.per_token / SHORT_S * 100,
    }


def visits(policy: Policy, seed: int) -> Mapping[str, float]:
    """Reranking of 50 pairs now and then, of a client with a text at times and of one that always has 50 waiting."""
    text = Caller(client="text", origin="t")
    large = [always(FLOOD, lambda: (TEXT,) * 50) for _ in range(2)]
    load = [
        *poisson(0.5, LONG_S, seed, asks(QUIET, items=50, deadline_s=10.0)),
        *poisson(4.0, LONG_S, seed, asks(text)),
    ]
    world = World(policy, CPU, seed=seed).run([*large, *load], until_s=LONG_S)
    return {
        "50 pairs' p50, ms": took_ms(world, QUIET, 50),
        "a text's p99, ms": took_ms(world, text, 99),
        "p99 of who always waits, ms": took_ms(world, FLOOD, 99),
    }


def rare_visits(policy: Policy, seed: int) -> Mapping[str, float]:
    """A client with a text now and then beside another that has a slow model for itself meanwhile."""
    large = [always(FLOOD, lambda: (TEXT,) * 8) for _ in range(16)]
    rare = poisson(1 / 30, 3000.0, seed, asks(QUIET, deadline_s=30.0))
    world = World(policy, SLOW, seed=seed).run([*large, *rare], until_s=3000.0)
    return {
        "its p50, ms": took_ms(world, QUIET, 50),
        "tokens / the engine's, %": world.computed * SLOW.per_token / 3000.0 * 100,
    }


def many_visits(policy: Policy, seed: int) -> Mapping[str, float]:
    """20 clients that all come with 200 pairs at once, now and then, beside one that always has 50 waiting."""
    names = [Caller(client=f"visit {at}", origin=f"v{at}") for at in range(20)]
    moments = poisson(0.02, 200.0, seed, asks(QUIET, items=200, deadline_s=60.0))
    load = [replace(each, caller=name) for each in moments for name in names]
    world = World(policy, CPU, seed=seed).run([always(FLOOD, lambda: (TEXT,) * 50), *load], until_s=200.0)
    return {"its longest, ms": took_ms(world, FLOOD, 100)}
