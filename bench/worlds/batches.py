"""What batches cost and what is learned of it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace

from bench.simulation import Arrival, Engine, World
from bench.worlds.base import CPU, FLOOD, GPU, QUIET, SHORT_S, Scenario, always, asks, mixed, poisson, took_ms
from services.common.caller import Caller
from services.scheduler.policy import Policy

_RUN_S = 5.0


def _figures(world: World, engine: Engine, seconds: float = _RUN_S) -> Mapping[str, float]:
    return {
        "tokens / the engine's, %": world.computed * engine.per_token / seconds * 100,
        "padding, %": (1 - world.computed / world.padded) * 100,
    }


def closed(engine: Engine, texts: int, callers: int) -> Scenario:
    """So many callers of one client that each always have a request of so many texts waiting."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        lengths = mixed(random.Random(seed), texts)
        load = [always(FLOOD, lengths) for _ in range(callers)]
        return _figures(World(policy, engine, seed=seed).run(load, until_s=_RUN_S), engine)

    return run


def clients(engine: Engine) -> Scenario:
    """32 clients that each always have a text waiting."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        lengths = mixed(random.Random(seed), 1)
        load = [always(Caller(client=f"{at}", origin=f"{at}"), lengths) for at in range(32)]
        return _figures(World(policy, engine, seed=seed).run(load, until_s=_RUN_S), engine)

    return run


def after_small(engine: Engine, night_s: float) -> Scenario:
    """Only short equal texts, each alone, for so long; then 32 x 4."""

    def run(policy: Policy, seed: int) -> Mapping[str, float]:
        world = World(policy, engine, seed=seed)
        night = poisson(20.0, night_s, seed, lambda at_s: Arrival(at_s=at_s, caller=QUIET, lengths=(16,)))
        world.run(night, until_s=night_s)
        world.computed = world.padded = 0
        number, lengths = len(world.batches_s), mixed(random.Random(seed), 4)
        load = [replace(always(FLOOD, lengths), at_s=night_s) for _ in range(32)]
        world.run(load, until_s=night_s + _RUN_S)
        return {**_figures(world, engine), "longest batch, ms": max(world.batches_s[number:]) * 1e3}

    return run


def memory_full(policy: Policy, seed: int) -> Mapping[str, float]:
    """A GPU on which something else takes the memory for the first second of five, so that 1,024 tokens fit."""
    engine = replace(GPU, memory_tokens=1024, memory_until_s=1.0)
    return closed(engine, 32, 4)(policy, seed)


def memory_scarce(policy: Policy, seed: int) -> Mapping[str, float]:
    """A GPU with memory for 1,024 tokens, with many requests of a short text and now and then one of 4,096 tokens."""
    engine = replace(GPU, memory_tokens=1024, memory_until_s=math.inf)
    small = poisson(100.0, SHORT_S, seed, lambda at_s: Arrival(at_s=at_s, caller=QUIET, lengths=(16,)))
    large = poisson(5.0, SHORT_S, seed + 99, asks(FLOOD, items=64, deadline_s=10.0))
    world = World(policy, engine, seed=seed).run([*small, *large], until_s=SHORT_S)
    return {"4,096 tokens' p50, ms": took_ms(world, FLOOD, 50), "a short text's p99, ms": took_ms(world, QUIET, 99)}


NOISY = Engine(per_token=CPU.per_token, per_batch=CPU.per_batch, noise=0.3)
FLOORED_CPU = Engine(per_token=CPU.per_token, per_batch=0.0, floor_s=2e-3, noise=0.2)
"""On which small batches take 2 ms however small they are."""
FLOORED_GPU = Engine(per_token=GPU.per_token, per_batch=0.0, floor_s=3e-3, noise=0.2)
