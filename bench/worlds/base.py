"""What the scenarios share: engines, arrivals by chance, figures of callers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from bench.answers import percentile
from bench.simulation import Arrival, Engine, World
from services.common.caller import Caller
from services.scheduler.policy import Policy

FIXED = Engine()
"""As the fake backend of `bench overload`: a text of 64 tokens takes 18 ms."""
STALLED = Engine(noise=0.3, stalls_per_s=2.0, stall_s=0.2)
"""The same on cores that something else takes for 0.2 s twice a second."""
STOPPED = Engine(stalls_per_s=0.1, stall_s=3.0)
"""One that stands still for 3 s every ten seconds or so."""
CPU = Engine(per_token=80e-6, per_batch=0.5e-3)
"""MiniLM in float32 on a core, about."""
SLOW = Engine(per_token=2e-3, per_batch=20e-3)
"""A large model on a CPU."""
GPU = Engine(per_token=2e-6, per_batch=3e-3)

TEXT = 64
"""Tokens."""
LONG_S, SHORT_S = 40.0, 15.0
QUIET, FLOOD = Caller(client="quiet", origin="q"), Caller(client="flood", origin="f")

Scenario = Callable[[Policy, int], Mapping[str, float]]
"""Figures of a policy and a seed, by name with their unit."""


def peak(engine: Engine) -> float:
    """Texts a second that the engine computes in batches of eight."""
    return 1 / (engine.per_token * TEXT + engine.per_batch / 8)


def poisson(rate: float, until_s: float, seed: int, make: Callable[[float], Arrival]) -> list[Arrival]:
    """Arrivals by chance."""
    chance, now_s, found = random.Random(seed), 0.0, []
    while (now_s := now_s + chance.expovariate(rate)) < until_s:
        found.append(make(now_s))
    return found


def asks(caller: Caller, *, deadline_s: float = 1.0, items: int = 1, tries: int = 1) -> Callable[[float], Arrival]:
    """Requests of equal texts."""
    return lambda at_s: Arrival(at_s=at_s, caller=caller, lengths=(TEXT,) * items, deadline_s=deadline_s, tries=tries)


def always(caller: Caller, lengths: Callable[[], tuple[int, ...]]) -> Arrival:
    """A request that its caller sends again, with new texts, whenever it is answered."""
    return Arrival(at_s=0.0, caller=caller, lengths=lengths(), deadline_s=1e4, then=lambda: always(caller, lengths))


def mixed(chance: random.Random, texts: int) -> Callable[[], tuple[int, ...]]:
    """Lengths of so many texts, most of them of some dozens of tokens."""
    return lambda: tuple(max(4, min(256, int(chance.lognormvariate(4.05, 0.9)))) for _ in range(texts))


def took_ms(world: World, caller: Caller, percent: float) -> float:
    """A percentile of the times of a caller's good answers; infinite when it had none."""
    good = [each.took_s * 1e3 for each in world.outcomes if each.arrival.caller is caller and each.kind == "good"]
    return percentile(good, percent) if good else float("inf")


def served(world: World, caller: Caller) -> float:
    """Part of a caller's requests that were answered. Unit: percent."""
    kinds = [each.kind for each in world.outcomes if each.arrival.caller is caller]
    return kinds.count("good") / len(kinds) * 100


def answered_tokens(world: World) -> int:
    """Tokens of the requests that were answered."""
    return sum(sum(each.arrival.lengths) for each in world.outcomes if each.kind == "good")
